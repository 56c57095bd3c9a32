"""What the calls are made of: values, checks, settings, one exchange, and the server's quirks."""
