"""Authorization codes."""
