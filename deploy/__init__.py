"""What an operator runs beside the service: backup and restore. The scripts in this folder say how."""
