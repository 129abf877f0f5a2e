"""Passwords, tokens and keys. No Flask, no store."""
