"""Logout that a client asks for (OpenID Connect RP-Initiated Logout 1.0)."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from app.oauth.refusal import RefusedError
from app.platform.errors import NotFound
from app.platform.uris import with_query

if TYPE_CHECKING:
    from app.accounts.principal import Principal
    from app.oauth.clients.model import Client
    from app.oauth.id_tokens import IdTokens
    from app.oauth.registry import ClientRegistry
    from app.platform.clock import Clock
    from app.platform.devices import Device
    from app.sessions.model import Sessions
    from app.sessions.service import SessionService
    from app.web.parameters import Parameters


class Hinted(NamedTuple):
    """Whose login an ID token tells of, and in which session of the client."""

    user_id: str
    session_id: str


@dataclass(frozen=True, slots=True)
class LogoutRequest:
    """What a client asks for. `back_to` is where the browser goes afterwards, if that is registered."""

    client: Client | None
    hinted: Hinted | None
    back_to: str | None


@dataclass(frozen=True, slots=True)
class RequestedLogouts:
    """Checks and grants the requests."""

    registry: ClientRegistry
    id_tokens: IdTokens
    sessions: Sessions
    service: SessionService
    clock: Clock

    def check(self, parameters: Parameters) -> LogoutRequest:
        """What these parameters ask for.

        An ID token that was not made here, or whose key is gone, proves nothing: then it is as if none was sent, and
        the user is asked. So is a URI that is not registered for the client. Raises RefusedError if the client is not
        the one that the ID token was made for.
        """
        client_id, hinted = parameters.get("client_id"), None
        claims = self.id_tokens.read_hint(parameters.get("id_token_hint") or "")
        if claims is not None:
            if client_id not in {None, claims["aud"]}:
                raise RefusedError("invalid_request", "The ID token was made for another client.", "client_id")
            client_id, hinted = claims["aud"], Hinted(claims["sub"], claims["sid"])
        back_to = parameters.get("post_logout_redirect_uri")
        client = self._client(client_id, described=back_to is not None and claims is not None)
        if client is None or back_to not in client.post_logout_redirect_uris:
            return LogoutRequest(client, hinted, None)
        state = parameters.get("state")
        return LogoutRequest(client, hinted, back_to if state is None else with_query(back_to, {"state": state}))

    def end(self, request: LogoutRequest, visitor: Principal | None, device: Device) -> bool:
        """End the login that is meant; False, and nothing has ended, if the user has to be asked first.

        That is so if somebody is logged in at this browser, and no ID token of theirs was sent: any page can lead a
        browser here. An ID token proves enough, also in a POST from another site, which carries no cookie: it ends the
        login of the browser in which it was given. A session with a refresh token of its own goes on (OpenID Connect
        Core section 11).
        """
        if visitor is not None and (request.hinted is None or request.hinted.user_id != visitor.user.id):
            return False
        if request.hinted is not None:
            self._end_login_of(request.hinted, device)
        if visitor is not None:
            self.service.log_out(visitor, "this", device)
        return True

    def is_known(self, request: LogoutRequest) -> bool:
        """Whether the ID token tells which login is meant, without the cookie of the browser."""
        return request.hinted is not None and self._login_of(request.hinted) is not None

    def _client(self, client_id: str | None, *, described: bool) -> Client | None:
        """The client, perhaps as its metadata document describes it: that is fetched for no stranger, but for a client
        that an ID token was made for."""
        if client_id is None:
            return None
        if described:
            with suppress(RefusedError):
                return self.registry.described(client_id)
        return self.registry.find(client_id)

    def _end_login_of(self, hinted: Hinted, device: Device) -> None:
        parent_id = self._login_of(hinted)
        live = None if parent_id is None else self.sessions.find_live(parent_id, self.clock())
        if live is not None:
            with suppress(NotFound):  # it ended by itself meanwhile
                self.service.end(live.session.id, live.user, device)

    def _login_of(self, hinted: Hinted) -> str | None:
        """The session of the page in which the client got its own; None if that is not known, or has ended."""
        live = self.sessions.find_live(hinted.session_id, self.clock())
        return live.session.parent_id if live is not None and live.user.id == hinted.user_id else None
