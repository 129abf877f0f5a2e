"""gunicorn's worker, as Latchkey runs it."""
