"""Logging in to the pages with an account at a provider."""
