"""Access tokens: RFC 9068 JWTs, made and verified with PyJWT as RFC 8725 asks.

Every token this service makes has the same header (`typ`, `alg`, `kid`), so anything else in a header, such as `jku`,
`jwk`, `x5u` or `crit`, is refused before any key is looked up.
"""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass, field
from hashlib import sha256
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

import jwt

from app.sessions.claims import (
    OWN_CLIENT,
    REQUIRED,
    RefusedTokenError,
    audience_claim,
    claims_about,
    claims_of_actors,
    claims_of_key,
    read_claims,
    require_forms,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from app.accounts.authentication import Authentication
    from app.keys.keyring import SigningKey
    from app.platform.clock import Clock
    from app.sessions.claims import Claims

LONGEST = 4096
"""Characters; the tokens made here have some 700."""
REMEMBERED = 20_000
"""The most verified tokens that a process remembers."""
TYPE = "at+jwt"
"""The type in the header of an access token, RFC 9068 section 2.1."""
_DOTS = 2
"""Between the parts of a signed JWT."""


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
        authentication: Authentication | None = None,
        added: Mapping[str, Any] = MappingProxyType({}),
        audiences: Sequence[str] = (),
        client_id: str = OWN_CLIENT,
        scope: str | None = None,
        actors: Sequence[str] = (),
        bound_to: str | None = None,
    ) -> str:
        """An access token for a user (`subject`) in a session, valid from now on for `lifetime` seconds.

        `lifetime` defaults to that of all tokens; it is shorter for a session that ends sooner. The claims `added`
        replace none of ours. `audiences` replace that of all tokens; `client_id` and `scope` are those of a client's
        session. `actors` act for the subject: the administrator of an impersonation, or clients as in `Claims`.
        `bound_to` is the thumbprint of the key that it is worth nothing without.
        """
        claims = {
            **added,
            **self._required(subject, client_id, audiences, self.lifetime if lifetime is None else lifetime),
            "sid": session_id,
            "roles": list(roles),
            **claims_of_actors(actors),
            **claims_about(authentication),
            **({} if scope is None else {"scope": scope}),
            **claims_of_key(bound_to),
        }
        return self._signed(claims)

    def issue_to_client(
        self, client_id: str, *, audiences: Sequence[str], scope: str, bound_to: str | None = None
    ) -> tuple[str, int]:
        """An access token for a client that acts for itself (RFC 9068 section 2.2), and how long it lives.

        There is no session in it, so this service accepts it nowhere: it is for other APIs.
        """
        lifetime = self.spread(self.lifetime)
        claims = {
            **self._required(client_id, client_id, audiences, lifetime),
            **({"scope": scope} if scope else {}),
            **claims_of_key(bound_to),
        }
        return self._signed(claims), lifetime

    def _required(self, subject: str, client_id: str, audiences: Sequence[str], lifetime: int) -> dict[str, Any]:
        now = int(self._clock().timestamp())
        return {
            "iss": self._issuer,
            "sub": subject,
            "aud": audience_claim(audiences or (self._audience,)),
            "client_id": client_id,
            "iat": now,
            "exp": now + lifetime,
            "jti": secrets.token_urlsafe(16),
        }

    def _signed(self, claims: dict[str, Any]) -> str:
        key = self._keys.signing_key()
        return jwt.encode(claims, key.signing, algorithm=key.alg, headers={"typ": TYPE, "kid": key.kid})

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
        claims.check_times(self._clock())
        return claims

    def read(self, token: str) -> ReadToken:
        """A token that was issued here, whomever it is for: also other services, and also without a session.

        This does not say that this service accepts it. Raises RefusedTokenError for any other, and for one whose time
        is over.
        """
        claims = self._decode(token, REQUIRED, audience=None)
        require_forms(claims)
        known = read_claims(claims, claims.get("sid", ""))
        known.check_times(self._clock())
        return ReadToken(claims, known if "sid" in claims else None)

    def _verify_signature(self, token: str) -> Claims:
        found = self._decode(token, [*REQUIRED, "sid"], audience=self._audience)
        claims = read_claims(found, found["sid"])
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
                    # Times are checked at every use, not only at the first, by `Claims.check_times`.
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
