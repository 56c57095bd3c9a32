"""A handful of workflows worth watching, and a store filled as production fills one."""
