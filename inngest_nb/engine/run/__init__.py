"""A run: what happens to it, in which order, and how it ends."""
