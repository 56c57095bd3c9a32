"""What the engine wants to know of functions, durations and failures."""
