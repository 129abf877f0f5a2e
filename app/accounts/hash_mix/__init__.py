"""Which schemes and costs the password hashes in the store have: so that unknown accounts cost what known ones do."""
