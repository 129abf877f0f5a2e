"""The keys that sign tokens."""
