"""The gate between a first factor and a session. Nothing else opens a session: `tests/house/test_gate.py` holds that.

Whoever has verified a first factor (a password, an answered invitation, later a passkey or a mailed code) makes a Proof
of it and asks `LoginGate.admit`, which asks each Reason. If one names what is missing, there is no session yet, but a
login token, and `LoginGate.resume` goes on from there, to the same reasons.

The token is opaque; the store keeps its digest. It is bound to the epoch of the account, so that a changed password or
factor ends it, lives for LIVES, and is good for one success and TRIES codes. A try is counted before the code is
compared: concurrent guesses get no more answers than successive ones. What a wrong code costs the account is the same
as for a wrong password, and a right password clears that count only once the login is finished: or a guesser who knows
the password could clear it before each guess of a code.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final, cast

from app.accounts.authentication import Authentication, amr_of, amr_text
from app.accounts.credentials import counted_names
from app.platform import pieces
from app.platform.errors import (
    InvalidCode,
    InvalidLoginToken,
    SecondFactorRequired,
    SessionEnded,
)
from app.sessions.pending_logins.model import PendingLogin
from app.sessions.proof import Proof, Refusal, is_guess, method_of
from app.throttle.service import Attempt

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from app.accounts.account import Account
    from app.accounts.model import Credentials, Users
    from app.platform.clock import Clock
    from app.platform.devices import Device
    from app.platform.instrumentation import Grant
    from app.sessions.failed_logins import FailedLogins
    from app.sessions.pending_logins.model import PendingLogins
    from app.sessions.proof import Evidence, LoginMethod, Reason, Step
    from app.sessions.service import OpenedSession, SessionService

LIVES: Final = timedelta(seconds=600)
TRIES: Final = 5
_TOKEN_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class LoginGate:
    """Lets a login pass to its session, or says what is missing. `methods` are those of second factors, by name."""

    sessions: SessionService
    pending: PendingLogins
    users: Users
    failed: FailedLogins
    clock: Clock
    reasons: Sequence[Reason]
    methods: Sequence[LoginMethod]

    def first_factor(self, credentials: Credentials, grant: Grant, method: str) -> Proof:
        """The proof of a first factor that no name came with; `method` is its name in `amr`."""
        return Proof(credentials, Authentication(self.clock(), (method,)), grant)

    def admit(self, proof: Proof, device: Device) -> OpenedSession:
        """Open a session, if nothing is missing.

        Raises SecondFactorRequired with a login token, or the failure of a reason that no factor helps against;
        TooManyRequests if such logins are refused by now; SessionEnded if the user was deleted or disabled, or their
        password or factors changed, since the first factor was verified.
        """
        for reason in self.reasons:
            unmet = reason.unmet(proof)
            if isinstance(unmet, Refusal):
                self._forget_failures(proof, device)
                if proof.name is not None:
                    self.failed.note(proof.credentials.user.id, unmet.noted_as, device)
                raise unmet.failure
            if unmet is not None:
                self._begin(proof, unmet, device)
        self._forget_failures(proof, device)
        return self.sessions.open_session(
            proof.credentials, device, proof.grant, authentication=proof.authentication, device_id=proof.device_id
        )

    def resume(self, token: str, method: str, evidence: Evidence, device: Device) -> OpenedSession:
        """Go on with a login, by one of the methods that it may be finished with.

        Raises InvalidLoginToken for a token that is unknown, used up, expired or of a former epoch; InvalidCode, which
        also counts as a failed login; TooManyRequests; what `admit` raises, if more is missing; and ValidationFailed
        for a method that there is not, or that needs something else.
        """
        prover = method_of(self.methods, method, evidence)
        login, account = self._found(token)
        user = account.user
        name = login.name or next(iter(counted_names(user)), "")
        attempt = self.failed.throttle.admit_login(name, user.id, device.ip, login.device_id)
        if not self.pending.count_try(login.id, TRIES):
            raise InvalidLoginToken
        try:
            proven = prover.prove(account, replace(evidence, bound_to=login.id), device)
        except InvalidCode as failure:
            self.failed.note(user.id, method, device)
            if is_guess(failure):
                self.failed.count(attempt, user.id)
            raise
        except SessionEnded:
            raise InvalidLoginToken from None
        if not self.pending.take(login.id):
            raise InvalidLoginToken
        known = Authentication(login.proven_at, amr_of(login.amr)).with_factor(proven, self.clock())
        proof = Proof(account.credentials, known, cast("Grant", login.opens), login.name, attempt.device_id)
        try:
            return self.admit(proof, device)
        except SessionEnded:
            raise InvalidLoginToken from None

    def pending_of(self, token: str) -> tuple[str, Account]:
        """The identifier of the login that a token stands for, and its account, to ask for what it needs; that is no
        try. Raises InvalidLoginToken."""
        login, account = self._found(token)
        return login.id, account

    def erase(self, user_id: str) -> Iterator[None]:
        """Delete the pending logins of a user who is deleted, a piece at each step; idempotent."""
        while self.pending.remove_some_of(user_id, pieces.AT_ONCE) == pieces.AT_ONCE:
            yield
        yield

    def _found(self, token: str) -> tuple[PendingLogin, Account]:
        """The login that a token stands for, and its account; raises InvalidLoginToken."""
        login = self.pending.find(_digest(token), self.clock())
        if login is None:
            raise InvalidLoginToken
        account = self.users.account(login.user_id)
        if account is None or account.user.status != "active" or account.auth_epoch != login.auth_epoch:
            raise InvalidLoginToken
        return login, account

    def _begin(self, proof: Proof, step: Step, device: Device) -> None:
        """Store what is proven; raises SecondFactorRequired with the token that stands for it."""
        if proof.name is not None:  # as a login that opens a session, it has no answer while guessers are refused
            self.failed.throttle.check_login(self._attempt(proof, proof.name, device))
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        credentials, authentication, now = proof.credentials, proof.authentication, self.clock()
        login = PendingLogin(
            id=_digest(token),
            user_id=credentials.user.id,
            auth_epoch=credentials.auth_epoch,
            amr=amr_text(authentication.amr),
            proven_at=authentication.at,
            opens=proof.grant,
            expires_at=now + LIVES,
            name=proof.name,
            device_id=proof.device_id,
        )
        self.pending.add(login)
        told = {"token": token, "expires_in": int(LIVES.total_seconds()), "next": step.next}
        raise SecondFactorRequired(login={**told, "methods": list(step.methods)})

    def _forget_failures(self, proof: Proof, device: Device) -> None:
        if proof.name is not None:
            self.failed.throttle.succeed_login(self._attempt(proof, proof.name, device))

    def _attempt(self, proof: Proof, name: str, device: Device) -> Attempt:
        return Attempt(name, proof.credentials.user.id, device.ip, proof.device_id)


def _digest(token: str) -> str:
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
