"""Access tokens: RFC 9068 JWTs, made and verified with PyJWT as RFC 8725 asks.

Every token this service makes has the same header (`typ`, `alg`, `kid`), so anything else in a header, such as `jku`,
`jwk`, `x5u` or `crit`, is refused before any key is looked up.
"""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

import jwt

from app.accounts.authentication import Authentication
from app.keys.service import LEEWAY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from app.keys.keyring import SigningKey
    from app.platform.clock import Clock
    from app.platform.instrumentation import TokenRefusal

LONGEST = 4096
"""Characters; the tokens made here have some 700."""
REMEMBERED = 20_000
"""The most verified tokens that a process remembers."""
TYPE = "at+jwt"
"""The type in the header of an access token, RFC 9068 section 2.1."""
OWN_CLIENT = "latchkey"
"""The `client_id` of logins to this service itself."""
_LATEST = 2**53
"""Seconds since 1970, and more than any token has."""
_DOTS = 2
"""Between the parts of a signed JWT."""
_REQUIRED_OF_ALL = ["iss", "sub", "aud", "client_id", "iat", "exp", "jti"]
_REQUIRED = [*_REQUIRED_OF_ALL, "sid"]


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


@dataclass(frozen=True, slots=True)
class ReadToken:
    """A token of this issuer that is valid now, for whatever audience; `of_session` is None if it has no session."""

    claims: Mapping[str, Any] = field(repr=False)
    of_session: Claims | None


class TokenKeys(Protocol):
    """Where the keys come from."""

    @property
    def version(self) -> int:
        """Changes when the keys do."""

    def signing_key(self) -> SigningKey:
        """The key that signs now."""

    def key_by_kid(self, kid: str) -> SigningKey | None:
        """The key of this kid."""


