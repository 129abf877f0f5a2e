"""Why a request to the authorization server is refused, in the words of the RFCs."""

from __future__ import annotations

from app.platform.uris import with_query


class RefusedError(Exception):
    """An authorization request, or a token request, that is refused.

    `error` and `description` are what the client is told (RFC 6749 sections 4.1.2.1 and 5.2): the description is ours
    from the first letter to the last, never what was sent. `reason` is for people who ask why (`explain.py`), and
    `detail` adds to it what is specific to this request, for them alone. With a `redirect_uri` the client is told
    there; without one, a page says so: nobody is sent to an address that is not registered.
    """

    def __init__(self, error: str, description: str, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.error = error
        self.description = description
        self.reason = reason
        self.detail = detail
        self.redirect_uri: str | None = None
        self.state: str | None = None

    def behind(self, redirect_uri: str, state: str | None) -> RefusedError:
        """The same, told to the client at its redirect URI."""
        self.redirect_uri, self.state = redirect_uri, state
        return self

    def location(self, issuer: str) -> str | None:
        """Where the browser is sent with it; None if a page has to say so."""
        if self.redirect_uri is None:
            return None
        told = {"error": self.error, "error_description": self.description}
        return answered_at(self.redirect_uri, told, self.state, issuer)


def answered_at(redirect_uri: str, answer: dict[str, str], state: str | None, issuer: str) -> str:
    """The redirect URI with an answer in its query, where it keeps what it had; `iss` is always there (RFC 9207)."""
    sent = answer | ({} if state is None else {"state": state}) | {"iss": issuer}
    return with_query(redirect_uri, sent)
