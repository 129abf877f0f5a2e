"""The OpenAPI document, Swagger UI, the index page."""
