"""Consents: what users let clients have. In the API they are called grants."""
