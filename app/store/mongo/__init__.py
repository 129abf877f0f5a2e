"""MongoDB: the connection, and the indexes."""
