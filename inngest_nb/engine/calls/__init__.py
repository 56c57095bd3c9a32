"""What a run's code calls: activities with their attempts, and other workflows."""
