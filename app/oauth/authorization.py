"""Authorization requests answered: by one of our pages, or at the client with a code or an error."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from app.oauth import decision
from app.oauth.codes.model import Code
from app.oauth.decision import Consent, Enrol, Issue, Login, Refusal, StepUp
from app.oauth.refusal import RefusedError, answered_at
from app.platform.errors import SessionEnded
from app.platform.identifiers import digest_of_token
from app.sessions.proof import Proof
from app.sessions.step_up import authentication_of

if TYPE_CHECKING:
    from app.accounts.model import Users
    from app.accounts.principal import Principal
    from app.oauth.codes.model import Codes
    from app.oauth.consents.service import ConsentService
    from app.oauth.decision import Step
    from app.oauth.requests.service import Authorization, AuthorizationRequests
    from app.platform.clock import Clock
    from app.platform.devices import Device
    from app.sessions.gate import LoginGate
    from app.sessions.live import LiveSessions

_SECRET_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Authorizations:
    """Answers authorization requests. `code_seconds` is how long a code lives."""

    requests: AuthorizationRequests
    codes: Codes
    consents: ConsentService
    users: Users
    live: LiveSessions
    gate: LoginGate
    clock: Clock
    issuer: str
    code_seconds: int

    def next_step(self, authorization: Authorization, visitor: Principal | None) -> Step:
        """What this request needs next, of who is logged in at the browser."""
        return decision.next_step(
            authorization,
            visitor,
            is_covered=lambda: visitor is not None and self.consents.covers(visitor.subject, authorization),
            has_factor=lambda: visitor is not None and self._has_factor(visitor.subject),
            lacks=lambda: None if visitor is None else self._lacking(visitor),
            now=self.clock(),
        )

    def proceed(self, authorization: Authorization, visitor: Principal | None) -> str:
        """Where the browser goes next: to one of our pages, or to the client with a code or an error.

        Raises RefusedError for what a page has to say.
        """
        step = self.next_step(authorization, visitor)
        if isinstance(step, Issue) and visitor is not None:
            try:
                return self._issue(authorization, visitor)
            except SessionEnded:
                step = self.next_step(authorization, None)
        if isinstance(step, Refusal):
            return self._told(authorization, step.error)
        pages = {Login: "/login", StepUp: "/login/factor", Enrol: "/login/enrol", Consent: "/consent"}
        return f"{self.issuer}{pages[type(step)]}?{urlencode({'request': self.requests.keep(authorization)})}"

    def answer(self, authorization: Authorization, visitor: Principal, allowed: bool, device: Device) -> str:  # noqa: FBT001 - it is the user's answer
        """The user's answer on the page that asks for consent; returns where their browser goes.

        It is asked again what the request needs: the page may have been open for long. Raises RefusedError for what a
        page has to say.
        """
        step = self.next_step(authorization, visitor)
        if isinstance(step, Refusal):
            return self._told(authorization, step.error)
        if not isinstance(step, (Issue, Consent)):
            return self.requests.url_of(authorization)
        if not allowed:
            denied = RefusedError("access_denied", "The user does not consent.", "access_denied")
            return self._told(authorization, denied.behind(authorization.redirect_uri, authorization.state))
        try:
            return self._issue(authorization, visitor, device)
        except SessionEnded:
            return self.requests.url_of(authorization)

    def _issue(self, authorization: Authorization, visitor: Principal, consenting: Device | None = None) -> str:
        """The redirect URI with a code; `consenting` is the device from which the user has just consented.

        Raises SessionEnded if the user is no longer logged in, and RefusedError if the request was used.
        """
        # The account before its session: what ends sessions after this read leaves a code of a former epoch.
        account = self.users.account(visitor.subject)
        if account is None or self.live.present(visitor) is None:
            raise SessionEnded
        if consenting is not None and not authorization.client.first_party:
            self.consents.allow(visitor, authorization, consenting)
        secret, now, proven = secrets.token_urlsafe(_SECRET_BYTES), self.clock(), authentication_of(visitor)
        code = Code(
            id=digest_of_token(secret),
            user_id=visitor.subject,
            auth_epoch=account.auth_epoch,
            client_id=authorization.client.id,
            redirect_uri=authorization.redirect_uri,
            scopes=authorization.scopes,
            resources=authorization.resources,
            challenge=authorization.challenge,
            authenticated_at=proven.at,
            amr=proven.kept,
            created_at=now,
            expires_at=now + timedelta(seconds=self.code_seconds),
            first_party=authorization.client.first_party,
            redirect_uri_sent=authorization.redirect_uri_sent,
            parent_id=visitor.session_id,
            nonce=authorization.nonce,
            dpop_jkt=authorization.bound_to,
        )
        if not self.codes.add(code):
            raise SessionEnded
        # At last: if the store fails before, the user can do it again. Of several, one learns the secret of their code.
        self.requests.take(authorization)
        return answered_at(authorization.redirect_uri, {"code": secret}, authorization.state, self.issuer)

    def _told(self, authorization: Authorization, error: RefusedError) -> str:
        """Where the client is told of an error that ends this request. Raises RefusedError where a page has to."""
        location = error.location(self.issuer)
        if location is None:
            raise error
        self.requests.take(authorization)
        return location

    def _lacking(self, visitor: Principal) -> str | None:
        """What would keep the client from getting a session for the code."""
        account = self.users.account(visitor.subject)
        if account is None:  # deleted meanwhile: no code is issued, either
            return None
        return self.gate.lacks(Proof(account.credentials, authentication_of(visitor)))

    def _has_factor(self, user_id: str) -> bool:
        account = self.users.account(user_id)
        return account is not None and bool(account.factors)
