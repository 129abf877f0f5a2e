"""What the commands of all features share. Each command is in the `cli.py` of its feature."""
