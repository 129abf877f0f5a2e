"""Requests for mail to an address that may or may not have an account."""
