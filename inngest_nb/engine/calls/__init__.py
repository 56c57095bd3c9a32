"""The calls that workflow code makes: activities with their attempts, and child workflows."""
