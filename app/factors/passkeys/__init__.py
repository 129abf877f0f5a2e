"""Passkeys (WebAuthn Level 3): as a second factor, and as a login of its own that counts as two."""
