"""What a client may exchange for tokens: one class of Authlib's, completed, for each grant type."""
