"""Which page sent a request, by headers that browsers set and pages cannot forge."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from app.config.values import is_loopback

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

    from app.config import Settings

_DEFAULT_PORTS = {"http": 80, "https": 443}


def origin_of(url: str) -> tuple[str, str, int | None] | None:
    """Scheme, host and port of a URL (RFC 6454 section 4); None if it is not a URL."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if not parts.hostname:
        return None
    return parts.scheme, parts.hostname, port or _DEFAULT_PORTS.get(parts.scheme)


def is_other_site(one: str, other: str) -> bool:
    """Whether two URLs certainly belong to two sites, between which no `SameSite=Strict` cookie is sent.

    A site is a scheme and a registrable domain (the HTML standard, "schemelessly same site"). Which domains those are,
    only the Public Suffix List says; without it, `a.co.uk` and `b.co.uk` are taken for one site.
    """
    first, second = urlsplit(one), urlsplit(other)
    if first.scheme != second.scheme:
        return True
    hosts = first.hostname or "", second.hostname or ""
    if hosts[0] == hosts[1]:
        return False
    if any(":" in host or host.rpartition(".")[2].isdigit() for host in hosts):  # an address has no domain
        return True
    domains = [host.split(".")[-2:] for host in hosts]
    return domains[0] != domains[1]


def is_trusted_page(environ: WSGIEnvironment, settings: Settings) -> bool:
    """Whether a page of this origin, or of one in CORS_ORIGINS, sent the request (OWASP ASVS 3.5.1).

    Browsers send Sec-Fetch-Site to trustworthy addresses only, and Origin with every POST. If both are there, both have
    to agree; a request with neither was not shown to come from such a page.
    """
    sent, fetch_site = environ.get("HTTP_ORIGIN"), environ.get("HTTP_SEC_FETCH_SITE")
    if sent in settings.browsers.cors_origins:
        return True
    if sent is None or sent == "null":  # "null" also where a page withholds it by its Referrer-Policy
        return bool(fetch_site == "same-origin")
    origin = origin_of(sent)
    if fetch_site not in {None, "same-origin"} or origin is None:
        return False
    if origin == origin_of(settings.server.public_url):
        return True
    # Under another name of ALLOWED_HOSTS, only the browser can tell: a proxy may have ended TLS.
    host = environ.get("HTTP_HOST", "")
    if fetch_site == "same-origin":
        return origin == origin_of(f"{origin[0]}://{host}")
    here = origin_of(f"{environ['wsgi.url_scheme']}://{host}")
    return settings.profile != "production" and is_loopback(origin[1]) and origin == here


def is_other_page(environ: WSGIEnvironment, settings: Settings) -> bool:
    """Whether a browser says that a page of another origin sent the request: not so for programs, which say nothing."""
    says = environ.get("HTTP_ORIGIN"), environ.get("HTTP_SEC_FETCH_SITE")
    return says != (None, None) and not is_trusted_page(environ, settings)
