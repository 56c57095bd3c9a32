"""Histories of runs: recording, replaying, forking and storing them."""
