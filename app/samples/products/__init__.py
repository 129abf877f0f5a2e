"""Products that users own."""
