"""A run: what happens to it, in what order, and how it ends."""
