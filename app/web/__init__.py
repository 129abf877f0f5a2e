"""Between Flask and the endpoints: declaring an endpoint, access checks, reading requests, replies, failures, OpenAPI."""
