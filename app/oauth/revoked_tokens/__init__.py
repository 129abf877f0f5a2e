"""Access tokens of clients that act for themselves, revoked before they expired."""
