"""Login, refresh, logout, access tokens."""
