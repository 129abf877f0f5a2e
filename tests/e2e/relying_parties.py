"""Clients of the authorization server that others wrote, each as its own documentation has it."""

from __future__ import annotations

import re
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx

from app import config, wiring
from app.oauth.catalogue.model import CatalogueBooks, Resource
from app.oauth.clients.model import Client, Clients, ClientSecret
from app.platform.identifiers import digest_of_token, new_id
from tests.e2e.clients import PATIENCE
from tests.e2e.commands import flask
from tests.e2e.settings import PASSWORD, in_testing, on_sqlite
from tests.servers.fixtures import require
from tests.servers.process import wait_until
from tests.servers.service import ROOT, Service, service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from app.wiring import Wired
    from tests.e2e.visitor import Visitor

SECRET = "lkcs_" + "s3cret-" * 6 + "x"
SOURCES = ROOT / "tests" / "tools" / "relying_parties"
READY = ROOT / ".tools" / "relying_parties"
"""Where tests/tools/relying_parties.sh puts what it builds."""


@dataclass(frozen=True)
class Provider:
    """A Latchkey that is served, for its clients."""

    latchkey: Service
    settings: dict[str, str]

    @property
    def url(self) -> str:
        """Its PUBLIC_URL, the issuer."""
        return f"http://localhost:{self.latchkey.port}"

    def replace_keys(self) -> None:
        """Revoke the keys that sign, as after a theft, and return when others are published."""
        former = self._published()
        flask(self.settings, "keys", "revoke", "--all", "--yes")
        wait_until(lambda: not self._published() & former, 30)

    def _published(self) -> set[str]:
        keys = httpx.get(f"{self.latchkey.base_url}/.well-known/jwks.json", timeout=PATIENCE).json()["keys"]
        return {key["kid"] for key in keys}

    def client(self, **fields: Any) -> str:
        """A new client, confidential if `fields` say nothing else; its secret is SECRET. Returns its identifier."""
        given = {"name": "Notes", "kind": "confidential", "redirect_uris": ()} | fields
        now = datetime.now(UTC)
        secrets = () if given["kind"] == "public" else (ClientSecret(new_id(), digest_of_token(SECRET), now),)
        made = Client(id=new_id(), created_at=now, secrets=secrets, **given)
        with self._wired() as wired:
            wired.get(Clients).add(made)
        return made.id

    def api(self, uri: str) -> None:
        """Name an API whose access tokens are issued here."""
        with self._wired() as wired:
            books = wired.get(CatalogueBooks)
            book = books.load()
            resources = (*book.resources, Resource(uri, "An API"))
            assert books.save(replace(book, version=book.version + 1, resources=resources))

    @contextmanager
    def _wired(self) -> Iterator[Wired]:
        wired = wiring.build(config.load(self.settings, dotenv=None), watched=False)
        try:
            yield wired
        finally:
            wired.close()


@contextmanager
def provider(folder: Path, **settings: str) -> Iterator[Provider]:
    """Serve a Latchkey with these settings and a database in `folder`."""
    given = in_testing(WEB_CONCURRENCY="1", **on_sqlite(folder), **settings)
    with service(given) as latchkey:
        yield Provider(latchkey, given)


def log_in(visitor: Visitor, name: str, *, allowed: bool = False) -> str:
    """Log in at the page that the visitor was led to, and allow it unless they have; returns the client's page."""
    page = visitor.press("Log in", login=name, password=PASSWORD)
    return page if allowed else visitor.press("Allow")


def made_ready(name: str, missing: str | None) -> Path:
    """The folder with what tests/tools/relying_parties.sh builds; `missing` says what has to be installed for that."""
    require(missing)
    built = subprocess.run(
        [ROOT / "tests" / "tools" / "relying_parties.sh", name], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    require(None if built.returncode == 0 else f"{name} cannot be built:\n{built.stdout[-2000:]}")
    return READY / name


def shown(language: str) -> str:
    """The lines in this language that docs/oauth.md shows below "Clients that were tried"."""
    behind = (ROOT / "docs" / "oauth.md").read_text().partition("\n## Clients that were tried\n")[2]
    section = behind.partition("\n## ")[0]
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    return str(found)
