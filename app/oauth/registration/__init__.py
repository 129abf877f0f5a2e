"""Clients that register themselves (RFC 7591): whoever has an initial access token may."""
