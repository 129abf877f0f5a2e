"""`flask attack`: examines one's own deployment from outside, as an attacker would. It imports nothing of `app/`."""
