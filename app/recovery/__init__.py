"""Mailed codes: verification, password reset, change of address, and their pages."""
