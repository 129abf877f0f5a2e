"""Where a browser may go on to after a visit to a provider: a path here, or a page of a registered origin."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, urlsplit

from app.platform.errors import FieldError, ValidationFailed
from app.web.origins import origin_of

LONGEST: Final = 1000
_PATH: Final = re.compile(r"/(?![/\\])[\x21-\x7E]*")
_RESERVED: Final = frozenset({"code", "error"})
_NOT_REGISTERED: Final = (
    "This has to be a path of this service, or the address of a page whose origin is in CORS_ORIGINS, without a"
    " fragment."
)
_RESERVED_NAMES: Final = "This cannot have a code or an error in its query: these are added."


@dataclass(frozen=True, slots=True)
class Targets:
    """Judges addresses to go on to. `origins` are those of CORS_ORIGINS."""

    public_url: str
    origins: tuple[str, ...]

    def address_of(self, redirect_to: str) -> str:
        """The whole address. Raises ValidationFailed for one that is neither ours nor registered."""
        url = f"{self.public_url}{redirect_to}" if _PATH.fullmatch(redirect_to) else redirect_to
        origin = origin_of(url) if _is_plain(url) else None
        parts = urlsplit(url) if origin is not None else None
        known = {origin_of(each) for each in (self.public_url, *self.origins)}
        if parts is None or origin not in known or "@" in parts.netloc or parts.fragment or "#" in url:
            raise ValidationFailed(fields=(FieldError("redirect_to", "not_registered", _NOT_REGISTERED),))
        if _RESERVED & parse_qs(parts.query, keep_blank_values=True).keys():
            raise ValidationFailed(fields=(FieldError("redirect_to", "reserved", _RESERVED_NAMES),))
        return url

    def is_ours(self, address: str) -> bool:
        """Whether it is an address of this service."""
        return origin_of(address) == origin_of(self.public_url)


def _is_plain(url: str) -> bool:
    """Whether browsers read the address as we do: they take `\\` for `/`, and drop line ends and tabs."""
    return url.isascii() and url.isprintable() and not any(each in url for each in ' \\"<>^`{|}')
