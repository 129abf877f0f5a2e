"""Users who log in with their account at a provider: what a browser does, and the file that names the providers."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

from app.social.openid import OpenIdUpstream
from app.social.service import ProviderLogins

if TYPE_CHECKING:
    from pathlib import Path

    from tests.api.service import Reply, Service
    from tests.servers.openid import Provider

APP = "https://app.example.com"
TARGET = f"{APP}/signed-in?state=of-the-app"
COOKIE = "latchkey-provider"


@dataclass(frozen=True)
class Files:
    """Makes files of providers."""

    folder: Path
    upstream: Provider

    def of(self, *providers: dict[str, Any]) -> str:
        path = self.folder / "providers.yaml"
        path.write_text(json.dumps({"providers": providers}))  # JSON is YAML
        return str(path)

    def provider(self, id_: str, **more: Any) -> dict[str, Any]:
        usual = {"id": id_, "issuer": self.upstream.url, "client_id": "latchkey", "client_secret": "s3cret/+ x"}
        return {**usual, **more}


@dataclass
class Browser:
    """A browser that logs in with a provider, and keeps the cookie."""

    service: Service
    upstream: Provider
    cookie: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        return {"Cookie": f"{COOKIE}={self.cookie}"} if self.cookie else {}

    def start(self, provider: str = "trusted", *, token: str | None = None, **body: Any) -> str:
        body = {"redirect_to": TARGET, **body}
        reply = self.service.post(f"/auth/providers/{provider}/start", body, token=token, headers=self.headers)
        assert reply.status_code == 200, reply.text
        found = re.search(rf"{COOKIE}=([A-Za-z0-9_-]+); .*SameSite=Lax", reply.headers["Set-Cookie"])
        assert found is not None
        assert "HttpOnly" in reply.headers["Set-Cookie"]
        self.cookie = found[1]
        url: str = reply.json["data"]["url"]
        return url

    def back(self, provider: str, answer: dict[str, str]) -> Reply:
        path = f"/auth/providers/{provider}/callback"
        return self.service.get(path, query=urlencode(answer), headers={**self.headers, "Accept": "text/html"})

    def code(self, provider: str = "trusted", *, token: str | None = None, **user: Any) -> str:
        """The code of a whole visit."""
        came = told(
            self.back(provider, self.upstream.log_in(self.start(provider, token=token, **_purpose(token)), **user))
        )
        assert "code" in came, came
        return came["code"]

    def finish(self, code: str, *, token: str | None = None, **more: Any) -> Reply:
        body = {"code": code, **more}
        return self.service.post("/auth/providers/finish", body, token=token, headers=self.headers)

    def log_in(self, provider: str = "trusted", **user: Any) -> Reply:
        return self.finish(self.code(provider, **user))

    def link(self, token: str, provider: str = "trusted", **user: Any) -> Reply:
        return self.finish(self.code(provider, token=token, **user), token=token)


def _purpose(token: str | None) -> dict[str, str]:
    return {"purpose": "link"} if token else {}


def told(reply: Reply) -> dict[str, str]:
    """What the application is told in the query of its address."""
    assert reply.status_code == 303, reply.text
    location = reply.headers["Location"]
    assert location.startswith(f"{TARGET}&"), location
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items() if name != "state"}


def code_of(reply: Reply) -> tuple[int, str | None]:
    return reply.status_code, reply.json.get("code")


def later(service: Service, seconds: float) -> None:
    """Let time pass for what is kept of the provider."""
    upstream = next(iter(service.wired.get(ProviderLogins).upstreams.values()))
    assert isinstance(upstream, OpenIdUpstream)
    published = upstream.documents.published
    before = published.clock
    published.clock = lambda: before() + seconds
