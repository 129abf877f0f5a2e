"""A Flask application that checks Latchkey's access tokens by its published keys, without asking it."""

import os
from typing import Any, NoReturn

import jwt
from flask import Flask, Response, abort, jsonify, request

ISSUER = os.environ["LATCHKEY_URL"].rstrip("/")
AUDIENCE = os.environ.get("AUDIENCE", ISSUER)

app = Flask(__name__)
# Cached for 5 minutes, like its max-age; a token with an unknown key fetches it again, at most every 10 seconds.
keys = jwt.PyJWKClient(f"{ISSUER}/.well-known/jwks.json", lifespan=300, cooldown_duration=10, timeout=5)


@app.get("/hello")
def hello() -> Response:
    claims = authenticate()
    return jsonify(subject=claims["sub"], roles=claims.get("roles", []))


def authenticate() -> dict[str, Any]:
    """The claims of the request's access token; without a valid token the request ends with 401."""
    authorization = request.authorization
    if authorization is None or authorization.type != "bearer" or not authorization.token:
        refuse(401, "missing_token", {"WWW-Authenticate": "Bearer"})
    try:
        return verify(authorization.token)
    except jwt.PyJWKClientConnectionError:
        refuse(503, "unavailable", {"Retry-After": "5"})
    except jwt.PyJWTError:
        refuse(401, "invalid_token", {"WWW-Authenticate": 'Bearer error="invalid_token"'})


def verify(token: str) -> dict[str, Any]:
    """The claims of an access token (RFC 9068); raises PyJWTError for anything else."""
    verified = jwt.decode_complete(
        token,
        keys.get_signing_key_from_jwt(token),
        algorithms=["ES256"],
        issuer=ISSUER,
        audience=AUDIENCE,
        leeway=30,
        options={"require": ["iss", "sub", "aud", "iat", "exp"]},
    )
    if verified["header"].get("typ") != "at+jwt":
        raise jwt.InvalidTokenError("not an access token")
    claims: dict[str, Any] = verified["payload"]
    return claims


def refuse(status: int, error: str, headers: dict[str, str]) -> NoReturn:
    response = jsonify(error=error)
    response.status_code = status
    response.headers.update(headers)
    abort(response)


if __name__ == "__main__":
    app.run(port=int(os.environ.get("PORT", "8000")))
