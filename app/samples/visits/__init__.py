"""A counter of visits."""
