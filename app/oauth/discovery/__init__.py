"""What clients read about this server before anything else."""
