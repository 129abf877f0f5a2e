"""Authorization requests that wait for their user, or were pushed by their client (RFC 9126)."""
