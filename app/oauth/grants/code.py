"""A code for a session (RFC 6749 section 4.1, with PKCE for every client as OAuth 2.1 has it)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from authlib.oauth2.rfc6749 import grants

from app.oauth.granting import may_receive
from app.oauth.grants.opening import open_for
from app.oauth.grants.replies import token_reply
from app.oauth.parameters import is_verifier, narrowed_to, proves
from app.oauth.refusal import RefusedError
from app.oauth.server import ANY_METHOD, ClientOf, OAuthServer, Request
from app.platform.identifiers import digest_of_token, new_id
from app.sessions.granted import OFFLINE, Granted

if TYPE_CHECKING:
    from app.oauth.clients.model import Client
    from app.oauth.codes.model import Code
    from app.sessions.session_tokens import OpenedSession


@dataclass(frozen=True, slots=True)
class Spent:
    """A code that is spent, as Authlib asks for it."""

    code: Code

    def get_redirect_uri(self) -> None:
        """Nothing that Authlib would demand: OAuth 2.1 leaves it out of the token request (section 10.2), since the
        verifier proves more. One that is sent is compared by CodeGrant."""


class CodeGrant(grants.AuthorizationCodeGrant):
    """Spends a code in one write and opens the session that it stands for. `/oauth/authorize` is not its concern."""

    TOKEN_ENDPOINT_AUTH_METHODS = ANY_METHOD
    request: Request
    server: OAuthServer

    def validate_token_request(self) -> None:
        """As Authlib's, and the verifier: its form is looked at before the code is spent, so that a client that forgot
        it can be told. A wrong one spends the code (RFC 7636 section 4.6)."""
        verifier = self.request.form.get("code_verifier", "")
        if not is_verifier(verifier):
            self.authenticate_token_endpoint_client()
            raise RefusedError("invalid_request", "code_verifier is required: 43 to 128 characters.", "code_verifier")
        super().validate_token_request()
        code: Code = self.request.authorization_code.code
        if self.request.payload.redirect_uri not in {None, code.redirect_uri}:
            raise RefusedError(
                "invalid_grant", "redirect_uri is not that of the authorization request.", "redirect_uri"
            )
        if not proves(verifier, code.challenge):
            raise RefusedError("invalid_grant", "code_verifier does not belong to this code.", "code_verifier")
        if code.dpop_jkt not in {None, self.request.bound_to}:
            raise RefusedError("invalid_grant", "The code is bound to a key that was not proven.", "dpop_jkt")

    def query_authorization_code(self, code: str, client: ClientOf) -> Spent | None:
        """Spends it: one conditional write, with the session to be opened. A second use ends what the first opened."""
        services, now = self.server.services, self.server.services.clock()
        spent = services.codes.spend(digest_of_token(code), client.client.id, new_id(), now)
        if spent is not None:
            return Spent(spent)
        opened = services.codes.note_reuse(digest_of_token(code), client.client.id, now)
        if opened is not None:
            self._end(opened.session_id, client.client.id)
        return None

    def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
        """Not Authlib's: its generator sees neither the code nor the resources, and it saves and deletes apart."""
        code: Code = self.request.authorization_code.code
        client: Client = self.request.client.client
        opened = self._opened(code, client)
        if self.server.services.codes.was_reused(code.id):
            self._end(code.session_id, client.id)  # its tokens are dead then, as they would be if the other came later
        id_token = None
        if "openid" in code.scopes:
            id_token = self.server.services.id_tokens.issue(opened, client.id, code.scopes, nonce=code.nonce)
        reply = token_reply(opened, code.scopes, id_token, self.request.bound_to)
        return 200, reply, self.TOKEN_RESPONSE_HEADER

    def _opened(self, code: Code, client: Client) -> OpenedSession:
        """The session that this code stands for. Raises RefusedError, also if the page session has ended that it was
        given in."""
        services, narrowed = self.server.services, narrowed_to(self.request.parameters, code.resources)
        if code.parent_id is not None and services.live.principal(code.parent_id, code.user_id) is None:
            raise _void("The user has logged out since.")
        if not may_receive(client, code.redirect_uri):
            raise _void("The redirect URI of the code is not registered any more.")
        granted = Granted(
            session_id=code.session_id or "",
            client_id=client.id,
            first_party=code.first_party,
            scopes=code.scopes,
            resources=code.resources,
            parent_id=None if OFFLINE in code.scopes else code.parent_id,
            seconds=client.session_seconds,
            narrowed_to=narrowed,
            bound_to=self.request.bound_to,
            keeps_key=not client.has_secrets,
        )
        return open_for(services, client, granted, code, self.request.device, grant="authorization_code", void=_void)

    def _end(self, session_id: str | None, client_id: str) -> None:
        if session_id is not None:
            self.server.services.sessions.end_for_client(session_id, client_id, self.request.device)

    # Never reached, and so that nobody relies on them:

    def delete_authorization_code(self, authorization_code: object) -> None:
        """`query_authorization_code` has spent it."""
        raise NotImplementedError

    def authenticate_user(self, authorization_code: object) -> None:
        """`_opened` asks the gate."""
        raise NotImplementedError


def _void(detail: str) -> RefusedError:
    return RefusedError("invalid_grant", "This code is not valid any more.", "code", detail)
