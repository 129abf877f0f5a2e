"""Notices of sessions that have ended, which their clients are told of."""
