"""What requests may hold: one pydantic model a body or query, in files named like the controllers."""
