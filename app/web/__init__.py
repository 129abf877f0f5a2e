"""Between Flask and the endpoints: declarations, access checks, reading requests, replies, failures, OpenAPI."""
