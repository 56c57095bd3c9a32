"""What many runs and steps say together: failures, rates, delays, and what has changed."""
