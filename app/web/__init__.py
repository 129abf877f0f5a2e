"""The seam between Flask and the rest."""
