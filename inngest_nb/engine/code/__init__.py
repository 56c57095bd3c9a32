"""A run and its code: what it asks for, and what it sees of what happened."""
