"""Roles, and the permissions they hold."""
