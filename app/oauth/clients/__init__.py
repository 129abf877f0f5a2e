"""Clients: the applications that log users in here, or act for themselves."""
