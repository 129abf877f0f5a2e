"""Explains why an authorization request or a token request is refused; it spends, counts and changes nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from app.oauth.authorization import id_of
from app.oauth.grant_types import TOKEN_EXCHANGE, may_exchange
from app.oauth.parameters import is_verifier, narrowed_to, proves, resources_of, scopes_of
from app.oauth.refusal import RefusedError
from app.platform.errors import InvalidRequest
from app.web.parameters import parse_parameters

if TYPE_CHECKING:
    from app.accounts.model import Users
    from app.oauth.assertions import Assertions
    from app.oauth.authorization import Authorizations
    from app.oauth.catalogue.service import Catalogue
    from app.oauth.clients.model import Client
    from app.oauth.codes.model import Code, Codes
    from app.oauth.consents.service import ConsentService
    from app.oauth.exchange import Exchanges
    from app.oauth.registry import ClientRegistry
    from app.platform.clock import Clock
    from app.sessions.live import LiveSessions
    from app.sessions.service import SessionService
    from app.web.parameters import Parameters

_AUTHORIZE: Final = "/oauth/authorize"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a request would be accepted now; `reason` is None if it would."""

    reason: str | None
    detail: str

    @property
    def accepted(self) -> bool:
        """Whether it would."""
        return self.reason is None


