"""Histories of runs: as they grow, as they are replayed, cut and stored."""
