"""Accounts at providers, which lead to users."""
