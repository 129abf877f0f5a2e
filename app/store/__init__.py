"""Connections to the databases, and what repositories share. No entity is in it."""
