"""A browser without script: it keeps cookies, follows redirects within the service, and sends the forms of pages."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import urljoin, urlsplit

import httpx

from tests.e2e.clients import PATIENCE
from tests.e2e.settings import PASSWORD

_FIELD = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)"')


class FormBrowser:
    """Visits the pages of the service at `url`, its PUBLIC_URL."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._cookies: dict[str, str] = {}

    def allow(self, address: str, name: str, *, answer: str = "allow") -> str:
        """Open the address of an authorization request, log in as this user if asked, and answer.

        Returns the address to which the browser is sent at last, which is the client's.
        """
        reply = self.open(address)
        if "/login" in urlsplit(str(reply.url)).path:
            reply = self.send(reply, "/login", login=name, password=PASSWORD)
        if urlsplit(str(reply.url)).path == "/consent":
            reply = self.send(reply, "/consent", answer=answer)
        assert reply.is_redirect, reply.text
        return reply.headers["Location"]

    def open(self, address: str) -> httpx.Response:
        """The page at this address of the service; or the redirect that leads away from it."""
        return self._followed(self._sent("GET", address))

    def send(self, page: httpx.Response, path: str, **fields: str) -> httpx.Response:
        """Send the form of a page with its hidden fields and these; what comes then, as `open`."""
        (form,) = re.findall(rf'<form method="post" action="[^"]*{path}".*?</form>', page.text, re.DOTALL)
        hidden = {name: unescape(value) for name, value in _FIELD.findall(form)}
        return self._followed(self._sent("POST", self.url + path, hidden | fields))

    def _followed(self, reply: httpx.Response) -> httpx.Response:
        while reply.is_redirect:
            leads_to = urljoin(self.url, reply.headers["Location"])
            if not leads_to.startswith(f"{self.url}/"):
                break
            reply = self._sent("GET", leads_to)
        return reply

    def _sent(self, method: str, address: str, form: dict[str, str] | None = None) -> httpx.Response:
        """Cookies are kept by hand: over plain http, the jar of httpx sends none that is secure."""
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self._cookies.items())}
        headers |= {"Accept": "text/html"} | ({} if form is None else {"Origin": self.url})
        reply = httpx.request(method, address, data=form, headers=headers, timeout=PATIENCE)
        for line in reply.headers.get_list("Set-Cookie"):
            name, value = line.partition(";")[0].split("=", 1)
            self._cookies[name] = value
        return reply
