"""Users and their accounts: registration, profile, deletion, credentials."""
