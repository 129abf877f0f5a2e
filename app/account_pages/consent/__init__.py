"""The page that asks whether an application may have what it asks for."""
