"""A browser without script: it follows redirects, keeps cookies, and fills in the forms of a page."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Self
from urllib.parse import urlencode, urljoin, urlsplit

import httpx

from tests.e2e.clients import PATIENCE
from tests.e2e.settings import PASSWORD

if TYPE_CHECKING:
    import ssl
    from types import TracebackType

FORM = "application/x-www-form-urlencoded"
ACCEPT = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
_STEPS = 20
"""Redirects, or pages, in a row."""


@dataclass
class Form:
    """A form as the page has it: what its fields hold, and its buttons by their text."""

    method: str
    action: str
    fields: dict[str, str]
    buttons: dict[str, dict[str, str]] = field(default_factory=dict)


class Visitor:
    """Somebody at a browser; `url` and `page` are what they see.

    They go no further than `within`, if it is given: then `left_for` is the address elsewhere where they were sent.
    """

    def __init__(self, *, within: str = "", verify: ssl.SSLContext | bool = True) -> None:
        self.url = ""
        self.page = ""
        self.left_for: str | None = None
        self._within = within
        # As browsers do on this machine, it sends secure cookies over http, too.
        cookies = CookieJar(DefaultCookiePolicy(secure_protocols=("https", "http")))
        self._client = httpx.Client(
            headers={"Accept": ACCEPT}, timeout=PATIENCE, verify=verify, cookies=cookies, trust_env=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self._client.close()

    def open(self, url: str) -> str:
        """Open an address; returns the page that it leads to."""
        return self._shown(self._client.get(urljoin(self.url, url)))

    def press(self, button: str, **typed: str) -> str:
        """Type into the fields of the form with this button, and press it; returns the page that it leads to."""
        forms = [form for form in self.forms() if button in form.buttons]
        assert forms, f"no {button!r} at {self.url}:\n{self.page}"
        return self.send(forms[0], forms[0].buttons[button], **typed)

    def send(self, form: Form, pressed: dict[str, str], **typed: str) -> str:
        """Type into the fields of a form, and send it with what the button that is `pressed` says."""
        assert typed.keys() <= form.fields.keys(), form
        sent = form.fields | pressed | typed
        url = urljoin(self.url, form.action)
        if form.method == "get":
            return self._shown(self._client.get(url, params=sent))
        at = urlsplit(self.url)
        headers = {"Origin": f"{at.scheme}://{at.netloc}", "Content-Type": FORM}
        return self._shown(self._client.post(url, content=urlencode(sent), headers=headers))

    def forms(self) -> list[Form]:
        """The forms of the page, in its order."""
        reader = _Reader()
        reader.feed(self.page)
        return reader.forms

    def _shown(self, reply: httpx.Response) -> str:
        for _ in range(_STEPS):
            if not reply.has_redirect_location:
                break
            url = urljoin(str(reply.url), reply.headers["Location"])
            if not url.startswith(self._within):
                self.left_for, self.page = url, ""
                return ""
            reply = self._client.get(url)
        assert reply.status_code < 300, f"{reply.status_code} at {reply.url}:\n{reply.text}"
        self.url, self.page = str(reply.url), reply.text
        return self.page


class Person(Visitor):
    """A user of the service at `issuer`, who logs in, answers what its pages ask, and logs out."""

    def __init__(self, issuer: str, name: str, *, answer: str = "allow", verify: ssl.SSLContext | bool = True) -> None:
        super().__init__(within=f"{issuer}/", verify=verify)
        self.name = name
        self.seen: list[str] = []
        """The titles of the pages that they answered."""
        self._answer = answer

    def visit(self, url: str) -> str:
        """Go to an address of the service, and do what its pages ask; returns the address of the application where that
        ends, or of the page that asks nothing more."""
        self.left_for = None
        self.open(url)
        for _ in range(_STEPS):
            if self.left_for is not None:
                return self.left_for
            title = re.search(r"<h1[^>]*>(.*?)</h1>", self.page)
            form = next((form for form in self.forms() if form.method == "post"), None)
            if form is None or title is None or title[1] == "You are logged in":
                return self.url
            self.seen.append(unescape(re.sub("<[^>]+>", "", title[1])))
            typed = {"login": self.name, "password": PASSWORD}
            pressed = {"answer": self._answer} if {"answer": self._answer} in form.buttons.values() else {}
            self.send(form, pressed, **{name: text for name, text in typed.items() if name in form.fields})
        raise AssertionError(f"the pages do not end: {self.seen}")


def came_back(issuer: str, name: str, address: str, *, answer: str = "allow") -> str:
    """The address of the application that a user comes back to, from an authorization request at a new browser."""
    with Person(issuer, name, answer=answer) as person:
        return person.visit(address)


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
