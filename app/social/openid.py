"""A provider of OpenID Connect, and what is different at Google, Microsoft and Apple."""

from __future__ import annotations

import base64
import hmac
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode

import jwt

from app.accounts.authentication import MFA
from app.security.digests import half_hash, s256
from app.security.key_sets import may_sign
from app.social.metadata import ALGORITHMS, TENANT
from app.social.provider import Claims, NotTrustedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.platform.clock import Clock
    from app.social.metadata import Documents, Metadata
    from app.social.provider import Answer, Provider, Secrets

_LEEWAY: Final = 60
"""Seconds that the clocks of a provider may differ."""
_LATEST: Final = 2**53
"""JSON holds no whole number beyond it for certain."""
_LONGEST_TOKEN: Final = 16 * 1024
_LONGEST_SUBJECT: Final = 255
_LONGEST_ISSUER: Final = 400
_TENANT: Final = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_APPLE_SECRET_LIVES: Final = timedelta(minutes=5)
_GMAIL: Final = frozenset({"gmail.com", "googlemail.com"})
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True, slots=True)
class OpenIdUpstream:
    """Asks one provider who somebody is, by the authorization code flow with PKCE."""

    provider: Provider
    documents: Documents
    callback: str
    """Our address that it sends people back to."""
    clock: Clock

    def address(self, secrets: Secrets) -> str:
        """The address at the provider where somebody logs in. Raises Unavailable and NotTrustedError."""
        metadata = self._metadata()
        asked = {
            "response_type": "code",
            "client_id": self.provider.client_id,
            "redirect_uri": self.callback,
            "scope": " ".join(self.provider.scopes),
            "state": secrets.state,
            "nonce": secrets.nonce,
            "code_challenge": s256(secrets.verifier),
            "code_challenge_method": "S256",
        }
        if self.provider.kind == "apple":  # with a name or an address, it posts its answer
            asked["response_mode"] = "form_post"
        return with_query(metadata.authorization_endpoint, asked)

    def who(self, answer: Answer, secrets: Secrets) -> Claims:
        """Who came back with this answer. Raises Unavailable and NotTrustedError."""
        metadata = self._metadata()
        if answer.issuer is None and metadata.names_issuer:
            raise NotTrustedError("the answer does not say from which issuer it is (RFC 9207)")
        if answer.issuer is not None and answer.issuer != metadata.issuer:
            raise NotTrustedError("the answer is from another issuer (RFC 9207)")
        tokens = self._exchange(metadata, answer, secrets)
        claims = self._verified(metadata, tokens, secrets)
        if "email" not in claims and metadata.userinfo_endpoint is not None and "email" in self.provider.scopes:
            claims = self._with_userinfo(metadata.userinfo_endpoint, claims, tokens)
        return self._claims(claims, answer)

    def _metadata(self) -> Metadata:
        found = self.documents.of(self.provider.issuer)
        expected = self.provider.issuer
        if found.issuer != expected and not (self.provider.kind == "microsoft" and TENANT in found.issuer):
            raise NotTrustedError("the metadata is that of another issuer")
        return found

    def _exchange(self, metadata: Metadata, answer: Answer, secrets: Secrets) -> Mapping[str, Any]:
        sent = {
            "grant_type": "authorization_code",
            "code": answer.code,
            "redirect_uri": self.callback,
            "code_verifier": secrets.verifier,
        }
        headers, secret = dict(_FORM), self._client_secret()
        if secret is not None and _by_header(metadata.auth_methods):
            pair = f"{quote(self.provider.client_id, safe='')}:{quote(secret, safe='')}"  # RFC 6749 section 2.3.1
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            sent["client_id"] = self.provider.client_id
            if secret is not None:
                sent["client_secret"] = secret
        return self.documents.json("POST", metadata.token_endpoint, body=urlencode(sent).encode(), headers=headers)

    def _client_secret(self) -> str | None:
        key = self.provider.apple_key
        if key is None:
            return self.provider.client_secret
        now = self.clock()
        claims = {
            "iss": key.team_id,
            "sub": self.provider.client_id,
            "aud": self.provider.issuer,
            "iat": now,
            "exp": now + _APPLE_SECRET_LIVES,
        }
        return jwt.encode(claims, key.private_key, "ES256", headers={"kid": key.key_id})

    def _verified(self, metadata: Metadata, tokens: Mapping[str, Any], secrets: Secrets) -> dict[str, Any]:
        """The claims of the ID token (OpenID Connect Core section 3.1.3.7)."""
        token = tokens.get("id_token")
        if not isinstance(token, str) or len(token) > _LONGEST_TOKEN:
            raise NotTrustedError("the provider gave no ID token")
        try:
            header = jwt.get_unverified_header(token)
            algorithm, key_id = header.get("alg"), header.get("kid")
            if algorithm not in ALGORITHMS or not isinstance(key_id, str | None):
                raise NotTrustedError("the ID token is signed in a way that is not accepted")
            key = self.documents.key(metadata.jwks_uri, key_id)
            if not may_sign(key, algorithm):
                raise NotTrustedError("the ID token is signed by another algorithm than its key is for")
            claims: dict[str, Any] = jwt.decode(
                token,
                key.key,
                algorithms=[algorithm],
                audience=self.provider.client_id,
                options={
                    "require": ["iss", "sub", "aud", "exp", "iat"],
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise NotTrustedError(f"the ID token is not valid ({type(error).__name__})") from None
        self._check_times(claims)
        self._check_issuer(metadata.issuer, key.issuer, claims)
        self._check_rest(claims, tokens, secrets, algorithm)
        return claims

    def _check_times(self, claims: Mapping[str, Any]) -> None:
        """By our clock, which tests set, and not by PyJWT's."""
        expires, issued, begins = claims["exp"], claims["iat"], claims.get("nbf", 0)
        if not all(map(_is_time, (expires, issued, begins))):
            raise NotTrustedError("the ID token has no times")
        now = self.clock().timestamp()
        if expires + _LEEWAY <= now:
            raise NotTrustedError("the ID token has expired")
        if max(issued, begins) - _LEEWAY > now:
            raise NotTrustedError("the ID token is from the future")

    def _check_issuer(self, published: str, of_key: str | None, claims: Mapping[str, Any]) -> None:
        """Whether it is of the issuer that was asked, and signed by a key of its own.

        Microsoft publishes the keys of all tenants together, and says of each whose it is: one of private accounts
        signs for no company ("Validate the signing key issuer" in its documentation).
        """
        expected = _of_tenant(published, claims)
        if claims["iss"] != expected or len(expected) > _LONGEST_ISSUER:
            raise NotTrustedError("the ID token is of another issuer")
        if self.provider.kind == "microsoft" and of_key is not None and _of_tenant(of_key, claims) != expected:
            raise NotTrustedError("the ID token is signed by a key of another issuer")

    def _check_rest(
        self, claims: Mapping[str, Any], tokens: Mapping[str, Any], secrets: Secrets, algorithm: str
    ) -> None:
        audience, party = claims["aud"], claims.get("azp")
        is_for_several = isinstance(audience, list) and len(audience) > 1
        if party != self.provider.client_id and (party is not None or is_for_several):
            raise NotTrustedError("the ID token is for another client")
        nonce = claims.get("nonce")
        if not isinstance(nonce, str) or not nonce.isascii() or not hmac.compare_digest(nonce, secrets.nonce):
            raise NotTrustedError("the ID token is of another login (nonce)")
        if not _is_subject(claims["sub"]):
            raise NotTrustedError("the ID token names nobody")
        expected, access_token = claims.get("at_hash"), tokens.get("access_token")
        if expected is not None and isinstance(access_token, str) and expected != half_hash(access_token, algorithm):
            raise NotTrustedError("the access token does not belong to the ID token")

    def _with_userinfo(self, url: str, claims: dict[str, Any], tokens: Mapping[str, Any]) -> dict[str, Any]:
        access_token = tokens.get("access_token")
        if not isinstance(access_token, str) or not access_token.isascii() or not access_token.isprintable():
            return claims
        found = self.documents.json("GET", url, headers={"Authorization": f"Bearer {access_token}"})
        if found.get("sub") != claims["sub"]:  # section 5.3.2
            raise NotTrustedError("the userinfo is of somebody else")
        more: dict[str, Any] = {name: found[name] for name in ("email", "email_verified", "name") if name in found}
        # What the ID token says of an address that it does not name is said of another one.
        return {**more, **{name: claim for name, claim in claims.items() if name != "email_verified"}}

    def _claims(self, found: Mapping[str, Any], answer: Answer) -> Claims:
        amr = found.get("amr")
        email, name = found.get("email"), found.get("name", answer.posted_name)
        email = email if isinstance(email, str) else None
        return Claims(
            issuer=found["iss"],
            subject=found["sub"],
            email=email,
            email_verified=email is not None and self._says_verified(email, found),
            name=name if isinstance(name, str) else None,
            two_factors=isinstance(amr, list) and MFA in amr,
        )

    def _says_verified(self, email: str, found: Mapping[str, Any]) -> bool:
        """Whether the provider knows that the address is the user's."""
        verified = found.get("email_verified") in (True, "true")  # Apple sends text
        if self.provider.kind == "google":
            # Of other addresses it only knew once (developers.google.com, "Verify the Google ID token").
            hosted = isinstance(found.get("hd"), str) and bool(found["hd"])
            return verified and (hosted or email.rpartition("@")[2].lower() in _GMAIL)
        if self.provider.kind == "microsoft":
            # Its `email` is whatever the tenant's administrator wrote ("nOAuth"); this claim says whose domain it is.
            return found.get("xms_edov") in (True, 1, "1", "true", "True")
        return verified


def with_query(url: str, parameters: Mapping[str, str]) -> str:
    """The address with more parameters in its query."""
    return f"{url}{'&' if '?' in url else '?'}{urlencode(parameters)}"


def _by_header(methods: tuple[str, ...]) -> bool:
    return "client_secret_basic" in methods or "client_secret_post" not in methods


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LATEST


def _is_subject(value: object) -> bool:
    """Whether a store can hold it: no NUL, and no half of a surrogate pair, which JSON may have."""
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_SUBJECT or "\0" in value:
        return False
    return not any("\ud800" <= character <= "\udfff" for character in value)


def _of_tenant(issuer: str, claims: Mapping[str, Any]) -> str:
    """The issuer, at Microsoft that of the tenant of the user if it stands for several. Raises NotTrustedError."""
    if TENANT not in issuer:
        return issuer
    tenant = claims.get("tid")
    if not isinstance(tenant, str) or not _TENANT.fullmatch(tenant):
        raise NotTrustedError("the ID token names no tenant")
    return issuer.replace(TENANT, tenant)
