"""Device codes."""
