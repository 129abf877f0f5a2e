"""What an operator runs beside the service: backup and restore. The scripts beside it say how."""
