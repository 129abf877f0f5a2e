"""Where a login leads: on in the authorization request that it was asked for, or to a page of this service."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from app.account_pages.paths import DEVICE, LOGIN, LOGOUT, PASSKEYS

if TYPE_CHECKING:
    from collections.abc import Mapping

_REQUEST: Final = re.compile(r"[A-Za-z0-9_-]{20,100}")
_TARGETS: Final = frozenset({PASSKEYS, DEVICE, LOGOUT})
_TARGET: Final = re.compile(r"(/[a-z/-]+)(\?[A-Za-z0-9_=&-]{1,200})?")


@dataclass(frozen=True, slots=True)
class Destination:
    """The secret of an authorization request, or the path of a page; neither leads to LOGIN itself."""

    request: str | None = None
    to: str | None = None

    @classmethod
    def of(cls, sent: Mapping[str, str | None]) -> Destination:
        """The one that was sent. What is none of our own paths, exactly as we write them, is ignored: so a link can
        lead nobody elsewhere (OWASP ASVS 3.7.2)."""
        request, to = sent.get("request") or "", sent.get("to") or ""
        if _REQUEST.fullmatch(request):
            return cls(request=request)
        match = _TARGET.fullmatch(to)
        return cls(to=to) if match and match[1] in _TARGETS else cls()

    @property
    def fields(self) -> dict[str, str | None]:
        """What the fields of a form hold that leads on there: `OnwardForm`."""
        return {"request": self.request, "to": self.to}

    def behind(self, path: str) -> str:
        """The path of a page, with what leads on from there."""
        if self.request:
            return f"{path}?request={self.request}"
        return f"{path}?to={quote(self.to, safe='/')}" if self.to else path

    @property
    def page(self) -> str:
        """The page of this service that it leads to."""
        return self.to or LOGIN
