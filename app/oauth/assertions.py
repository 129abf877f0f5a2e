"""Clients that prove by a signed assertion who they are, without a secret (RFC 7521, RFC 7523, OpenID Connect Core 9).

Either the client signs it itself (`private_key_jwt`), anew for each request; or the platform that runs it does, for one
workload: Kubernetes, or GitHub Actions. The signatures are PyJWT's to verify, as all others here, and not Authlib's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

import jwt
import structlog

from app.keys.service import LEEWAY
from app.oauth.client_keys import NoKeysError, registered_key
from app.oauth.refusal import RefusedError
from app.security.key_sets import may_sign

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.oauth.client_keys import PublishedKeys
    from app.oauth.clients.model import Client
    from app.oauth.registry import ClientRegistry
    from app.oauth.revoked_tokens.model import RevokedTokens
    from app.platform.clock import Clock
    from app.web.parameters import Parameters

TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
METHOD: Final = "private_key_jwt"
ALGORITHMS: Final = ("ES256", "RS256", "PS256", "EdDSA")
"""Never HS256: a client secret is no signing key here."""
LONGEST: Final = 8192
"""Characters. Tokens of platforms have some 1,500."""
LIVES: Final = timedelta(hours=1)
"""The most that an assertion may be accepted for from now on, by its `exp`. Authlib's are made for an hour, most others
for a minute; since each is good once, a longer life helps only who takes one away before it is used."""
WORKLOAD_LIVES: Final = timedelta(days=1)
"""The same for a token of a platform, which may be issued for longer."""
_LONGEST_ID: Final = 256
_TYPES: Final = frozenset({"JWT", "CLIENT-AUTHENTICATION+JWT"})
_LATEST: Final = 2**53
_log = structlog.get_logger("latchkey.oauth")


@dataclass(frozen=True, slots=True)
class Asserted:
    """A client that has proved who it is, unless its assertion was used before: `used_as` until `used_until`. That of a
    platform is not used up: it is the same for all requests until it expires."""

    client: Client
    used_as: str | None
    used_until: datetime


@dataclass(frozen=True, slots=True)
class Assertions:
    """Authenticates clients by what they, or their platforms, sign."""

    registry: ClientRegistry
    published: PublishedKeys
    used: RevokedTokens
    clock: Clock
    issuer: str
    endpoints: tuple[str, ...]
    """The URLs of those where clients authenticate: each is this server for the one that asks there."""

    def authenticate(self, parameters: Parameters) -> Client:
        """The client; its assertion is used up by one conditional write, the last of all that can be refused.

        Raises RefusedError (`invalid_client`), and Unavailable if its keys are published and cannot be fetched.
        """
        try:
            asserted = self.check(parameters)
            if asserted.used_as is not None and not self.used.add(asserted.used_as, asserted.used_until):
                raise _refused("It was used before: each is good once.")
        except RefusedError as refused:
            _log.info("client assertion refused", reason=refused.detail)
            raise
        return asserted.client

    def check(self, parameters: Parameters) -> Asserted:
        """The same, and nothing is written."""
        assertion = parameters.get("client_assertion")
        if assertion is None or parameters.get("client_assertion_type") != TYPE:
            raise _refused(f"client_assertion comes with a client_assertion_type, {TYPE}.")
        if len(assertion) > LONGEST:
            raise _refused(f"It has more than {LONGEST} characters.")
        header, claims = _read(assertion)
        client = self._client(parameters, claims)
        is_own = claims.get("iss") == client.id
        if not is_own and (client.workload is None or claims.get("iss") != client.workload.issuer):
            raise _refused("Its iss is neither the client_id nor the issuer of the workload of this client.")
        self._verify(assertion, header, self._key(client, header, is_own=is_own))
        expires_at = self._expiry(claims, LIVES if is_own else WORKLOAD_LIVES)
        if is_own:
            # An instance whose clock is late accepts it for a while after another one has forgotten its use.
            return Asserted(client, self._use(client, claims), expires_at + 2 * LEEWAY)
        self._check_workload(client, claims)
        return Asserted(client, None, expires_at)

    def _client(self, parameters: Parameters, claims: Mapping[str, Any]) -> Client:
        named = parameters.get("client_id") or claims.get("sub")
        client = self.registry.find(named) if isinstance(named, str) else None
        if client is None or not client.has_secrets:
            raise _refused("There is no client of this client_id, or it is a public one.")
        return client

    def _key(self, client: Client, header: Mapping[str, Any], *, is_own: bool) -> jwt.PyJWK:
        key_id = header.get("kid")
        if not isinstance(key_id, str | None):
            raise _refused("Its kid is no text.")
        try:
            if not is_own and client.workload is not None:
                found = self.published.of_issuer(client.workload.issuer, key_id)
            elif client.jwks is not None:
                found = registered_key(client.jwks, key_id)
            elif client.jwks_uri is not None:
                found = self.published.at(client.jwks_uri, key_id)
            else:
                raise _refused("The client has neither jwks nor jwks_uri.")
        except NoKeysError as error:
            raise _refused(str(error)) from None
        if found is None:
            raise _refused("It names no key that is registered or published; without a kid there has to be just one.")
        return found

    def _verify(self, assertion: str, header: Mapping[str, Any], key: jwt.PyJWK) -> None:
        algorithm = header.get("alg")
        if algorithm not in ALGORITHMS or not may_sign(key, algorithm):
            raise _refused(f"Its alg is none of {', '.join(ALGORITHMS)}, or its key is for another one.")
        try:
            jwt.decode(assertion, key.key, algorithms=[algorithm], options=_SIGNATURE_ALONE)
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise _refused(f"It does not verify ({type(error).__name__}).") from None

    def _expiry(self, claims: Mapping[str, Any], lives: timedelta) -> datetime:
        now, leeway = self.clock().timestamp(), LEEWAY.total_seconds()
        expires, *begins = (_time(claims.get(name, 0)) for name in ("exp", "iat", "nbf"))
        if expires + leeway <= now:
            raise _refused("It has expired.")
        if expires > now + lives.total_seconds() + leeway:
            raise _refused(f"It expires more than {int(lives.total_seconds())} seconds from now.")
        if any(time > now + leeway for time in begins):
            raise _refused("It is from the future: compare the clocks of the machines.")
        return datetime.fromtimestamp(expires, UTC)

    def _use(self, client: Client, claims: Mapping[str, Any]) -> str:
        """What is kept of an assertion of the client's own, which is for this server alone, and good once."""
        if claims.get("sub") != client.id:
            raise _refused("Its sub is not the client_id.")
        # Each has to be one of ours: an assertion that is for another server as well, that server could use here.
        if not set(_audiences(claims)) <= {self.issuer, *self.endpoints}:
            raise _refused(f"Its aud is not {self.issuer}, or not that alone.")
        token_id = claims.get("jti")
        if not isinstance(token_id, str) or not 0 < len(token_id) <= _LONGEST_ID:
            raise _refused(f"It has no jti of 1 to {_LONGEST_ID} characters.")
        return sha256(f"{client.id} {token_id}".encode("utf-8", "surrogatepass")).hexdigest()

    def _check_workload(self, client: Client, claims: Mapping[str, Any]) -> None:
        """To the letter: whoever runs another workload there gets a token of the same issuer."""
        workload = client.workload
        if workload is None or claims.get("sub") != workload.subject:
            raise _refused("Its sub is not the subject of the workload of this client.")
        if _audiences(claims) != [workload.audience or self.issuer]:
            raise _refused("Its aud is not the audience of the workload of this client, or not that alone.")


