"""The claims of access tokens (RFC 9068 section 2.2): as they are written, and read again.

A claim in any other form than the one that is written here is refused, never ignored.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from app.accounts.authentication import Authentication
from app.keys.service import LEEWAY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.platform.instrumentation import TokenRefusal

OWN_CLIENT = "latchkey"
"""The `client_id` of logins to this service itself."""
REQUIRED = ["iss", "sub", "aud", "client_id", "iat", "exp", "jti"]
_LATEST = 2**53
"""Seconds since 1970, and more than any token has."""


class RefusedTokenError(Exception):
    """A token that is not accepted; `reason` says why, for `explain` and the log, never for a plain reply."""

    def __init__(self, reason: TokenRefusal) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims of a verified access token; only its times have to be checked again."""

    subject: str
    session_id: str
    actor_id: str | None
    """The administrator who acts for the subject in an impersonation, which is the session then; else None."""
    issued_at: float
    not_before: float
    expires_at: float
    authentication: Authentication | None = None
    """When and how the subject authenticated; None in an impersonation, and if a former version made the token."""
    actors: tuple[str, ...] = ()
    """The clients that act for the subject, if the token was exchanged (RFC 8693): first the one whose token it is,
    then the one that it got the subject's token from, and so on."""
    bound_to: str | None = None
    """The thumbprint of the key that its sender has to prove (RFC 9449); None if it is a bearer token."""

    def check_times(self, now: datetime) -> None:
        """Raises RefusedTokenError before and after the token's time, give or take LEEWAY."""
        seconds, leeway = now.timestamp(), LEEWAY.total_seconds()
        if seconds >= self.expires_at + leeway:
            raise RefusedTokenError("expired")
        if seconds < max(self.not_before, self.issued_at) - leeway:
            raise RefusedTokenError("not_yet_valid")


def read_claims(claims: dict[str, Any], session_id: object) -> Claims:
    """The claims of a verified token that has all REQUIRED ones; raises RefusedTokenError for any that is malformed."""
    subject = claims["sub"]
    times = (claims["iat"], claims.get("nbf", claims["iat"]), claims["exp"])
    if not (isinstance(subject, str) and isinstance(session_id, str) and all(map(_is_time, times))):
        raise RefusedTokenError("malformed")
    actors = _actors(claims)
    # In a token with the client_id of this service an administrator acts, in that of a client other clients do.
    is_impersonation = bool(actors) and claims["client_id"] == OWN_CLIENT
    if is_impersonation and len(actors) > 1:
        raise RefusedTokenError("malformed")
    return Claims(
        subject,
        session_id,
        actors[0] if is_impersonation else None,
        *times,
        _authentication(claims),
        () if is_impersonation else actors,
        _bound_to(claims),
    )


def require_forms(claims: dict[str, Any]) -> None:
    """Raises RefusedTokenError unless the claims that `read_claims` leaves alone have a form of RFC 7519."""
    audience = claims["aud"]
    texts = (claims["client_id"], claims["jti"], *(audience if isinstance(audience, list) else (audience,)))
    if not all(isinstance(each, str) for each in texts):
        raise RefusedTokenError("malformed")


def _is_time(time: object) -> bool:
    """Whether a claim is a time (RFC 7519 section 2) that can be compared: not infinite, not NaN, not of 400 digits."""
    return isinstance(time, int | float) and not isinstance(time, bool) and abs(time) < _LATEST


def audience_claim(audiences: Sequence[str]) -> str | list[str]:
    """The claim `aud`: one, or a list (RFC 7519 section 4.1.3)."""
    return audiences[0] if len(audiences) == 1 else list(audiences)


def claims_about(authentication: Authentication | None) -> dict[str, Any]:
    """The claims `auth_time`, `amr` and `acr` (RFC 9068 section 2.2.1); and `trusted_device`, if such a device stood
    for the second factor."""
    if authentication is None:
        return {}
    return {
        "auth_time": int(authentication.at.timestamp()),
        "amr": list(authentication.amr),
        "acr": authentication.acr,
        **({"trusted_device": True} if authentication.by_trusted_device else {}),
    }


def _authentication(claims: dict[str, Any]) -> Authentication | None:
    """What the token says; `acr` follows from `amr`."""
    if "auth_time" not in claims:
        return None
    match claims["auth_time"], claims.get("amr"):
        case int(at), list(amr) if not isinstance(at, bool) and all(isinstance(each, str) for each in amr):
            try:
                trusted = claims.get("trusted_device") is True
                return Authentication.marked(datetime.fromtimestamp(at, UTC), tuple(amr), by_trusted_device=trusted)
            except (ValueError, OverflowError, OSError):  # no time
                pass
    raise RefusedTokenError("malformed")


def claims_of_key(bound_to: str | None) -> dict[str, Any]:
    """The claim `cnf` (RFC 9449 section 6.1); none for a bearer token."""
    return {} if bound_to is None else {"cnf": {"jkt": bound_to}}


def _bound_to(claims: dict[str, Any]) -> str | None:
    if "cnf" not in claims:
        return None
    match claims["cnf"]:
        case {"jkt": str(key), **others} if not others:
            return key
    raise RefusedTokenError("malformed")


def claims_of_actors(actors: Sequence[str]) -> dict[str, Any]:
    """The claim `act`, with those who acted before inside (RFC 8693 section 4.1); none if nobody acts."""
    acting: dict[str, Any] = {}
    for actor in reversed(actors):
        acting = {"act": {"sub": actor, **acting}}
    return acting


def _actors(claims: dict[str, Any]) -> tuple[str, ...]:
    found: list[str] = []
    while "act" in claims:
        match claims["act"]:
            case {"sub": str(actor_id), **others} if not others.keys() - {"act"}:
                found.append(actor_id)
                claims = claims["act"]
            case _:
                raise RefusedTokenError("malformed")
    return tuple(found)
