"""What requests may hold: one pydantic model for each body or query, in files named like the controllers."""
