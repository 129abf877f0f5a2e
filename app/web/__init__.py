"""The boundary between Flask and the rest of the application."""
