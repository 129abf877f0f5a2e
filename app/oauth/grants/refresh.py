"""A refresh token for the next one (RFC 6749 section 6), which the session rotates."""

from __future__ import annotations

from functools import partial
from typing import Any

from authlib.oauth2.rfc6749 import grants

from app.oauth.granting import may_keep
from app.oauth.grants.replies import token_reply
from app.oauth.refusal import RefusedError
from app.oauth.server import ANY_METHOD, OAuthServer, Request
from app.platform.errors import InvalidRefreshToken, ReusedRefreshToken
from app.sessions.granted import Asked, NarrowingError, OtherKeyError


class RefreshGrant(grants.RefreshTokenGrant):
    """Has the session rotated: one write, with its grace. Authlib's would save the new token, then revoke the old."""

    TOKEN_ENDPOINT_AUTH_METHODS = ANY_METHOD
    request: Request
    server: OAuthServer

    def validate_token_request(self) -> None:
        """Which client, and that there is a refresh token at all; what it is worth shows at its exchange."""
        self.request.client = self._validate_request_client()
        if self.request.form.get("refresh_token") is None:
            raise RefusedError("invalid_request", "refresh_token is required.", "refresh_token")

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """The next tokens of the session, perhaps for less: the session keeps what it was granted."""
        services, parameters, client = self.server.services, self.request.parameters, self.request.client.client
        scopes = tuple(dict.fromkeys(each for each in (parameters.get("scope") or "").split(" ") if each))
        resources, key = tuple(dict.fromkeys(parameters.all("resource"))), self.request.bound_to
        asked = Asked(client.id, scopes, resources, key, may_keep=partial(may_keep, client, own=services.audience))
        try:
            opened = services.refreshes.refresh_for(self.request.form["refresh_token"], self.request.device, asked)
        except NarrowingError as error:
            code = "invalid_scope" if error.what == "scope" else "invalid_target"
            raise RefusedError(code, f"{error.what} has one that was not granted.", error.what) from None
        except OtherKeyError:
            raise RefusedError("invalid_grant", "The refresh token is bound to another key.", "dpop_jkt") from None
        except (InvalidRefreshToken, ReusedRefreshToken) as failure:
            raise RefusedError("invalid_grant", "This refresh token is not valid.", failure.code) from None
        given = scopes or opened.session.granted_scopes
        id_token = services.id_tokens.issue(opened, client.id, given) if "openid" in given else None
        return 200, token_reply(opened, given, id_token, key), self.TOKEN_RESPONSE_HEADER

    # Never reached, and so that nobody relies on them:

    def authenticate_refresh_token(self, refresh_token: str) -> None:
        """`refresh_for` does."""
        raise NotImplementedError

    def revoke_old_credential(self, refresh_token: object) -> None:
        """`refresh_for` does."""
        raise NotImplementedError
