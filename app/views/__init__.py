"""How things become JSON, in files named like the controllers."""
