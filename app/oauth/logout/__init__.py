"""Logouts that clients ask for, and those that they are told of."""
