"""Applications that log people in with a served Latchkey: how they are registered, and who sits at their browsers."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

from tests.e2e.commands import create_user
from tests.e2e.front import UNLIMITED, front, self_signed
from tests.e2e.settings import PASSWORD, in_testing, on_sqlite
from tests.e2e.test_nginx_tls import trusting
from tests.servers.fixtures import require
from tests.servers.process import free_port, program
from tests.servers.service import ROOT, service

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator
    from pathlib import Path

TOOLS = ROOT / "tests/tools"
SCRIPTS = TOOLS / "oauth"
PATIENCE = 30.0
"""Seconds."""
ADMINISTRATOR = "boss@example.com"
CALLBACK = "/callback"
LOGGED_OUT = "/logged-out"


@dataclass(frozen=True)
class Issuer:
    """A served Latchkey as its clients see it: at `url`, with the certificate in the file `certificate` if it is https.

    `app` is the origin of the applications: nobody listens there, unless a test does.
    """

    url: str
    http: httpx.Client
    app: str
    trust: ssl.SSLContext | bool
    certificate: Path | None
    algorithm: str
    token: str = field(repr=False)
    """An administrator's access token."""

    def ask(self, path: str, body: dict[str, Any], token: str | None = None) -> dict[str, Any]:
        """The data of the reply to a POST, of the administrator unless `token` is another's."""
        headers = {"Authorization": f"Bearer {token or self.token}"}
        reply = self.http.post(path, json=body, headers=headers)
        assert reply.is_success, reply.text
        found: dict[str, Any] = reply.json()["data"]
        return found

    def register(self, name: str) -> str:
        """Register a user, whose e-mail address is `<name>@example.com`; returns their identifier."""
        body = {"username": name, "email": f"{name}@example.com", "password": PASSWORD}
        return str(self.ask("/auth/register", body)["user"]["id"])

    def client(self, **more: Any) -> dict[str, Any]:
        """Register a client by the API of administrators: its `id`, and its `secret` if it has one."""
        kind = more.get("kind", "confidential")
        uris = {"redirect_uris": [self.app + CALLBACK], "post_logout_redirect_uris": [self.app + LOGGED_OUT]}
        made = self.ask(
            "/admin/clients", {"name": "Notes", "kind": kind, **({} if kind == "service" else uris), **more}
        )
        return {"id": made["client"]["client_id"], "secret": made.get("client_secret")}


@contextmanager
def issuer(folder: Path, *, https: bool, **settings: str) -> Iterator[Issuer]:
    """Serve Latchkey for clients: on loopback, or behind the nginx that ships, with TLS."""
    app = f"http://localhost:{free_port()}"
    with ExitStack() as running:
        if https:
            port = free_port()
            certificate, key = self_signed()
            file = folder / "certificate.pem"
            file.write_text(certificate)
            settings |= {"PUBLIC_URL": f"https://localhost:{port}", "TRUSTED_PROXIES": "127.0.0.1/32"}
        made = in_testing(WEB_CONCURRENCY="1", **on_sqlite(folder), **settings)
        server = running.enter_context(service(made))
        url = f"http://localhost:{server.port}"
        trust: ssl.SSLContext | bool = True
        if https:
            files = {"tls/fullchain.pem": certificate, "tls/privkey.pem": key}
            running.enter_context(front(server.port, tls=port, more=files, changed=UNLIMITED))
            url, trust = settings["PUBLIC_URL"], trusting(certificate)
        http = running.enter_context(httpx.Client(base_url=url, verify=trust, trust_env=False, timeout=PATIENCE))
        token = _administrator(made, http)
        algorithm = settings.get("JWT_ALGORITHM", "ES256")
        yield Issuer(url, http, app, trust, file if https else None, algorithm, token)


def _administrator(settings: dict[str, str], http: httpx.Client) -> str:
    create_user(settings, "--role", "admin", "--email", ADMINISTRATOR)
    reply = http.post("/auth/login", json={"login": ADMINISTRATOR, "password": PASSWORD})
    assert reply.is_success, reply.text
    return str(reply.json()["data"]["access_token"])


def tried(script: str, trial: str, issuer: Issuer, visit: Callable[[str], str], **given: Any) -> dict[str, Any]:
    """What a trial of a JavaScript library came to.

    Where the script needs its user, `visit` is asked: it gets the address where their browser is sent, and returns the
    one where it arrives.
    """
    node, package = program("node"), TOOLS / "node_modules" / script
    require(None if node and package.exists() else f"{script} is not installed: run `make tools`")
    environment = {"PATH": os.defpath} | (
        {} if issuer.certificate is None else {"NODE_EXTRA_CA_CERTS": str(issuer.certificate)}
    )
    told = {"trial": trial, "issuer": issuer.url, "callback": issuer.app + CALLBACK, **given}
    command = [str(node), str(SCRIPTS / f"{script}.mjs")]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        assert running.stderr is not None
        try:
            print(json.dumps(told), file=running.stdin, flush=True)
            for line in running.stdout:
                said = json.loads(line)
                if "visit" not in said:
                    return dict(said)
                print(json.dumps(visit(said["visit"])), file=running.stdin, flush=True)
            raise AssertionError(running.stderr.read())
        finally:
            running.kill()
