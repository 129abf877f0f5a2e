"""Passwords, tokens and keys: neither Flask nor a store is known here."""
