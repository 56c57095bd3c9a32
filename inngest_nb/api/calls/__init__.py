"""The calls, each an operation that yields requests and receives responses."""
