"""Explains what a token is, and exactly why this instance refuses it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import jwt

from app.sessions.access_tokens import LONGEST, TYPE
from app.sessions.claims import RefusedTokenError

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.accounts.principal import Principal
    from app.sessions.access_tokens import AccessTokens
    from app.sessions.claims import Claims

_DEEPEST = 28
"""Nesting levels of a token that are shown; the reply around them has at most 32."""
_INT64 = range(-(2**63), 2**63)
_BEGINS_A_JWT = "eyJ"
"""The base64url form of `{"`, which begins the header of every JWT."""
_DETAILS = {
    "malformed": (
        "It is not a JWT in the one form that this service makes: three parts of base64url without padding, the first"
        " two of them JSON without lone surrogates, numbers too large, or deep nesting."
    ),
    "wrong_type": "Its header names a type other than at+jwt, so it is no access token (RFC 9068 section 4).",
    "unexpected_header": "Its header has members other than typ, alg and kid; this service accepts no others.",
    "unknown_key": "No key of this service has its kid: another service issued it, or the key was retired.",
    "wrong_algorithm": "Its alg differs from that of the key that its kid names.",
    "bad_signature": "Its signature does not verify: it was altered, or signed with another key.",
    "missing_claim": "A claim that RFC 9068 requires is missing.",
    "wrong_issuer": "Its issuer (iss) is not the PUBLIC_URL of this service.",
    "wrong_audience": (
        "Its audience (aud) is not the JWT_AUDIENCE of this service. A client that names a resource gets tokens for"
        " that resource alone."
    ),
    "not_yet_valid": "Its time of issue is in the future: compare the clocks of the machines.",
    "expired": "It has expired: refresh, or log in again.",
    "session_ended": (
        "It is genuine, but its session was ended, or its user disabled or deleted: log in again. One of an"
        " administrator who acts for the user (act) also ends when they log out, or may not do that any more."
    ),
}
_ACCEPTED = "It is accepted."
_ACCEPTED_OF_CLIENT = (
    "It is accepted, as that of an application that the user gave access to (client_id): for GET and POST"
    " /oauth/userinfo, and for nothing else here."
)
_WITH_A_PROOF = " It is bound to a key (cnf): it comes in `Authorization: DPoP`, with a proof in the header DPoP."


@dataclass(frozen=True, slots=True)
class Explanation:
    """The result. `accepted` is None unless it is an access token; `header` and `claims` are unverified input."""

    kind: Literal["access_token", "jwt", "opaque"]
    accepted: bool | None
    reason: str | None
    detail: str
    header: dict[str, Any] | None
    claims: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class ExplainService:
    """Explains tokens. The state of a session is disclosed only for a token whose signature verifies."""

    tokens: AccessTokens
    principal_of: Callable[[Claims], Principal | None]
    """Who a verified token is accepted for now."""

    def explain(self, token: str) -> Explanation:
        """What this token is and whether, or why not, it is accepted at this moment."""
        header, claims = _read(token)
        if header is None and token.startswith(_BEGINS_A_JWT):
            return Explanation("jwt", None, "malformed", _DETAILS["malformed"], None, None)
        if header is None:
            return Explanation("opaque", None, None, "It is not a JWT, and cannot be explained further.", None, None)
        if header.get("typ") != TYPE:
            return Explanation("jwt", None, "wrong_type", _DETAILS["wrong_type"], header, claims)
        caller, reason = self._caller(token)
        detail = _DETAILS[reason] if reason else _ACCEPTED
        if caller is not None and caller.kind == "client":
            detail = _ACCEPTED_OF_CLIENT
        if reason is None and claims is not None and "cnf" in claims:
            detail += _WITH_A_PROOF
        return Explanation("access_token", reason is None, reason, detail, header, claims)

    def _caller(self, token: str) -> tuple[Principal | None, str | None]:
        """Who this token is accepted for, or else why it is refused."""
        try:
            claims = self.tokens.verify(token)
        except RefusedTokenError as refused:
            return None, refused.reason
        caller = self.principal_of(claims)
        return caller, None if caller else "session_ended"


def _read(token: str) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Header and claims of a JWT, unverified; None if they cannot be read or cannot be shown in a reply."""
    if len(token) > LONGEST:
        return None, None
    try:
        read = jwt.decode_complete(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError):
        return None, None
    header, claims = read["header"], read["payload"]
    return (header, claims) if _can_be_shown(header) and _can_be_shown(claims) else (None, None)


def _can_be_shown(content: object) -> bool:
    """Whether untrusted JSON may stand in a reply of this service: valid by RFC 7493, and not nested deeply."""
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
