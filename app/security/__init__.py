"""Password hashes and the threads that compute them, mailed codes, the secret, bounded calls of other servers. No Flask, no store."""
