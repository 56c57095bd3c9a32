"""What all runs of an executor share: its threads, its clock and its store."""
