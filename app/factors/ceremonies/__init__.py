"""Ceremonies of WebAuthn that are under way: each is a challenge, for one purpose and one try."""
