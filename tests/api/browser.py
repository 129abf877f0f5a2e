"""A browser without script: it keeps cookies, follows nothing by itself, and sends the forms of pages."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from werkzeug.http import parse_cookie

if TYPE_CHECKING:
    from tests.api.service import Reply, Service

ORIGIN = "http://localhost:5000"
FORM = "application/x-www-form-urlencoded"


class Browser:
    """Visits the pages of a service."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.cookies: dict[str, str] = {}

    def get(self, path: str, query: str | None = None, **headers: str) -> Reply:
        return self._kept(self.service.get(path, query=query, headers=self._headers() | headers))

    def post(self, path: str, **fields: str) -> Reply:
        sent = self._headers() | {"Origin": ORIGIN}
        body = urlencode(fields).encode()
        return self._kept(self.service.send("POST", path, body=body, content_type=FORM, headers=sent))

    def log_in(self, name: str, password: str, **more: str) -> Reply:
        return self.post("/login", login=name, password=password, **more)

    @property
    def name(self) -> str | None:
        """Who is logged in, by what the page says."""
        reply = self.get("/logout")
        assert reply.status_code == 200, reply.text
        found = re.search(r"logged in as <strong>(.*?)</strong>", reply.text)
        return unescape(found[1]) if found else None

    def _headers(self) -> dict[str, str]:
        cookies = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        return {"Accept": "text/html"} | (cookies if self.cookies else {})

    def _kept(self, reply: Reply) -> Reply:
        for line in reply.headers.getlist("Set-Cookie"):
            name, value = line.partition(";")[0].split("=", 1)
            if "Max-Age=0" in line:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
        return reply


def attributes(reply: Reply, cookie: str) -> dict[str, str]:
    """The attributes of a cookie that a reply sets, in lower case."""
    (line,) = [line for line in reply.headers.getlist("Set-Cookie") if line.startswith(f"{cookie}=")]
    return {name.strip().lower(): value for name, value in parse_cookie(line).items()} | {
        part.strip().lower(): "" for part in line.split(";")[1:] if "=" not in part
    }
