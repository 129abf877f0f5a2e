"""ID tokens (OpenID Connect Core section 2), signed with the keys of access tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import jwt

from app.oauth.userinfo import claims_of
from app.security.digests import half_hash

if TYPE_CHECKING:
    from collections.abc import Collection

    from app.keys.service import KeyService
    from app.platform.clock import Clock
    from app.sessions.session_tokens import OpenedSession

ALWAYS: Final = ("iss", "sub", "aud", "exp", "iat", "auth_time", "amr", "acr", "sid", "at_hash")
"""The claims that every one has; `nonce` where the request had one, and those of userinfo by scope."""

LONGEST_HINT: Final = 8192
"""Characters of an ID token that comes back."""
_OF_A_HINT: Final[Any] = {
    "require": ["iss", "aud", "sub", "sid", "at_hash"],
    **dict.fromkeys(("verify_aud", "verify_exp", "verify_iat", "verify_nbf"), False),
}
"""Its times are over, as a rule."""


@dataclass(frozen=True, slots=True)
class IdTokens:
    """Issues them."""

    keys: KeyService
    clock: Clock
    issuer: str

    def issue(self, opened: OpenedSession, client_id: str, scopes: Collection[str], *, nonce: str | None = None) -> str:
        """The ID token that goes with the access token of a client's session, and lives as long.

        Its `typ` is not that of access tokens, so it is never taken for one.
        """
        key, now = self.keys.signing_key(), int(self.clock().timestamp())
        proven = opened.session.authentication
        claims: dict[str, Any] = {
            **claims_of(opened.user, scopes),
            "iss": self.issuer,
            "sub": opened.user.id,
            "aud": client_id,
            "iat": now,
            "exp": now + opened.expires_in,
            "auth_time": int(proven.at.timestamp()),
            "amr": list(proven.amr),
            "acr": proven.acr,
            "sid": opened.session.id,
            "at_hash": half_hash(opened.access_token, key.alg),
            **({} if nonce is None else {"nonce": nonce}),
        }
        return jwt.encode(claims, key.signing, algorithm=key.alg, headers={"typ": "JWT", "kid": key.kid})

    def read_hint(self, token: str) -> dict[str, Any] | None:
        """The claims of an ID token that was made here, `aud`, `sub` and `sid` among them, also of one that has expired
        (OpenID Connect RP-Initiated Logout section 2); None for any other text."""
        if len(token) > LONGEST_HINT or not token.isascii():
            return None
        try:
            header = jwt.get_unverified_header(token)
            kid = header.get("kid")
            key = self.keys.key_by_kid(kid) if isinstance(kid, str) else None
            if key is None or header != {"typ": "JWT", "alg": key.alg, "kid": kid}:
                return None
            claims = jwt.decode(token, key.verifying, algorithms=[key.alg], issuer=self.issuer, options=_OF_A_HINT)
        except jwt.PyJWTError:
            return None
        return claims if all(isinstance(claims[name], str) for name in ("aud", "sub", "sid")) else None
