"""Reading long lists of runs quickly."""