_SIGNATURE_ALONE: Final[Any] = {
    **dict.fromkeys(("verify_exp", "verify_iat", "verify_nbf", "verify_aud", "verify_iss", "verify_sub"), False),
    "verify_jti": False,
}
"""The claims are checked here: by our clock, and without a word of PyJWT's about them."""


def _read(assertion: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Header and claims, not verified yet."""
    try:
        read = jwt.decode_complete(assertion, options={"verify_signature": False} | _SIGNATURE_ALONE)
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        raise _refused("It is no signed JWT.") from None
    header, claims = read["header"], read["payload"]
    kind = header.get("typ", "JWT")
    if "crit" in header or not isinstance(kind, str) or kind.upper() not in _TYPES:
        raise _refused("Its header has crit, or a typ that is not that of an assertion.")
    return header, claims


def _audiences(claims: Mapping[str, Any]) -> list[str]:
    """Whom it is for: one, or a list (RFC 7519 section 4.1.3)."""
    found = claims.get("aud")
    listed = found if isinstance(found, list) else [found]
    audiences = [each for each in listed if isinstance(each, str)]
    if not audiences or len(audiences) != len(listed):
        raise _refused("Its aud is neither a text nor a list of texts.")
    return audiences


def _time(found: object) -> float:
    """A claim that is a time (RFC 7519 section 2), in seconds."""
    if not isinstance(found, int | float) or isinstance(found, bool) or not abs(found) < _LATEST:
        raise _refused("Its exp, iat or nbf is no time.")
    return float(found)


def _refused(detail: str) -> RefusedError:
    return RefusedError("invalid_client", "The client could not be authenticated.", "client_assertion", detail)
