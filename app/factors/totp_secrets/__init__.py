"""The secrets of authenticator apps, sealed, and the last time step of each that was spent."""
