"""GitHub: OAuth 2 without OpenID Connect, so it says who somebody is in answers of its API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from app.security.digests import s256
from app.social.metadata import parsed
from app.social.openid import with_query
from app.social.provider import ISSUERS, Claims, NotTrustedError

if TYPE_CHECKING:
    from app.social.metadata import Documents
    from app.social.provider import Answer, Provider, Secrets

_PUBLIC_API: Final = "https://api.github.com"
_OK: Final = 200
_MISSING: Final = frozenset({403, 404})
"""What /user/emails replies with where the scope was not granted."""


@dataclass(frozen=True, slots=True)
class GitHubUpstream:
    """Asks GitHub, or a GitHub Enterprise Server, who somebody is."""

    provider: Provider
    documents: Documents
    callback: str

    def address(self, secrets: Secrets) -> str:
        """The address at GitHub where somebody logs in."""
        asked = {
            "client_id": self.provider.client_id,
            "redirect_uri": self.callback,
            "scope": " ".join(self.provider.scopes),
            "state": secrets.state,
            "code_challenge": s256(secrets.verifier),
            "code_challenge_method": "S256",
        }
        return with_query(f"{self._web}/login/oauth/authorize", asked)

    def who(self, answer: Answer, secrets: Secrets) -> Claims:
        """Who came back with this answer. Raises Unavailable and NotTrustedError."""
        if answer.issuer is not None and answer.issuer != f"{self._web}/login/oauth":
            raise NotTrustedError("the answer is from another issuer (RFC 9207)")
        sent = {
            "client_id": self.provider.client_id,
            "client_secret": self.provider.client_secret or "",
            "code": answer.code,
            "redirect_uri": self.callback,
            "code_verifier": secrets.verifier,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        url = f"{self._web}/login/oauth/access_token"
        tokens = self.documents.json("POST", url, body=urlencode(sent).encode(), headers=headers)
        token = tokens.get("access_token")  # a refusal has the status 200, too
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise NotTrustedError("GitHub gave no access token")
        user = self._api("/user", token)
        number = user.get("id") if isinstance(user, dict) else None
        if not isinstance(number, int) or isinstance(number, bool) or number <= 0:
            raise NotTrustedError("GitHub did not say who it is")
        email = self._primary_email(token)
        name = user.get("name")
        # Not by the login name, which others can have once it is given up.
        return Claims(self._web, str(number), email, email is not None, name if isinstance(name, str) else None)

    def _primary_email(self, token: str) -> str | None:
        """The address that the user chose as theirs, if it is verified."""
        found = self._api("/user/emails", token)
        for entry in found if isinstance(found, list) else ():
            if isinstance(entry, dict) and entry.get("primary") is True and entry.get("verified") is True:
                email = entry.get("email")
                return email if isinstance(email, str) else None
        return None

    def _api(self, path: str, token: str) -> Any:  # noqa: ANN401 - any JSON
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json"}
        reply = self.documents.send("GET", f"{self._api_address}{path}", headers=headers)
        if path == "/user/emails" and reply.status in _MISSING:
            return None
        if reply.status != _OK:
            raise NotTrustedError(f"GitHub replied with status {reply.status}")
        return parsed(reply)

    @property
    def _web(self) -> str:
        return self.provider.issuer.rstrip("/")

    @property
    def _api_address(self) -> str:
        return _PUBLIC_API if self._web == ISSUERS["github"] else f"{self._web}/api/v3"
