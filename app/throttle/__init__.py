"""Counting failed attempts, and making guessers wait."""
