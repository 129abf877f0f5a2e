"""What every package may use: the clock, failures, the log, identifiers. It imports only the settings."""
