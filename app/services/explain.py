"""Saying what a token is, and exactly why this instance refuses it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import jwt

from app.security.tokens import LONGEST, TYPE, RefusedTokenError

if TYPE_CHECKING:
    from app.clock import Clock
    from app.models.session import Sessions
    from app.security.tokens import AccessTokens

_DEEPEST = 28
"""Levels that are shown of a token; a reply, of which they are a part, has 32 at the most."""
_INT64 = range(-(2**63), 2**63)
_BEGINS_A_JWT = "eyJ"
"""How base64url writes the beginning of every JSON object."""
_DETAILS = {
    "malformed": (
        "It is not a JWT in the one form that this service makes: three parts of base64url without padding, the first"
        " two of them JSON without lone surrogates, numbers too large, or deep nesting."
    ),
    "wrong_type": "Its header says another type than at+jwt, so it is no access token (RFC 9068 section 4).",
    "unexpected_header": "Its header has other members than typ, alg and kid; this service follows none of them.",
    "unknown_key": "No key of this service has its kid: it is of another service, or the key was retired.",
    "wrong_algorithm": "Its alg is not that of the key its kid names.",
    "bad_signature": "Its signature does not verify: it was altered, or signed by somebody else.",
    "missing_claim": "A claim that RFC 9068 requires is missing.",
    "wrong_issuer": "Its issuer (iss) is not the PUBLIC_URL of this service.",
    "wrong_audience": "Its audience (aud) is not the JWT_AUDIENCE of this service.",
    "not_yet_valid": "It is from the future: compare the clocks of the machines.",
    "expired": "It has expired: refresh, or log in again.",
    "session_ended": "It is genuine, but its session was ended, or its user disabled or deleted: log in again.",
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """What was found. `accepted` is None for what is no access token; `header` and `claims` may be anybody's words."""

    kind: Literal["access_token", "jwt", "opaque"]
    accepted: bool | None
    reason: str | None
    detail: str
    header: dict[str, Any] | None
    claims: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class ExplainService:
    """Explains tokens. The state of a session is told only to who shows a token whose signature verifies."""

    tokens: AccessTokens
    sessions: Sessions
    clock: Clock

    def explain(self, token: str) -> Explanation:
        """What this token is and whether, or why not, it is accepted at this moment."""
        header, claims = _read(token)
        if header is None and token.startswith(_BEGINS_A_JWT):
            return Explanation("jwt", None, "malformed", _DETAILS["malformed"], None, None)
        if header is None:
            return Explanation("opaque", None, None, "It is no JWT, and nothing more is told of it.", None, None)
        if header.get("typ") != TYPE:
            return Explanation("jwt", None, "wrong_type", _DETAILS["wrong_type"], header, claims)
        reason = self._reason(token)
        detail = _DETAILS[reason] if reason else "It is accepted."
        return Explanation("access_token", reason is None, reason, detail, header, claims)

    def _reason(self, token: str) -> str | None:
        try:
            claims = self.tokens.verify(token)
        except RefusedTokenError as refused:
            return refused.reason
        held = self.sessions.principal(claims.session_id, claims.subject, self.clock())
        return None if held else "session_ended"


def _read(token: str) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Header and claims of a JWT, unverified; None for what cannot be read, or not be shown in a reply."""
    if len(token) > LONGEST:
        return None, None
    try:
        read = jwt.decode_complete(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError):
        return None, None
    header, claims = read["header"], read["payload"]
    return (header, claims) if _can_be_shown(header) and _can_be_shown(claims) else (None, None)


def _can_be_shown(content: object) -> bool:
    """Whether JSON that anybody wrote is JSON as the replies of this service are: RFC 7493, and not nested deeply."""
    level = [content]
    for _ in range(_DEEPEST + 1):
        if not all(map(_is_plain, level)):
            return False
        level = [inner for item in level for inner in _inner(item)]
        if not level:
            return True
    return False


def _inner(item: object) -> list[object]:
    if isinstance(item, dict):
        return [*item.keys(), *item.values()]
    return item if isinstance(item, list) else []


def _is_plain(item: object) -> bool:
    if isinstance(item, str):
        return not any("\ud800" <= character <= "\udfff" for character in item)  # lone surrogates
    if isinstance(item, float):
        return math.isfinite(item)
    return not isinstance(item, int) or item in _INT64
