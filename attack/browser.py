"""A browser without script, for the pages of the deployment: it keeps cookies, and sends forms."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urljoin, urlsplit

from attack.check import InconclusiveError

if TYPE_CHECKING:
    from attack.probe import Probe
    from attack.wire import Answer

FORM = "application/x-www-form-urlencoded"
_MOST_REDIRECTS = 10
_REDIRECTS = range(300, 400)


@dataclass
class Browser:
    """Visits the pages of the deployment that calls itself `issuer`. It follows redirects there, and nowhere else."""

    probe: Probe
    issuer: str
    path: str = ""
    """That of the last reply."""
    _cookies: dict[str, str] = field(default_factory=dict)

    def get(self, path: str) -> Answer:
        """The page that a path leads to, or the redirect that leads away from the deployment."""
        return self._led_on(self._send("GET", path))

    def post(self, path: str, fields: dict[str, str]) -> Answer:
        """The same for a form."""
        return self._led_on(self._send("POST", path, urlencode(fields).encode()))

    def _led_on(self, answer: Answer) -> Answer:
        for _ in range(_MOST_REDIRECTS):
            onward = urljoin(f"{self.issuer}{self.path}", location(answer))
            if answer.status not in _REDIRECTS or not onward.startswith(f"{self.issuer}/"):
                return answer
            answer = self._send("GET", onward.removeprefix(self.issuer))
        raise InconclusiveError(f"{self.path} redirects on and on")

    def _send(self, method: str, path: str, body: bytes | None = None) -> Answer:
        self.path = path
        parts = urlsplit(self.issuer)
        headers = [("Accept", "text/html"), ("Origin", f"{parts.scheme}://{parts.netloc}")]
        if self._cookies:
            headers.append(("Cookie", "; ".join(f"{name}={value}" for name, value in self._cookies.items())))
        if body is not None:
            headers.append(("Content-Type", FORM))
        answer = self.probe.send(method, path, body=body, headers=headers)
        for line in answer.headers.get_all("Set-Cookie") or ():
            name, _, value = line.partition(";")[0].partition("=")
            self._cookies[name.strip()] = value.strip()
        return answer


def location(answer: Answer) -> str:
    """Where a reply redirects to; "" if nowhere."""
    return str(answer.headers.get("Location", ""))


def is_redirect(answer: Answer) -> bool:
    """Whether a reply leads elsewhere."""
    return answer.status in _REDIRECTS


def hidden(answer: Answer) -> dict[str, str]:
    """The hidden fields of the forms of a page."""
    found = _Hidden()
    found.feed(answer.text)
    return found.fields


def path_of(address: str) -> str:
    """The path of an address, without its query."""
    return re.split(r"[?#]", address, maxsplit=1)[0]


class _Hidden(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "input" and given.get("type") == "hidden":
            self.fields[given.get("name") or ""] = given.get("value") or ""
