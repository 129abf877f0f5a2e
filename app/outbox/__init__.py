"""What waits to be sent, and the courier that sends it."""
