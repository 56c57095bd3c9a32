"""The requests of each operation and what their responses mean, written once for all clients."""
