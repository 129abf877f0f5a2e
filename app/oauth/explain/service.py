"""Explains why an authorization request or a token request is refused; it spends, counts and changes nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from app.accounts.authentication import Authentication
from app.oauth.device_codes.model import DENIED, PENDING, USED
from app.oauth.discovery.service import AUTHORIZE
from app.oauth.grant_types import DEVICE_CODE, TOKEN_EXCHANGE, may_exchange
from app.oauth.granting import may_keep, may_open, may_receive
from app.oauth.parameters import is_verifier, narrowed_to, proves, resources_of, scopes_of
from app.oauth.refusal import RefusedError
from app.platform.errors import InvalidRequest
from app.platform.identifiers import digest_of_token
from app.sessions.granted import Granted
from app.sessions.proof import Proof
from app.web.parameters import parse_parameters

if TYPE_CHECKING:
    from app.oauth.clients.model import Client
    from app.oauth.codes.model import Code
    from app.oauth.device_codes.model import DeviceCode
    from app.oauth.requests.service import AuthorizationRequests
    from app.oauth.services import TokenServices
    from app.web.parameters import Parameters


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a request would be accepted now; `reason` is None if it would."""

    reason: str | None
    detail: str

    @property
    def accepted(self) -> bool:
        """Whether it would."""
        return self.reason is None


_ACCEPTED_WITH_A_PROOF: Final = "It is accepted with a proof of the client's key in the header DPoP."


