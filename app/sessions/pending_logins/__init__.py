"""Logins whose first factor was right, and which are not finished."""
