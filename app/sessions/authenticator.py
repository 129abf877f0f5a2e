"""Who presents an access token."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from app.platform.errors import ExpiredToken, Forbidden, InvalidToken, ReauthenticationRequired, SessionEnded
from app.security import dpop
from app.security.dpop import ProofRefusedError
from app.sessions.access_tokens import has_form
from app.sessions.claims import RefusedTokenError
from app.sessions.step_up import authentication_of

if TYPE_CHECKING:
    from app.accounts.principal import Principal
    from app.platform.clock import Clock
    from app.security.dpop import Proofs, SentProof
    from app.sessions.access_tokens import AccessTokens
    from app.sessions.claims import Claims
    from app.sessions.live import LiveImpersonations, LiveSessions
    from app.sessions.model import Sessions
    from app.sessions.step_up import StepUpMethods

_USE_NOTED_EVERY: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class AccessTokenAuthenticator:
    """An `app.web.caller.Authenticator` of access tokens. A login counts as recent for `fresh` seconds."""

    tokens: AccessTokens
    sessions: Sessions
    live: LiveSessions
    impersonations: LiveImpersonations
    step_up: StepUpMethods
    clock: Clock
    fresh: int
    proofs: Proofs | None = None

    def recognises(self, token: str) -> bool:
        """Whether a token has the form of an access token."""
        return has_form(token)

    def authenticate(self, token: str) -> Principal:
        """The principal of this access token, with their permissions; one round trip to the store for a session.

        Raises InvalidToken, ExpiredToken, or SessionEnded for a genuine token whose session is not live. A token that
        is bound to a key is not valid here: `authenticate_bound` takes it.
        """
        claims = self._claims_in(token)
        if claims.bound_to is not None:
            failure = InvalidToken("This token is bound to a key: send it in `Authorization: DPoP`, with a proof.")
            failure.challenge = dpop.challenge("invalid_token", failure.message)
            raise failure
        return self._live_principal(claims)

    def authenticate_bound(self, token: str, proof: SentProof) -> Principal:
        """The principal of this access token, which is bound to a key that the sender proves (RFC 9449 section 7.1).

        The proof is used up last, when all else is in order: so nobody fills the store who holds no such token. Raises
        as `authenticate`, InvalidToken for a token that is not bound, and ProofRefusedError.
        """
        claims = self._claims_in(token)
        if claims.bound_to is None or self.proofs is None:
            raise InvalidToken("This token is not bound to a key: send it in `Authorization: Bearer`.")
        proven = self.proofs.read(proof, token=token)
        if proven.key != claims.bound_to:
            raise ProofRefusedError("The proof is not by the key that this access token is bound to.")
        principal = self._live_principal(claims)
        self.proofs.use(proven)
        return replace(principal, bound_to=proven.key)

    def principal_of(self, claims: Claims) -> Principal | None:
        """The principal of a verified access token; None if its session, or its impersonation, is not live."""
        if claims.actor_id is None:
            return self.live.principal(claims.session_id, claims.subject, claims.authentication)
        return self.impersonations.principal(claims.session_id, claims.subject)

    def use_is_due(self, caller: Principal) -> bool:
        """Whether `note_use` is due: the use of a session is recorded once a minute, that of an impersonation never."""
        return caller.kind in {"session", "client"} and self.clock() - caller.last_used_at >= _USE_NOTED_EVERY

    def note_use(self, caller: Principal) -> None:
        """Record that a session was used."""
        self.sessions.touch(caller.session_id, self.clock())

    def require_fresh_login(self, caller: Principal) -> None:
        """Raises ReauthenticationRequired if the user proved who they are more than REAUTH_SECONDS ago, by what the
        access token says, or if a trusted device stood for their second factor.

        Raises Forbidden for an impersonation, in which the user has not logged in.
        """
        if caller.kind != "session":
            raise Forbidden("This needs a login of the user, not of an administrator who acts for them.")
        if not authentication_of(caller).is_within(self.fresh, self.clock()):
            raise ReauthenticationRequired(max_age=self.fresh, methods=self.step_up.of(caller.user.id))

    def _claims_in(self, token: str) -> Claims:
        try:
            return self.tokens.verify(token)
        except RefusedTokenError as refused:
            raise (ExpiredToken if refused.reason == "expired" else InvalidToken) from refused

    def _live_principal(self, claims: Claims) -> Principal:
        principal = self.principal_of(claims)
        if principal is None:
            raise SessionEnded
        return principal
