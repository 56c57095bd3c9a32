"""What frames are made of: columns, where rows come from, readable tables."""
