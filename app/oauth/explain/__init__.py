"""Why a request to the authorization server is refused."""
