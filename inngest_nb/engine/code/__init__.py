"""Running workflow code: its threads and event loops, and the context that it gets."""
