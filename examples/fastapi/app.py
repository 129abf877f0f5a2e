"""A FastAPI application that checks Latchkey's access tokens by its published keys, without asking it."""

import os
from typing import Annotated, Any

import jwt
import uvicorn
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

ISSUER = os.environ["LATCHKEY_URL"].rstrip("/")
AUDIENCE = os.environ.get("AUDIENCE", ISSUER)

app = FastAPI()
# Cached for 5 minutes, like its max-age; a token with an unknown key fetches it again, at most every 10 seconds.
keys = jwt.PyJWKClient(f"{ISSUER}/.well-known/jwks.json", lifespan=300, cooldown_duration=10, timeout=5)


# Neither function is `async`, so FastAPI runs them in threads, which may wait for the key set.
def authenticate(
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))],
) -> dict[str, Any]:
    """The claims of the request's access token; without a valid token the request ends with 401."""
    if credentials is None:
        raise HTTPException(401, "missing_token", {"WWW-Authenticate": "Bearer"})
    try:
        return verify(credentials.credentials)
    except jwt.PyJWKClientConnectionError as error:
        raise HTTPException(503, "unavailable", {"Retry-After": "5"}) from error
    except jwt.PyJWTError as error:
        raise HTTPException(401, "invalid_token", {"WWW-Authenticate": 'Bearer error="invalid_token"'}) from error


@app.get("/hello")
def hello(claims: Annotated[dict[str, Any], Depends(authenticate)]) -> dict[str, Any]:
    return {"subject": claims["sub"], "roles": claims.get("roles", [])}


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


if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("PORT", "8000")))
