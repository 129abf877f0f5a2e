"""Initial access tokens (RFC 7591 section 3): whoever has one may register clients."""
