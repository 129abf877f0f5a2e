"""The types of the settings about mail: the server, the sender, and how mails look.

As in `values.py`, the message of a ValueError follows the name of the setting and never repeats the text.
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Annotated, Literal, TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

from pydantic import AfterValidator, SecretStr

from app.config.values import check_port, inside, is_loopback, split_url

Security: TypeAlias = Literal["starttls", "tls", "off"]
"""When a connection starts TLS: after the greeting (RFC 3207), at once (RFC 8314), or never."""

LONGEST_PRODUCT_NAME = 60
"""Characters, so that a subject line with the name stays readable on a phone."""
_PORTS: dict[Security, int] = {"starttls": 587, "tls": 465, "off": 25}
_HOST = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?|[0-9a-f:.]+", re.IGNORECASE)
_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@([A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*|\[[0-9A-Za-z:.]+\])")
_SPECIAL = "has to percent-encode special characters of user and password (@ as %40, / as %2F, # as %23, ? as %3F)"


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """What SMTP_URL says. `ca` is the file with the certificate authority; None means the system's authorities."""

    host: str
    port: int
    security: Security
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    ca: str | None = None


def smtp_server(text: str) -> SmtpServer:
    """The server that SMTP_URL names; raises ValueError."""
    parts = split_url(text)
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname or not _HOST.fullmatch(parts.hostname):
        raise ValueError("has to start with smtp:// or smtps:// and a host")
    check_port(parts)
    if parts.fragment or parts.path.strip("/"):
        raise ValueError(f"has to come without path and fragment, and {_SPECIAL}")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    ca, tls = options.pop("ca", None), options.pop("tls", None)
    if options or tls not in (None, "off") or (tls and (ca or parts.scheme == "smtps")):
        raise ValueError("takes ?ca=FILE, or ?tls=off after smtp://, and no other option")
    security: Security = "tls" if parts.scheme == "smtps" else "off" if tls else "starttls"
    user, password = (None if part is None else unquote(part) for part in (parts.username, parts.password))
    if bool(user) != bool(password):
        raise ValueError("has to hold both user and password, or neither")
    if not f"{user}{password}".isascii() or not f"{user}{password}".isprintable():
        raise ValueError("has to hold a user and a password of ASCII characters")  # smtplib can send no others
    if user and security == "off" and not is_loopback(parts.hostname):
        raise ValueError("would send the password in clear; leave out tls=off, or user and password")
    if ca is not None:
        _check_authority(ca)
    port = parts.port or _PORTS[security]
    return SmtpServer(parts.hostname, port, security, user or None, password or None, ca)


def smtp_url(text: str) -> str:
    """A URL that `smtp_server` reads."""
    smtp_server(text)
    return text


def mail_address(text: str) -> str:
    """An e-mail address alone, as the sender of a mail."""
    if not _ADDRESS.fullmatch(text):
        raise ValueError("has to be only an e-mail address (PRODUCT_NAME is the name of the sender)")
    return text


def personal_address(text: str) -> str:
    """The e-mail address of a person."""
    if not _ADDRESS.fullmatch(text):
        raise ValueError("has to be an e-mail address")
    return text


def domain_of(url: str) -> str:
    """The host of a URL in the form of e-mail addresses: an IP address becomes a literal (RFC 5321 section 4.1.3)."""
    host = (urlsplit(url).hostname or "localhost").removesuffix(".")
    try:
        address = ip_address(host)
    except ValueError:
        return host
    return f"[IPv6:{host}]" if address.version == 6 else f"[{host}]"  # noqa: PLR2004 - the version of IP


def product_name(text: str) -> str:
    """A name to show: 1 to 60 characters, none of them a control character; white space around it is trimmed."""
    name = text.strip()
    if not 1 <= len(name) <= LONGEST_PRODUCT_NAME or not name.isprintable():
        raise ValueError(f"has to be 1 to {LONGEST_PRODUCT_NAME} characters, without control characters")
    return name


def hex_color(text: str) -> str:
    """A colour in the form of CSS, #rgb or #rrggbb; it becomes #rrggbb in lower case."""
    digits = text.removeprefix("#").lower()
    if not re.fullmatch(r"[0-9a-f]{3}|[0-9a-f]{6}", digits):
        raise ValueError("has to be a colour of three or six hexadecimal digits")
    return "#" + (digits if len(digits) > len("rgb") else "".join(digit * 2 for digit in digits))


def _check_authority(ca: str) -> None:
    try:
        ssl.create_default_context(cafile=ca)
    except OSError:  # ssl.SSLError, too
        raise ValueError("names a file in ca= that cannot be read, or holds no certificate") from None


SmtpUrl = Annotated[SecretStr, inside(smtp_url)]
MailAddress = Annotated[str, AfterValidator(mail_address)]
PersonalAddress = Annotated[str, AfterValidator(personal_address)]
ProductName = Annotated[str, AfterValidator(product_name)]
HexColor = Annotated[str, AfterValidator(hex_color)]
