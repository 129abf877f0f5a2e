"""What every other package may use: time, failures, log, identifiers. It imports nothing above it."""
