"""New identifiers, and the form in which e-mail addresses and user names are compared."""

from __future__ import annotations

import re
import unicodedata
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import sha256
from typing import TYPE_CHECKING
from uuid import UUID

import email_validator
import uuid_utils

if TYPE_CHECKING:
    from collections.abc import Iterator

# Teams run this service in private networks, under names that are not used on the Internet (RFC 6761, 6762).
for _name in ("local", "test"):
    email_validator.SPECIAL_USE_DOMAIN_NAMES.remove(_name)

LONGEST_EMAIL = 254
"""Characters, RFC 5321 section 4.5.3.1.3."""
LONGEST_NAME_KEY = 100
"""Characters of a name that are compared: as many as a name has that is entered here."""
LONGEST_LOCAL_PART = 64
"""Characters before the @, RFC 5321 section 4.5.3.1.1; email_validator checks them if it is `strict`."""


def new_id() -> str:
    """A new identifier: a UUIDv7 (RFC 9562) as text, so that later ones sort later."""
    return str(uuid_utils.uuid7())


def derived_id(milliseconds: int, what: str) -> str:
    """An identifier like those of `new_id`, made of a time (since 1970) and a digest of `what`: the same each time."""
    digest = int.from_bytes(sha256(what.encode()).digest()[:10], "big")
    number = milliseconds << 80 | 7 << 76 | (digest >> 62 & 0xFFF) << 64 | 0b10 << 62 | digest & (1 << 62) - 1
    return str(UUID(int=number))


def digest_of_token(token: str) -> str:
    """What a store keeps of an opaque token that nobody can guess: its SHA-256, 64 hexadecimal digits."""
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def time_in(identifier: str) -> int:
    """The time in an identifier: milliseconds since 1970."""
    return UUID(identifier).int >> 80


def is_identifier(text: str) -> bool:
    """Whether a text has the form of `new_id`: a UUID in lower case."""
    return _IDENTIFIER.fullmatch(text) is not None


_IDENTIFIER = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def parse_email(text: str) -> email_validator.ValidatedEmail:
    """The parts of an e-mail address; raises email_validator.EmailNotValidError.

    The local part is ASCII, the domain may be international (RFC 5890); no DNS query is made.
    """
    trimmed, parsed = text.strip(), _parsed.get()
    if parsed is not None and trimmed in parsed:
        return parsed[trimmed]
    made = email_validator.validate_email(trimmed, check_deliverability=False, allow_smtputf8=False, strict=True)
    if parsed is not None:
        parsed[trimmed] = made
    return made


@contextmanager
def parsing_once() -> Iterator[None]:
    """Parse no e-mail address twice in this context: a registration asks for the key of its address four times.

    Nothing is remembered beyond it: otherwise the time of a reply would tell whether others used the same address.
    """
    token = _parsed.set({})
    try:
        yield
    finally:
        _parsed.reset(token)


_parsed: ContextVar[dict[str, email_validator.ValidatedEmail] | None] = ContextVar("parsed", default=None)


def email_key(address: str) -> str | None:
    """The form in which e-mail addresses are compared: lower case, the domain in ASCII; None for any other text."""
    if len(address.strip()) > LONGEST_EMAIL:
        return None
    try:
        ascii_email = parse_email(address).ascii_email
    except email_validator.EmailNotValidError:
        return None
    return ascii_email.lower() if ascii_email else None


def ascii_email(address: str) -> str:
    """The address with its domain in ASCII (RFC 5890), for uses that allow nothing else, such as HTTP headers."""
    return parse_email(address).ascii_email or ""


def comparable_email(text: str) -> str:
    """The `email_key` of an address; any other text trimmed and in lower case, which no account can have."""
    return email_key(text) or text.strip().lower()


def masked_email(address: str) -> str:
    """An address as it may be shown to others; its owner can still recognise it: `a•••@example.com`."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}•••@{domain}"


def username_key(username: str) -> str | None:
    """The form in which user names are compared: lower case; None if no user name can look like this."""
    trimmed = username.strip()
    return trimmed.lower() if trimmed.isascii() and trimmed.isprintable() else None


def name_key(name: str) -> str:
    """The form in which the names of people are looked for: whatever the case, and the width of letters (NFKC)."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name.strip()).casefold())[:LONGEST_NAME_KEY]
