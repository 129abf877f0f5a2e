"""Logins that are under way at a provider."""