@dataclass(frozen=True, slots=True)
class ExplainRequests:
    """Explains requests to those who may read clients; what it says of codes and secrets is for nobody else."""

    requests: AuthorizationRequests
    services: TokenServices
    grant_types: tuple[str, ...]

    def url(self, url: str) -> Verdict:
        """Whether the authorization endpoint would take this URL, or why not. Raises Unavailable."""
        expected, asked = f"{self.requests.issuer}{AUTHORIZE}", url.partition("?")[0]
        if not asked.endswith(urlsplit(expected).path):
            return Verdict("other_address", f"The authorization endpoint of this server is {expected}")
        verdict = self._of_query(url)
        if asked == expected:
            return verdict
        return replace(verdict, detail=f"{verdict.detail} Note that the authorization endpoint is {expected}")

    def _of_query(self, url: str) -> Verdict:
        try:
            self.requests.check(parse_parameters(urlsplit(url).query))
        except RefusedError as refused:
            return _because(refused)
        except (InvalidRequest, ValueError) as error:
            return Verdict("unreadable", str(error))
        return Verdict(None, "It is accepted: the user logs in and consents where that is needed.")

    def token_request(self, parameters: Parameters) -> Verdict:
        """Whether the token endpoint would take these parameters, or why not. Raises Unavailable."""
        try:
            client = self._check(parameters)
        except RefusedError as refused:
            return _because(refused)
        return Verdict(None, _ACCEPTED_WITH_A_PROOF if self._needs_key(parameters, client) else "It is accepted.")

    def _needs_key(self, parameters: Parameters, client: Client) -> bool:
        """Whether it has to come with a proof of a key, which is no parameter, and is not looked at here."""
        code = self.services.codes.find(digest_of_token(parameters.get("code") or ""))
        session = self.services.refreshes.session_of(parameters.get("refresh_token") or "", repeated=True)
        return (
            client.dpop_bound_access_tokens
            or (code is not None and code.dpop_jkt is not None)
            or (session is not None and session.dpop_jkt is not None)
        )

    def _check(self, parameters: Parameters) -> Client:
        """The client, whose request is in order. Raises RefusedError."""
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
        elif grant_type == DEVICE_CODE:
            self._check_device_code(parameters, client)
        elif grant_type == "refresh_token":
            self._check_refresh(parameters, client)
        elif grant_type == "client_credentials":
            catalogue = self.services.catalogue.load()
            resources = resources_of(parameters, client, catalogue, own=self.services.audience)
            scopes_of(parameters, client, catalogue, resources, default=())
        elif grant_type == TOKEN_EXCHANGE:
            self.services.exchanges.check(parameters, client)
        return client

    def _client(self, parameters: Parameters) -> Client:
        if parameters.get("client_assertion") is not None:
            if parameters.get("client_secret") is not None:
                raise RefusedError("invalid_request", "The client authenticates twice.", "client_secret")
            return self.services.assertions.check(parameters).client
        client_id = parameters.get("client_id") or ""
        # As at the endpoint nothing is fetched; who is not found there is asked for by name, which says why.
        client = self.services.registry.find(client_id) or self.services.registry.described(client_id)
        secret = parameters.get("client_secret")
        if not client.has_secrets:
            if secret is not None:
                raise RefusedError("invalid_client", "A public client has no secret, and sends none.", "client_secret")
        elif secret is None:
            raise RefusedError("invalid_client", "This client has to send its secret.", "client_secret")
        elif not client.accepts(secret, self.services.clock()):
            raise RefusedError("invalid_client", "The secret is wrong, deleted or expired.", "client_secret")
        return client

    def _check_code(self, parameters: Parameters, client: Client) -> None:
        verifier = parameters.get("code_verifier") or ""
        if not is_verifier(verifier):
            raise RefusedError("invalid_request", "code_verifier is required: 43 to 128 characters.", "code_verifier")
        code = self.services.codes.find(digest_of_token(parameters.get("code") or ""))
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
        is_live = code.parent_id is None or self.services.live.principal(code.parent_id, code.user_id) is not None
        found = {
            "code_of_other_client": (code.client_id != client.id, "The code was given to another client."),
            "code_used": (code.used_at is not None, "The code was used before."),
            "code_expired": (code.expires_at <= self.services.clock(), "The code has expired."),
            "login_ended": (not is_live, "The user has logged out since they gave the code."),
            "redirect_uri_not_registered": (
                not may_receive(client, code.redirect_uri),
                "The redirect URI that the code was sent to is not registered any more.",
            ),
        }
        faults = [(reason, detail) for reason, (holds, detail) in found.items() if holds]
        granted = Granted(code.id, client.id, code.first_party, code.scopes, code.resources)
        return faults or self._faults_of_grant(client, granted, code)

    def _faults_of_grant(self, client: Client, granted: Granted, given: Code | DeviceCode) -> list[tuple[str, str]]:
        """What is wrong by now with what the user gave a client, the first that counts before the others."""
        user_id = given.user_id or ""
        account = self.services.users.account(user_id)
        if account is None or account.auth_epoch != given.auth_epoch or given.authenticated_at is None:
            detail = "The account is gone or disabled, or its password or factors changed, since the user allowed it."
            return [("login_ended", detail)]
        proven = Authentication.from_kept(given.authenticated_at, given.amr)
        if not may_open(client, granted, proven, self.services.catalogue.load(), own=self.services.audience):
            return [("client_may_less", "An administrator has changed what the client may do, or demands of users.")]
        if (lacks := self.services.gate.lacks(Proof(account.credentials, proven))) is not None:
            return [("login_lacks", f"The user's login lacks something by now: {lacks}. They have to log in again.")]
        consents = self.services.consents
        if not granted.first_party and not consents.holds(user_id, client.id, granted.scopes, granted.resources):
            return [("no_consent", "The user has taken their consent away, or allows less by now.")]
        return []

    def _check_device_code(self, parameters: Parameters, client: Client) -> None:
        sent = parameters.get("device_code")
        if sent is None:
            raise RefusedError("invalid_request", "device_code is required.", "device_code")
        code = self.services.device_codes.find(digest_of_token(sent))
        if code is None:
            raise RefusedError("invalid_grant", "There is no such code, or it is long gone.", "unknown_code")
        if faults := self._faults_of_device_code(code, client):
            reason, described = faults[0]
            raise RefusedError("invalid_grant", described, reason)
        narrowed_to(parameters, code.resources)

    def _faults_of_device_code(self, code: DeviceCode, client: Client) -> list[tuple[str, str]]:
        """The same of a device code. Whether a poll comes too early is not asked: that is over in some seconds."""
        found = {
            "code_of_other_client": (code.client_id != client.id, "The code was given to another client."),
            "code_expired": (code.expires_at <= self.services.clock(), "The code has expired."),
            "code_used": (code.status == USED, "The code was used before."),
            "access_denied": (code.status == DENIED, "The user has refused."),
            "authorization_pending": (code.status == PENDING, "The user has not answered yet."),
        }
        faults = [(reason, detail) for reason, (holds, detail) in found.items() if holds]
        granted = Granted(code.id, client.id, client.first_party, code.scopes, code.resources)
        return faults or self._faults_of_grant(client, granted, code)

    def _check_refresh(self, parameters: Parameters, client: Client) -> None:
        token = parameters.get("refresh_token")
        if token is None:
            raise RefusedError("invalid_request", "refresh_token is required.", "refresh_token")
        session = self.services.refreshes.session_of(token, repeated=True)
        if session is None:
            detail = "It is no refresh token of this server, its session has ended, or it was exchanged long ago."
            raise RefusedError("invalid_grant", "The refresh token is not valid.", "refresh_token", detail)
        if session.client_id != client.id:
            raise RefusedError("invalid_grant", "The refresh token is another client's.", "refresh_of_other_client")
        if not may_keep(client, session, own=self.services.audience):
            detail = "An administrator has changed what the client may do: its session ends."
            raise RefusedError("invalid_grant", "The client may do less than its session.", "client_may_less", detail)
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
