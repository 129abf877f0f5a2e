"""What Latchkey costs, as ratios to a bare Flask under the same gunicorn: `make bench`, docs/performance.md."""
