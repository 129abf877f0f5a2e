"""The gate between a first factor and a session. Nothing else opens a session: `tests/house/test_gate.py` holds that.

Whoever has verified a first factor (a password, an answered invitation, later a passkey or a mailed code) makes a Proof
of it and asks `LoginGate.admit`, which asks each Reason. If one names what is missing, there is no session yet, but a
login token, and `LoginGate.resume` goes on from there, to the same reasons.

The token is opaque; the store keeps its digest. It is bound to the epoch of the account, so that a changed password or
factor ends it, but for the first factor that is added in this very login (`app.sessions.enrolling`). It lives for
LIVES, and is good for one success and TRIES codes. A try is counted before the code is compared: concurrent guesses get
no more answers than successive ones. What a wrong code costs the account is the same
as for a wrong password, and a right password clears that count only once the login is finished: or a guesser who knows
the password could clear it before each guess of a code.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final, cast

from app.accounts.authentication import Authentication, amr_of, amr_text
from app.accounts.credentials import counted_names
from app.platform import pieces
from app.platform.errors import (
    FieldError,
    InvalidCode,
    InvalidLoginToken,
    SecondFactorRequired,
    SessionEnded,
    ValidationFailed,
)
from app.platform.identifiers import digest_of_token
from app.sessions.granted import NotAdmittedError
from app.sessions.pending_logins.model import PendingLogin
from app.sessions.proof import Proof, Refusal, is_guess, method_of
from app.throttle.service import Attempt

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from app.accounts.account import Account
    from app.accounts.model import Credentials, Users
    from app.platform.clock import Clock
    from app.platform.devices import Device
    from app.platform.instrumentation import Grant
    from app.sessions.failed_logins import FailedLogins
    from app.sessions.granted import Granted
    from app.sessions.pending_logins.model import PendingLogins
    from app.sessions.proof import Evidence, LoginMethod, Next, Reason, Settling, Step
    from app.sessions.service import SessionService
    from app.sessions.session_tokens import OpenedSession
    from app.throttle.device_tokens import DeviceTokens

LIVES: Final = timedelta(seconds=600)
TRIES: Final = 5
_TOKEN_BYTES: Final = 32
_NO_TRUST: Final = "No device is trusted here: the setting FACTOR_TRUST_DAYS is 0."
_MESSAGES: Final[Mapping[Next, str]] = {
    "enrol_factor": "The login is not finished: a second factor is required here, and has to be added first."
}
"""What is said of a step, if it is not what SecondFactorRequired says."""


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
    devices: DeviceTokens
    settlings: Sequence[Settling] = ()

    def first_factor(self, credentials: Credentials, grant: Grant, method: str) -> Proof:
        """The proof of a first factor that no name came with; `method` is its name in `amr`."""
        return Proof(credentials, Authentication(self.clock(), (method,)), grant)

    def admit(self, proof: Proof, device: Device) -> OpenedSession:
        """Open a session, if nothing is missing.

        Raises SecondFactorRequired with a login token, or the failure of a reason that no factor helps against;
        TooManyRequests if such logins are refused by now; SessionEnded if the user was deleted or disabled, or their
        password or factors changed, since the first factor was verified.
        """
        for settle in self.settlings:
            proof = settle(proof, device)
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
        has_factors, proven = bool(proof.credentials.factors), proof.authentication.has_two_factors
        by_trust = proof.trust is not None and has_factors and not proven
        return self.sessions.open_session(
            proof.credentials,
            device,
            proof.grant,
            authentication=replace(proof.authentication, by_trusted_device=by_trust),
            device_id=proof.device_id,
            trust=proof.trust,
        )

    def open_for(self, proof: Proof, granted: Granted, device: Device) -> OpenedSession:
        """Open the session of a client for a user who logged in before; `proof` is what they proved then.

        No login token helps here, so what is missing raises NotAdmittedError; as a user who was deleted or disabled, or
        whose password or factors changed, since then does, and a page session that has ended.
        """
        epoch = proof.credentials.auth_epoch
        for settle in self.settlings:
            proof = settle(proof, device)
        if proof.credentials.auth_epoch != epoch:
            raise NotAdmittedError("SessionEnded")
        if (lacks := self.lacks(proof)) is not None:
            raise NotAdmittedError(lacks)
        try:
            return self.sessions.open_session(
                proof.credentials, device, proof.grant, authentication=proof.authentication, granted=granted
            )
        except SessionEnded:
            raise NotAdmittedError("SessionEnded") from None

    def lacks(self, proof: Proof) -> str | None:
        """What keeps `open_for` from opening a session: the step that is missing, or what a login is refused for; None
        if nothing does."""
        for reason in self.reasons:
            unmet = reason.unmet(proof)
            if unmet is not None:
                return unmet.noted_as if isinstance(unmet, Refusal) else unmet.next
        return None

    def resume(
        self, token: str, method: str, evidence: Evidence, device: Device, *, trust_device: bool = False
    ) -> OpenedSession:
        """Go on with a login, by one of the methods that it may be finished with. With `trust_device` its device stands
        for the second factor of the next ones.

        Raises InvalidLoginToken for a token that is unknown, used up, expired or of a former epoch; InvalidCode, which
        also counts as a failed login; TooManyRequests; what `admit` raises, if more is missing; and ValidationFailed
        for a method that there is not, or that needs something else, and for `trust_device` where no device is trusted.
        """
        if trust_device and not self.devices.trust_days:
            raise ValidationFailed(fields=(FieldError("trust_device", "not_available", _NO_TRUST),))
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
        trust = self.devices.trust_since(known.at) if trust_device else None
        proof = Proof(account.credentials, known, cast("Grant", login.opens), attempt.name, attempt.device_id, trust)
        try:
            return self.admit(proof, device)
        except SessionEnded:
            raise InvalidLoginToken from None

    def pending_of(self, token: str) -> tuple[str, Account]:
        """The identifier of the login that a token stands for, and its account, to ask for what it needs; that is no
        try. Raises InvalidLoginToken."""
        login, account = self._found(token)
        return login.id, account

    def account_of(self, token: str) -> Account:
        """The account whose first factor was proven in a login that waits for the second. Raises InvalidLoginToken."""
        _, account = self._found(token)
        if not account.factors:
            raise InvalidLoginToken
        return account

    def erase(self, user_id: str) -> Iterator[None]:
        """Delete the pending logins of a user who is deleted, a piece at each step; idempotent."""
        return pieces.in_pieces(lambda limit: self.pending.remove_some_of(user_id, limit))

    def _found(self, token: str) -> tuple[PendingLogin, Account]:
        """The login that a token stands for, and its account; raises InvalidLoginToken."""
        login = self.pending.find(digest_of_token(token), self.clock())
        if login is None:
            raise InvalidLoginToken
        account = self.users.account(login.user_id)
        if account is None or not login.holds_in(account):
            raise InvalidLoginToken
        return login, account

    def _begin(self, proof: Proof, step: Step, device: Device) -> None:
        """Store what is proven; raises SecondFactorRequired with the token that stands for it."""
        if proof.name is not None:  # as a login that opens a session, it has no answer while guessers are refused
            self.failed.throttle.check_login(self._attempt(proof, proof.name, device))
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        credentials, authentication, now = proof.credentials, proof.authentication, self.clock()
        login = PendingLogin(
            id=digest_of_token(token),
            user_id=credentials.user.id,
            auth_epoch=credentials.auth_epoch,
            amr=amr_text(authentication.amr),
            proven_at=authentication.at,
            opens=proof.grant,
            expires_at=now + LIVES,
            name=proof.name,
            device_id=proof.device_id,
            step=step.next,
        )
        self.pending.add(login)
        told = {"token": token, "expires_in": int(LIVES.total_seconds()), "next": step.next}
        raise SecondFactorRequired(_MESSAGES.get(step.next), login={**told, "methods": list(step.methods)})

    def _forget_failures(self, proof: Proof, device: Device) -> None:
        if proof.name is not None:
            self.failed.throttle.succeed_login(self._attempt(proof, proof.name, device))

    def _attempt(self, proof: Proof, name: str, device: Device) -> Attempt:
        return Attempt(name, proof.credentials.user.id, device.ip, proof.device_id)
