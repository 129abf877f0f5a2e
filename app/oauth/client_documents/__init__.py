"""The documents with which clients describe themselves (Client ID Metadata Documents), kept for a while."""
