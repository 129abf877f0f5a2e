"""Where requests come from, and User-Agent headers in words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

LONGEST_USER_AGENT = 512
"""Characters of a User-Agent header that are kept."""
_PRODUCT = re.compile(r"[A-Za-z][\w+-]{0,31}(?=[/ ]|$)", re.ASCII)
_LIBRARIES = {
    "apache-httpasyncclient": "Apache HttpClient",
    "apache-httpclient": "Apache HttpClient",
    "go-http-client": "Go",
    "guzzlehttp": "Guzzle",
    "insomnia": "Insomnia",
    "java-http-client": "Java HttpClient",
    "node": "Node.js",
    "node-fetch": "Node.js fetch",
    "okhttp": "OkHttp",
    "postmanruntime": "Postman",
    "python-httpx": "Python HTTPX",
    "python-urllib": "Python urllib",
    "python-urllib3": "Python urllib3",
    "undici": "Node.js undici",
}
"""HTTP libraries whose own names mean little to people, or which ua-parser does not know."""


@dataclass(frozen=True, slots=True)
class Device:
    """Where a request comes from: the client's address and its User-Agent header."""

    ip: str
    user_agent: str

    @property
    def name(self) -> str:
        """What a person would call it."""
        return device_name(self.user_agent[:LONGEST_USER_AGENT])


@lru_cache(maxsize=512)
def device_name(user_agent: str) -> str:
    """What a person would call the device: "Firefox on Linux", "curl"; "unknown" if the header does not say."""
    from ua_parser import parse  # noqa: PLC0415 - its tables take memory that most workers never need

    seen = parse(user_agent)
    product = _product(user_agent)
    program = _LIBRARIES.get(product.lower()) or (seen.user_agent.family if seen.user_agent else product)
    system = seen.os.family if seen.os else ""
    return " on ".join(dict.fromkeys(filter(None, (program, system)))) or "unknown"


def _product(user_agent: str) -> str:
    """The product that the header begins with (RFC 9110 section 10.1.5), if it is informative; else "".

    Every browser calls itself Mozilla. Names with a dot are left out: in a mail they could become a link.
    """
    product = _PRODUCT.match(user_agent)
    return product[0] if product and product[0] != "Mozilla" else ""