class AccessTokens:
    """Issues and verifies the access tokens of one issuer for one audience.

    `lifetime` is in seconds, the most that one lives; `spread` shortens it.

    A process verifies each signature once: a good token is remembered by the SHA-256 of the whole token, and only its
    times are checked again.
    """

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        lifetime: int,
        keys: TokenKeys,
        clock: Clock,
        spread: Callable[[int], int] = lambda seconds: seconds,
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self.lifetime = lifetime
        self.spread = spread
        self._keys = keys
        self._clock = clock
        self._verified: dict[bytes, Claims] = {}
        self._verified_with = 0

    def issue(
        self,
        *,
        subject: str,
        session_id: str,
        roles: Sequence[str],
        lifetime: int | None = None,
        actor_id: str | None = None,
        authentication: Authentication | None = None,
        added: Mapping[str, Any] = MappingProxyType({}),
        audiences: Sequence[str] = (),
        client_id: str = OWN_CLIENT,
        scope: str | None = None,
        actors: Sequence[str] = (),
        bound_to: str | None = None,
    ) -> str:
        """An access token for a user (`subject`) in a session, valid from now on for `lifetime` seconds.

        `lifetime` defaults to that of all tokens; it is shorter for a session that ends sooner. `actor_id` is who acts
        for the subject, the claim `act` (RFC 8693 section 4.1). `authentication` becomes `auth_time`, `amr` and `acr`
        (RFC 9068 section 2.2.1), and the claim `trusted_device` says that such a device stood for the second factor.
        The claims `added` replace none of ours. `audiences` replace that of all tokens; `client_id` and `scope` are
        those of a client's session. `actors` are those of `Claims`, the claim `act`, too. `bound_to` is the thumbprint
        of the key that it is worth nothing without, the claim `cnf` (RFC 9449 section 6.1).
        """
        key = self._keys.signing_key()
        now = int(self._clock().timestamp())
        claims = {
            **added,
            "iss": self._issuer,
            "sub": subject,
            "aud": _one_or_more(audiences) if audiences else self._audience,
            "client_id": client_id,
            "iat": now,
            "exp": now + (self.lifetime if lifetime is None else lifetime),
            "jti": secrets.token_urlsafe(16),
            "sid": session_id,
            "roles": list(roles),
            **({} if actor_id is None else {"act": {"sub": actor_id}}),
            **({"act": _acting(actors)} if actors else {}),
            **({} if authentication is None else _claims_about(authentication)),
            **({} if scope is None else {"scope": scope}),
            **_bound(bound_to),
        }
        return jwt.encode(claims, key.signing, algorithm=key.alg, headers={"typ": TYPE, "kid": key.kid})

    def issue_to_client(
        self, client_id: str, *, audiences: Sequence[str], scope: str, bound_to: str | None = None
    ) -> tuple[str, int]:
        """An access token for a client that acts for itself (RFC 9068 section 2.2), and how long it lives.

        There is no session in it, so this service accepts it nowhere: it is for other APIs.
        """
        key, now, lifetime = self._keys.signing_key(), int(self._clock().timestamp()), self.spread(self.lifetime)
        claims = {
            "iss": self._issuer,
            "sub": client_id,
            "aud": _one_or_more(audiences) if audiences else self._audience,
            "client_id": client_id,
            "iat": now,
            "exp": now + lifetime,
            "jti": secrets.token_urlsafe(16),
            **({"scope": scope} if scope else {}),
            **_bound(bound_to),
        }
        token = jwt.encode(claims, key.signing, algorithm=key.alg, headers={"typ": TYPE, "kid": key.kid})
        return token, lifetime

    def verify(self, token: str) -> Claims:
        """The claims of a token that this instance accepts; raises RefusedTokenError for any other."""
        version = self._keys.version
        if self._verified_with != version:
            self._verified, self._verified_with = {}, version
        verified = self._verified
        digest = sha256(token.encode("utf-8", "surrogatepass")).digest()
        claims = verified.get(digest)
        if claims is None:
            claims = self._verify_signature(token)
            if len(verified) >= REMEMBERED:
                verified.clear()
            verified[digest] = claims
        _check_times(claims, self._clock())
        return claims

    def read(self, token: str) -> ReadToken:
        """A token that was issued here, whomever it is for: also other services, and also without a session.

        This does not say that this service accepts it. Raises RefusedTokenError for any other, and for one whose time
        is over.
        """
        claims = self._decode(token, _REQUIRED_OF_ALL, audience=None)
        if not (_are_texts(claims["client_id"], claims["jti"]) and _is_audience(claims["aud"])):
            raise RefusedTokenError("malformed")
        known = _claims({"sid": "", **claims})
        _check_times(known, self._clock())
        return ReadToken(claims, known if "sid" in claims else None)

    def _verify_signature(self, token: str) -> Claims:
        claims = _claims(self._decode(token, _REQUIRED, audience=self._audience))
        if claims.actors:  # for other services alone, whatever JWT_AUDIENCE has become since
            raise RefusedTokenError("wrong_audience")
        return claims

    def _decode(self, token: str, required: list[str], *, audience: str | None) -> dict[str, Any]:
        """The claims of a token whose signature, issuer and audience are right; without `audience`, any one is."""
        if len(token) > LONGEST or not _is_canonical(token):
            raise RefusedTokenError("malformed")
        key = self._key_of(_header(token))
        try:
            return jwt.decode(
                token,
                key.verifying,
                algorithms=[key.alg],
                issuer=self._issuer,
                audience=audience,
                options={
                    "require": required,
                    "verify_aud": audience is not None,
                    # Times are checked at every use, not only at the first, by `_check_times`.
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
        except jwt.InvalidSignatureError:
            raise RefusedTokenError("bad_signature") from None
        except jwt.MissingRequiredClaimError:
            raise RefusedTokenError("missing_claim") from None
        except jwt.InvalidIssuerError:
            raise RefusedTokenError("wrong_issuer") from None
        except jwt.InvalidAudienceError:
            raise RefusedTokenError("wrong_audience") from None
        except jwt.PyJWTError:
            raise RefusedTokenError("malformed") from None

    def _key_of(self, header: dict[str, Any]) -> SigningKey:
        if header.get("typ") != TYPE:
            raise RefusedTokenError("wrong_type")
        if header.keys() != {"typ", "alg", "kid"}:
            raise RefusedTokenError("unexpected_header")
        kid = header["kid"]
        key = self._keys.key_by_kid(kid) if isinstance(kid, str) else None
        if key is None:
            raise RefusedTokenError("unknown_key")
        if header["alg"] != key.alg:
            raise RefusedTokenError("wrong_algorithm")
        return key


def _one_or_more(audiences: Sequence[str]) -> str | list[str]:
    return audiences[0] if len(audiences) == 1 else list(audiences)


def spread(seconds: int) -> int:
    """A life that is up to 5 % shorter, at random: clients that logged in together do not refresh together."""
    return seconds - secrets.randbelow(seconds // 20 + 1)


def has_form(token: str) -> bool:
    """Whether a token has the three parts of a signed JWT (RFC 7515 section 7.1), of whatever issuer and use."""
    return token.count(".") == _DOTS


def scopes_in(token: str) -> frozenset[str]:
    """The scopes of an access token that was verified before; none if it has no such claim."""
    scope = jwt.decode(token, options={"verify_signature": False}).get("scope")
    return frozenset(scope.split()) if isinstance(scope, str) else frozenset()


def _header(token: str) -> dict[str, Any]:
    try:
        return jwt.get_unverified_header(token)
    except jwt.PyJWTError:
        raise RefusedTokenError("malformed") from None


def _is_canonical(token: str) -> bool:
    """Whether each of the three parts is the one base64url encoding of its bytes (RFC 7515 appendix C)."""
    if not has_form(token):
        return False
    parts = token.split(".")
    try:
        return all(
            urlsafe_b64encode(urlsafe_b64decode(part + "=" * (-len(part) % 4))).rstrip(b"=") == part.encode()
            for part in parts
        )
    except (Base64Error, ValueError):
        return False


def _claims(claims: dict[str, Any]) -> Claims:
    subject, session_id = claims["sub"], claims["sid"]
    times = (claims["iat"], claims.get("nbf", claims["iat"]), claims["exp"])
    if not (isinstance(subject, str) and isinstance(session_id, str)):
        raise RefusedTokenError("malformed")
    if not all(map(_is_time, times)):
        raise RefusedTokenError("malformed")
    # Those of logins have the client_id of this service: an administrator acts. Of a client's, other clients do.
    actors = _actors(claims)
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


def _claims_about(authentication: Authentication) -> dict[str, Any]:
    return {
        "auth_time": int(authentication.at.timestamp()),
        "amr": list(authentication.amr),
        "acr": authentication.acr,
        **({"trusted_device": True} if authentication.by_trusted_device else {}),
    }


def _authentication(claims: dict[str, Any]) -> Authentication | None:
    """What the token says; `acr` follows from `amr`. A time or a list in another form than that of `issue` is refused,
    never ignored."""
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


def _bound(key: str | None) -> dict[str, Any]:
    return {} if key is None else {"cnf": {"jkt": key}}


def _bound_to(claims: dict[str, Any]) -> str | None:
    """The key that a token is bound to; a claim `cnf` in any other form than that of `issue` is refused, never
    ignored."""
    if "cnf" not in claims:
        return None
    match claims["cnf"]:
        case {"jkt": str(key), **others} if not others:
            return key
    raise RefusedTokenError("malformed")


def _are_texts(*found: object) -> bool:
    return all(isinstance(each, str) for each in found)


def _is_audience(found: object) -> bool:
    """One, or a list (RFC 7519 section 4.1.3)."""
    return _are_texts(*found) if isinstance(found, list) else isinstance(found, str)


def _is_time(time: object) -> bool:
    """Whether a claim is a time (RFC 7519 section 2) that can be compared: not infinite, not NaN, not of 400 digits."""
    return isinstance(time, int | float) and not isinstance(time, bool) and abs(time) < _LATEST


def _acting(actors: Sequence[str]) -> dict[str, Any]:
    """The claim `act`, with those who acted before inside (RFC 8693 section 4.1)."""
    nested: dict[str, Any] = {}
    for actor in reversed(actors):
        nested = {"sub": actor, **({"act": nested} if nested else {})}
    return nested


def _actors(claims: dict[str, Any]) -> tuple[str, ...]:
    """Who acts for the subject; a claim `act` in any other form than that of `issue` is refused, never ignored."""
    found: list[str] = []
    while "act" in claims:
        match claims["act"]:
            case {"sub": str(actor_id), **others} if not others.keys() - {"act"}:
                found.append(actor_id)
                claims = claims["act"]
            case _:
                raise RefusedTokenError("malformed")
    return tuple(found)


def _check_times(claims: Claims, now: datetime) -> None:
    seconds, leeway = now.timestamp(), LEEWAY.total_seconds()
    if seconds >= claims.expires_at + leeway:
        raise RefusedTokenError("expired")
    if seconds < max(claims.not_before, claims.issued_at) - leeway:
        raise RefusedTokenError("not_yet_valid")
