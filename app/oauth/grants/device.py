"""A device code for a session (RFC 8628 section 3.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from authlib.oauth2.rfc6749.errors import UnauthorizedClientError
from authlib.oauth2.rfc8628 import DeviceCodeGrant

from app.oauth.device_codes.model import APPROVED, DENIED, PENDING
from app.oauth.grants.opening import open_for
from app.oauth.grants.replies import token_reply
from app.oauth.parameters import narrowed_to
from app.oauth.refusal import RefusedError
from app.oauth.server import ANY_METHOD, OAuthServer, Request
from app.platform.identifiers import digest_of_token, new_id
from app.sessions.granted import OFFLINE, Granted

if TYPE_CHECKING:
    from app.oauth.clients.model import Client
    from app.oauth.device_codes.model import DeviceCode
    from app.sessions.session_tokens import OpenedSession

_TOLD: Final = {
    PENDING: ("authorization_pending", "The user has not answered yet."),
    DENIED: ("access_denied", "The user has refused."),
}


class DeviceGrant(DeviceCodeGrant):
    """Notes the poll and spends the code, in one write each, and opens the session that it stands for."""

    TOKEN_ENDPOINT_AUTH_METHODS = ANY_METHOD
    request: Request
    server: OAuthServer

    def validate_token_request(self) -> None:
        """Not Authlib's, which reads the code, and neither notes the poll nor spends it."""
        client = self.request.client = self.authenticate_token_endpoint_client()
        if not client.check_grant_type(self.GRANT_TYPE):
            raise UnauthorizedClientError("This client has no device_code grant.")
        secret = self.request.form.get("device_code")
        if not secret:
            raise RefusedError("invalid_request", "device_code is required.", "device_code")
        now = self.server.services.clock()
        code, too_fast = self.server.services.device_codes.poll(digest_of_token(secret), client.client.id, now)
        if code is None:
            raise _void()
        if code.expires_at <= now:
            raise RefusedError("expired_token", "This device code has expired: ask for another one.", "device_code")
        if too_fast:
            raise RefusedError("slow_down", "Wait 5 seconds longer between two requests.", "slow_down")
        if code.status != APPROVED:
            error, description = _TOLD.get(code.status, ("invalid_grant", _VOID))
            raise RefusedError(error, description, "device_code")
        narrowed_to(self.request.parameters, code.resources)  # before it is spent, so that it can be asked again

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """The tokens; the code is spent first."""
        services, client = self.server.services, self.request.client.client
        code = services.device_codes.spend(
            digest_of_token(self.request.form["device_code"]), client.id, services.clock()
        )
        if code is None:
            raise _void()
        opened = self._opened(code, client)
        id_token = services.id_tokens.issue(opened, client.id, code.scopes) if "openid" in code.scopes else None
        reply = token_reply(opened, code.scopes, id_token, self.request.bound_to)
        return 200, reply, self.TOKEN_RESPONSE_HEADER

    def _opened(self, code: DeviceCode, client: Client) -> OpenedSession:
        """The session that the user has approved. Raises RefusedError."""
        services = self.server.services
        granted = Granted(
            session_id=new_id(),
            client_id=client.id,
            first_party=client.first_party,
            scopes=code.scopes,
            resources=code.resources,
            # Nothing renews it without the scope OFFLINE, and it ends with no login: so it lives as long as its token.
            seconds=client.session_seconds if OFFLINE in code.scopes else services.access_tokens.lifetime,
            narrowed_to=narrowed_to(self.request.parameters, code.resources),
            bound_to=self.request.bound_to,
            keeps_key=not client.has_secrets,
        )
        return open_for(services, client, granted, code, self.request.device, grant="device_code", void=_void)

    # Never reached, and so that nobody relies on them:

    def query_device_credential(self, device_code: str) -> None:
        """`validate_token_request` has polled."""
        raise NotImplementedError

    def query_user_grant(self, user_code: str) -> None:
        """The code says who approved."""
        raise NotImplementedError

    def should_slow_down(self, credential: object) -> bool:
        """The poll says so."""
        raise NotImplementedError


_VOID: Final = "This device code is not valid, or not any more."


def _void(detail: str = "") -> RefusedError:
    return RefusedError("invalid_grant", _VOID, "device_code", detail)