@dataclass(frozen=True, slots=True)
class ExplainRequests:
    """Explains requests to those who may read clients; what it says of codes and secrets is for nobody else."""

    authorizations: Authorizations
    registry: ClientRegistry
    catalogue: Catalogue
    codes: Codes
    consents: ConsentService
    users: Users
    live: LiveSessions
    sessions: SessionService
    exchanges: Exchanges
    assertions: Assertions
    clock: Clock
    grant_types: tuple[str, ...]

    def url(self, url: str) -> Verdict:
        """Whether the authorization endpoint would take this URL, or why not. Raises Unavailable."""
        expected, asked = f"{self.authorizations.issuer}{_AUTHORIZE}", url.partition("?")[0]
        if not asked.endswith(urlsplit(expected).path):
            return Verdict("other_address", f"The authorization endpoint of this server is {expected}")
        verdict = self._of_query(url)
        if asked == expected:
            return verdict
        return replace(verdict, detail=f"{verdict.detail} Note that the authorization endpoint is {expected}")

    def _of_query(self, url: str) -> Verdict:
        try:
            self.authorizations.check(parse_parameters(urlsplit(url).query))
        except RefusedError as refused:
            return _because(refused)
        except (InvalidRequest, ValueError) as error:
            return Verdict("unreadable", str(error))
        return Verdict(None, "It is accepted: the user logs in and consents where that is needed.")

    def token_request(self, parameters: Parameters) -> Verdict:
        """Whether the token endpoint would take these parameters, or why not. Raises Unavailable."""
        try:
            self._check(parameters)
        except RefusedError as refused:
            return _because(refused)
        return Verdict(None, "It is accepted.")

    def _check(self, parameters: Parameters) -> None:
        grant_type = parameters.get("grant_type")
        if grant_type is None or grant_type not in self.grant_types:
            raise RefusedError(
                "unsupported_grant_type", f"grant_type has to be one of {', '.join(self.grant_types)}.", "grant_type"
            )
        client = self._client(parameters)
        if not may_exchange(client, grant_type):
            raise _not_for(client, grant_type)
        if grant_type == "authorization_code":
            self._check_code(parameters, client)
        elif grant_type == "refresh_token":
            self._check_refresh(parameters, client)
        elif grant_type == "client_credentials":
            catalogue = self.catalogue.load()
            resources = resources_of(parameters, client, catalogue, own=self.authorizations.audience)
            scopes_of(parameters, client, catalogue, resources, default=())
        elif grant_type == TOKEN_EXCHANGE:
            self.exchanges.check(parameters, client)

    def _client(self, parameters: Parameters) -> Client:
        if parameters.get("client_assertion") is not None:
            if parameters.get("client_secret") is not None:
                raise RefusedError("invalid_request", "The client authenticates twice.", "client_secret")
            return self.assertions.check(parameters).client
        client = self.registry.find(parameters.get("client_id") or "")
        if client is None:
            raise RefusedError("invalid_client", "There is no such client.", "unknown_client")
        secret = parameters.get("client_secret")
        if not client.has_secrets:
            if secret is not None:
                raise RefusedError("invalid_client", "A public client has no secret, and sends none.", "client_secret")
        elif secret is None:
            raise RefusedError("invalid_client", "This client has to send its secret.", "client_secret")
        elif not client.accepts(secret, self.clock()):
            raise RefusedError("invalid_client", "The secret is wrong, deleted or expired.", "client_secret")
        return client

    def _check_code(self, parameters: Parameters, client: Client) -> None:
        verifier = parameters.get("code_verifier") or ""
        if not is_verifier(verifier):
            raise RefusedError("invalid_request", "code_verifier is required: 43 to 128 characters.", "code_verifier")
        code = self.codes.find(id_of(parameters.get("code") or ""))
        if code is None:
            raise RefusedError("invalid_grant", "There is no such code, or it is long gone.", "unknown_code")
        if faults := self._faults_of(code, client):
            reason, described = faults[0]
            raise RefusedError("invalid_grant", described, reason)
        if parameters.get("redirect_uri") not in {None, code.redirect_uri}:
            detail = f"That of the authorization request is {code.redirect_uri}"
            raise RefusedError("invalid_grant", "redirect_uri is another one.", "redirect_uri", detail)
        if not proves(verifier, code.challenge):
            raise RefusedError("invalid_grant", "code_verifier does not belong to this code.", "code_verifier")
        narrowed_to(parameters, code.resources)

    def _faults_of(self, code: Code, client: Client) -> list[tuple[str, str]]:
        """What is wrong with a code, the first that counts before the others."""
        account, is_live = self.users.account(code.user_id), True
        if code.parent_id is not None:
            is_live = self.live.principal(code.parent_id, code.user_id) is not None
        found = {
            "code_of_other_client": (code.client_id != client.id, "The code was given to another client."),
            "code_used": (code.used_at is not None, "The code was used before."),
            "code_expired": (code.expires_at <= self.clock(), "The code has expired."),
            "login_ended": (
                not is_live or account is None or account.auth_epoch != code.auth_epoch,
                "The user has logged out, or their password or factors changed, since they gave the code.",
            ),
            "no_consent": (
                not code.first_party and not self.consents.still_there(code.user_id, client.id),
                "The user has taken their consent away.",
            ),
        }
        return [(reason, detail) for reason, (holds, detail) in found.items() if holds]

    def _check_refresh(self, parameters: Parameters, client: Client) -> None:
        token = parameters.get("refresh_token")
        if token is None:
            raise RefusedError("invalid_request", "refresh_token is required.", "refresh_token")
        session = self.sessions.session_of_refresh_token(token)
        if session is None:
            detail = "It is no refresh token of this server, its session has ended, or it was exchanged before."
            raise RefusedError("invalid_grant", "The refresh token is not valid.", "refresh_token", detail)
        if session.client_id != client.id:
            raise RefusedError("invalid_grant", "The refresh token is another client's.", "refresh_of_other_client")
        asked = {each for each in (parameters.get("scope") or "").split(" ") if each}
        if not asked <= set(session.granted_scopes):
            raise RefusedError("invalid_scope", "scope has one that was not granted.", "scope")
        narrowed_to(parameters, session.audiences)


def _not_for(client: Client, grant_type: str) -> RefusedError:
    if grant_type == TOKEN_EXCHANGE and client.has_secrets:
        return RefusedError("unauthorized_client", "This client has no token_exchange.", "token_exchange")
    return RefusedError(
        "unauthorized_client", f"A client of the kind {client.kind} has no such grant_type.", "client_kind"
    )


def _because(refused: RefusedError) -> Verdict:
    return Verdict(refused.reason, f"{refused.description} {refused.detail}".strip())
