"""The page on which users enter the code that a device shows."""
