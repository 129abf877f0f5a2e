"""A small MCP server whose users log in at Latchkey: a protected resource that checks its access tokens itself."""

import os
from collections import defaultdict
from typing import Any
from urllib.parse import urlsplit

import anyio.to_thread
import jwt
import uvicorn
from mcp.server import MCPServer
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from mcp.server.transport_security import TransportSecuritySettings
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ISSUER = os.environ["LATCHKEY_URL"].rstrip("/")
PORT = int(os.environ.get("PORT", "8000"))
RESOURCE = os.environ.get("RESOURCE", f"http://localhost:{PORT}/mcp")
"""Its address as clients know it, as it stands in /admin/resources, and so the audience of its tokens."""
NEEDED = "notes"
"""The scope that every tool needs."""
ASKED_FOR = f"{NEEDED} offline_access"
"""What clients are told to ask for: older ones get a refresh token only if the server names `offline_access`."""

# Cached for 5 minutes, like its max-age; a token with an unknown key fetches it again, at most every 10 seconds.
keys = jwt.PyJWKClient(f"{ISSUER}/.well-known/jwks.json", lifespan=300, cooldown_duration=10, timeout=5)
kept: defaultdict[str, list[str]] = defaultdict(list)


class LatchkeyTokens:
    """Checks access tokens by Latchkey's published keys."""

    async def verify_token(self, token: str) -> AccessToken | None:
        """What this access token says; None if it is not valid here."""
        try:
            claims = await anyio.to_thread.run_sync(verify, token)
        except jwt.PyJWKClientConnectionError:
            raise
        except jwt.PyJWTError:
            return None
        return AccessToken(
            token=token,
            client_id=claims["client_id"],
            subject=claims["sub"],
            scopes=claims.get("scope", "").split(),
            expires_at=claims["exp"],
            resource=RESOURCE,
            claims=claims,
        )


def verify(token: str) -> dict[str, Any]:
    """The claims of an access token (RFC 9068) for this server; raises PyJWTError for anything else."""
    verified = jwt.decode_complete(
        token,
        keys.get_signing_key_from_jwt(token),
        algorithms=["ES256"],
        issuer=ISSUER,
        audience=RESOURCE,
        options={"require": ["iss", "sub", "aud", "iat", "exp", "client_id"]},
    )
    if verified["header"].get("typ") != "at+jwt":
        raise jwt.InvalidTokenError("not an access token")
    claims: dict[str, Any] = verified["payload"]
    return claims


server = MCPServer(
    "Notes",
    token_verifier=LatchkeyTokens(),
    # Not AnyHttpUrl(ISSUER): that appends a slash to an address without a path, and clients compare to the letter.
    auth=AuthSettings.model_validate(
        {
            "issuer_url": ISSUER,
            "resource_server_url": RESOURCE,
            "required_scopes": [NEEDED],
            "validate_token_resource": False,  # `verify` compares the audience
        }
    ),
)


@server.tool()
def add_note(text: str) -> list[str]:
    """Keep a note; returns all notes of the user."""
    token = get_access_token()
    if token is None or token.subject is None:
        raise RuntimeError("nobody is logged in")
    kept[token.subject].append(text)
    return kept[token.subject]


async def unavailable(_request: Request, error: Exception) -> JSONResponse:
    """503 while the keys of Latchkey cannot be had: a 401 would send all users to a login in vain."""
    if isinstance(error, jwt.PyJWKClientConnectionError):
        return JSONResponse({"error": "temporarily_unavailable"}, 503, {"Retry-After": "5"})
    return JSONResponse({"error": "server_error"}, 500)


class Challenges:
    """Adds to the challenges of 401 and 403 what the package leaves out: the scope to ask for (RFC 6750 section 3)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_scope(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] in {401, 403}:
                message["headers"] = [
                    (name, value + f', scope="{ASKED_FOR}"'.encode() if name == b"www-authenticate" else value)
                    for name, value in message["headers"]
                ]
            await send(message)

        await self.app(scope, receive, with_scope)


served = server.streamable_http_app(
    streamable_http_path=urlsplit(RESOURCE).path or "/",
    transport_security=TransportSecuritySettings(allowed_hosts=[urlsplit(RESOURCE).netloc]),
)
served.add_exception_handler(Exception, unavailable)
app = Challenges(served)

if __name__ == "__main__":
    uvicorn.run(app, port=PORT)
