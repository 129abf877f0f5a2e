"""The JSON of replies, in files named like the controllers."""
