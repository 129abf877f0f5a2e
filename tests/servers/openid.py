"""A provider on this machine, as OpenID Connect has it, which a test can have answer wrongly; and GitHub's API."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEY_ID = "one"
TENANT = "9188040d-6c67-4c5b-b112-36a304b66dad"


class Provider:
    """A provider whose answers a test can change.

    `user` holds what it says of whoever logs in next; `change` gets the claims of the ID token, and may change them.
    """

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.key_id = KEY_ID
        self.requests: list[tuple[str, dict[str, str], dict[str, str]]] = []
        """Path, headers with names in lower case, and form of each."""
        self._codes: dict[str, dict[str, Any]] = {}
        self.now: Callable[[], float] = time.time
        self.reset()

    def reset(self) -> None:
        """Answer as a provider does."""
        self.user: dict[str, Any] = {"sub": "1"}
        self.change: Callable[[dict[str, Any]], None] = lambda _: None
        self.metadata: dict[str, Any] = {}
        self.userinfo: dict[str, Any] | None = None
        self.emails: object = []
        self.published: object = None
        """Instead of the keys that it has."""
        self.raw: bytes | None = None
        """Instead of any reply."""
        self.signs_with: Any = self.key
        self.algorithm = "ES256"
        self.id_token: object = None
        """Instead of one that it signs."""
        self.key_issuer: str | None = None
        """Whom the key signs for, as Microsoft says it."""
        self.is_down = False

    def log_in(self, url: str, **user: Any) -> dict[str, str]:
        """Log in at the address where the browser was sent; what the provider sends back with it."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        code = secrets.token_urlsafe(16)
        self._codes[code] = {"asked": asked, "user": user or dict(self.user)}
        return {"code": code, "state": asked["state"]}

    def answer(self, path: str, headers: dict[str, str], form: dict[str, str]) -> tuple[int, object]:
        self.requests.append((path, headers, form))
        if self.is_down:
            return 503, {}
        if path.startswith("/authorize?"):
            return 303, self._back(path)
        if path.endswith("/.well-known/openid-configuration"):
            return 200, self._metadata(path.removesuffix("/.well-known/openid-configuration"))
        if path in {"/token", "/login/oauth/access_token"}:
            return self._token(form, with_id_token=path == "/token")
        if path == "/api/v3/user/emails" and self.emails is None:
            return 404, {}
        found = {"/keys": self.published or self._keys(), "/userinfo": self.userinfo, "/api/v3/user": self.user}
        return 200, {**found, "/api/v3/user/emails": self.emails}[path]

    def _back(self, path: str) -> str:
        """Where a browser is sent at once: its user is logged in here, and agrees."""
        redirect_uri = parse_qs(urlsplit(path).query)["redirect_uri"][0]
        return f"{redirect_uri}?{urlencode(self.log_in(path))}"

    def _keys(self) -> dict[str, Any]:
        key = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self.key.public_key()))
        of_issuer = {} if self.key_issuer is None else {"issuer": self.key_issuer}
        return {"keys": [{**key, "kid": self.key_id, "use": "sig", "alg": "ES256", **of_issuer}]}

    def _metadata(self, below: str) -> dict[str, Any]:
        endpoints = {
            "authorization_endpoint": f"{self.url}/authorize?tenant=1",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
        }
        return {"issuer": self.url + below, **endpoints, **self.metadata}

    def _token(self, form: dict[str, str], *, with_id_token: bool) -> tuple[int, object]:
        known = self._codes.pop(form.get("code", ""), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if known is None or challenge.rstrip(b"=").decode() != known["asked"]["code_challenge"]:
            return (400 if with_id_token else 200), {"error": "invalid_grant"}
        if not with_id_token:
            self.user = known["user"]
            return 200, {"access_token": "gho_1", "token_type": "bearer"}
        now = int(self.now())
        issuer = self.metadata.get("issuer", self.url).replace("{tenantid}", TENANT)
        claims = {
            "iss": issuer,
            "aud": known["asked"]["client_id"],
            "iat": now,
            "exp": now + 300,
            "nonce": known["asked"]["nonce"],
            **known["user"],
        }
        self.change(claims)
        token = jwt.encode(claims, self.signs_with, self.algorithm, headers={"kid": self.key_id})
        return 200, {
            "access_token": "at-1",
            "token_type": "Bearer",
            "id_token": token if self.id_token is None else self.id_token,
        }


@contextmanager
def serving_provider() -> Iterator[Provider]:
    """Run a provider on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer("")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers["content-length"])).decode())

        def _answer(self, text: str) -> None:
            form = {name: values[0] for name, values in parse_qs(text).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, found = provider.answer(self.path, headers, form)
            content = json.dumps(found).encode() if provider.raw is None else provider.raw
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            if status == HTTPStatus.SEE_OTHER:
                self.send_header("Location", str(found))
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has there
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        provider = Provider(server.server_port)
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield provider
        finally:
            server.shutdown()
            thread.join()
