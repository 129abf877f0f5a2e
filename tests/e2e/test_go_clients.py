"""Programs in Go log in by golang.org/x/oauth2, coreos/go-oidc and zitadel/oidc (tests/tools/relying_parties/go)."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jwt
import pytest

from tests.e2e.clients import register
from tests.e2e.relying_parties import SECRET, Provider, log_in, made_ready, provider
from tests.e2e.settings import PASSWORD
from tests.e2e.visitor import Visitor
from tests.servers.process import program

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(180)  # the first run fetches packages

CALLBACK = "http://127.0.0.1/callback"
"""Registered without a port: the program takes a free one."""


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    with provider(tmp_path_factory.mktemp("store")) as served:
        yield served


@dataclass
class Running:
    """The program, at work."""

    process: subprocess.Popen[str]

    def line(self) -> str:
        """What it prints next."""
        assert self.process.stdout is not None
        printed = self.process.stdout.readline().strip()
        assert printed, self.process.communicate()[1]
        return printed

    def end(self) -> dict[str, Any]:
        """What it got."""
        got, error = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, error
        found: dict[str, Any] = json.loads(got)
        return found


@contextmanager
def running(way: str, issuer: Provider, client_id: str, secret: str = "") -> Iterator[Running]:
    made = made_ready("go", None if program("go") else "Go is missing: apt-get install golang-go")
    environment = {"PATH": os.defpath, "LATCHKEY_URL": issuer.url, "CLIENT_ID": client_id, "CLIENT_SECRET": secret}
    with subprocess.Popen(
        [made / "relying-party", way], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            yield Running(process)
        finally:
            process.kill()


def claims(token: str) -> dict[str, Any]:
    return dict(jwt.decode(token, options={"verify_signature": False}))


@pytest.mark.parametrize("kind", ["public", "confidential"])
def test_go_oidc_logs_in_checks_the_id_token_reads_userinfo_and_refreshes(issuer: Provider, kind: str) -> None:
    name = f"ann-{kind}"
    register(issuer.latchkey.base_url, name, email=f"{name}@example.com")
    client = issuer.client(kind=kind, redirect_uris=(CALLBACK,))
    secret = "" if kind == "public" else SECRET
    with running("login", issuer, client, secret) as go, Visitor() as visitor:
        visitor.open(go.line())
        assert "Back" in log_in(visitor, name)
        got = go.end()
    token = claims(got.pop("access_token"))
    assert (token["iss"], token["sub"], token["client_id"]) == (issuer.url, got.pop("subject"), client)
    assert got == {
        "name": name, "email": f"{name}@example.com", "email_verified": False, "refreshed": True, "same_user": True,
        "again": "invalid_grant",
    }  # fmt: skip


def test_go_oidc_is_told_that_the_user_denied(issuer: Provider) -> None:
    register(issuer.latchkey.base_url, "bob")
    with running("login", issuer, issuer.client(kind="public", redirect_uris=(CALLBACK,))) as go, Visitor() as visitor:
        visitor.open(go.line())
        visitor.press("Log in", login="bob", password=PASSWORD)
        assert "Back" in visitor.press("Deny")
        _, error = go.process.communicate(timeout=60)
    assert (go.process.returncode, error) == (1, "access_denied\n")


@pytest.mark.parametrize(("answer", "got"), [("Allow", "cal"), ("Deny", None)])
def test_x_oauth2_polls_for_a_device_until_its_user_has_answered(
    issuer: Provider, answer: str, got: str | None
) -> None:
    name = f"cal-{answer}".lower()
    register(issuer.latchkey.base_url, name)
    with running("device", issuer, issuer.client(kind="public")) as go, Visitor() as visitor:
        visitor.open(go.line())
        visitor.press("Log in", login=name, password=PASSWORD)
        assert go.line() in visitor.page
        visitor.press("Go on")
        visitor.press(answer)
        said = go.end()
    if got is None:
        assert said == {"error": "access_denied"}
    else:
        assert (said["name"], said["refreshed"], said["same_user"]) == (name, True, True)


def test_a_service_in_go_gets_a_token_by_client_credentials(issuer: Provider) -> None:
    client = issuer.client(kind="service")
    with running("service", issuer, client, SECRET) as go:
        got = go.end()
    assert (claims(got["access_token"])["sub"], got["type"]) == (client, "Bearer")
    with running("service", issuer, client, "lkcs_" + "n" * 43) as go:
        assert go.end() == {"error": "invalid_client"}


def test_zitadel_oidc_logs_in_introspects_refreshes_and_revokes(issuer: Provider) -> None:
    register(issuer.latchkey.base_url, "dan")
    client = issuer.client(redirect_uris=(CALLBACK,))
    with running("zitadel", issuer, client, SECRET) as go, Visitor() as visitor:
        visitor.open(go.line())
        assert "Back" in log_in(visitor, "dan")
        got = go.end()
    assert got == {"name": "dan", "before": True, "after": False, "refreshed": True, "introspected": True}
