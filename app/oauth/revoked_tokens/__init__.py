"""Tokens that prove nothing any more before they expired: revoked access tokens, and assertions of clients."""
