"""Former addresses that nobody else may claim yet."""
