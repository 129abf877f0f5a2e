"""Password hashes, mailed codes, the secret, and bounded calls of other servers. No Flask, no store."""
