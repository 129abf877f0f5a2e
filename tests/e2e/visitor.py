"""A browser without script: it follows redirects, keeps cookies, and fills in the forms of a page."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Self
from urllib.parse import urlencode, urljoin, urlsplit

import httpx

from tests.e2e.clients import PATIENCE

if TYPE_CHECKING:
    from types import TracebackType

FORM = "application/x-www-form-urlencoded"
ACCEPT = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@dataclass
class Form:
    """A form as the page has it: what its fields hold, and its buttons by their text."""

    method: str
    action: str
    fields: dict[str, str]
    buttons: dict[str, dict[str, str]] = field(default_factory=dict)


class Visitor:
    """Somebody at a browser; `url` and `page` are what they see."""

    def __init__(self) -> None:
        self.url = ""
        self.page = ""
        self._client = httpx.Client(follow_redirects=True, headers={"Accept": ACCEPT}, timeout=PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._client.close()

    def open(self, url: str) -> str:
        """Open an address; returns the page that it leads to."""
        return self._shown(self._client.get(urljoin(self.url, url)))

    def press(self, button: str, **typed: str) -> str:
        """Type into the fields of the form with this button, and press it; returns the page that it leads to."""
        forms = [form for form in _forms(self.page) if button in form.buttons]
        assert forms, f"no {button!r} at {self.url}:\n{self.page}"
        form = forms[0]
        assert typed.keys() <= form.fields.keys(), form
        sent = form.fields | form.buttons[button] | typed
        url = urljoin(self.url, form.action)
        if form.method == "get":
            return self._shown(self._client.get(url, params=sent))
        at = urlsplit(self.url)
        headers = {"Origin": f"{at.scheme}://{at.netloc}", "Content-Type": FORM}
        return self._shown(self._client.post(url, content=urlencode(sent), headers=headers))

    def _shown(self, reply: httpx.Response) -> str:
        assert reply.status_code < 400, f"{reply.status_code} at {reply.url}:\n{reply.text}"
        self.url, self.page = str(reply.url), reply.text
        return self.page


def _forms(page: str) -> list[Form]:
    reader = _Reader()
    reader.feed(page)
    return reader.forms


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self._button: dict[str, str] | None = None

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attributes}
        if tag == "form":
            self.forms.append(Form(named.get("method", "get").lower(), named.get("action", ""), {}))
        elif tag == "button":
            self._button = {named["name"]: named.get("value", "")} if "name" in named else {}
        elif tag == "input" and self.forms and "name" in named and named.get("type") != "checkbox":
            self.forms[-1].fields[named["name"]] = named.get("value", "")

    def handle_data(self, data: str) -> None:
        if self._button is not None and self.forms and data.strip():
            self.forms[-1].buttons[data.strip()] = self._button

    def handle_endtag(self, tag: str) -> None:
        if tag == "button":
            self._button = None
