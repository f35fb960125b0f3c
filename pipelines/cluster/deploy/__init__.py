"""`bertworks deploy`."""
