"""What the commands of all features share. The commands themselves are in the `cli.py` of each feature."""
