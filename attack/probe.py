"""What the checks ask through: one target, one budget, and the accounts of this run."""

from __future__ import annotations

import json as json_
import re
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from attack import wire
from attack.accounts import Account, invented
from attack.budget import SpentError
from attack.check import InconclusiveError, NotApplicableError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from attack.budget import Budget
    from attack.client import Client
    from attack.target import Target
    from attack.wire import Answer, Conversation

TOO_MANY, CREATED, ACCEPTED, UNAUTHORIZED, SERVER_ERROR = 429, 201, 202, 401, 500
_AWAY = {502, 503, 504}
"""What a proxy or an overloaded service answers: it says nothing about the request."""
LONGEST_WAIT = 90.0
"""Seconds: what asks for a longer wait gets none."""
_MOST_WAITS = 4
_CLOSING = 5
"""How many times longer than usual a connection may be silent that was asked to be closed."""
_CLEANUP_SECONDS = 300.0


class RateLimitedError(InconclusiveError):
    """The deployment refuses so many requests; nothing was learned."""

    def __init__(self) -> None:
        super().__init__(
            "rate limited (429): try this check alone later with --only, or examine a copy with RATE_LIMITS=off"
        )


@dataclass
class Probe:
    """The deployment as the checks see it. Redirects are not followed, so no other host is ever asked."""

    target: Target
    budget: Budget
    agent: str
    mail_domain: str = "example.com"
    given: Account | None = None
    """An account of the operator's, for deployments whose registration gives no session."""
    guarded: Target | None = None
    """A place behind forward authentication; its path is in `guarded_path`."""
    guarded_path: str = ""
    client: Client | None = None
    """A client of the operator's, for the checks of OAuth that need one."""
    http_port: int = 80
    """Where a deployment with https also answers http."""
    idle: float = 2.0
    """Seconds of silence after which a connection counts as kept open."""
    made: list[Account] = field(default_factory=list)
    _known: dict[str, Account] = field(default_factory=dict)

    def send(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        body: bytes | None = None,
        headers: Iterable[tuple[str, str]] = (),
        token: str = "",
        waiting: bool = True,
        target: Target | None = None,
    ) -> Answer:
        """One request and its reply. With `waiting`, a 429 is waited out as Retry-After says.

        Raises UnreachableError, SpentError, RateLimitedError, or InconclusiveError if the service is not there.
        """
        target = target or self.target
        lines = dict(self._usual(target))
        if json is not None:
            body = json_.dumps(json).encode()
        if body is not None:
            lines["Content-Type"] = "application/json"
        if token:
            lines["Authorization"] = f"Bearer {token}"
        lines.update(headers)
        sent = wire.written(method, f"{target.prefix}{path}", list(lines.items()), body)
        for _ in range(_MOST_WAITS):
            self.budget.take()
            answer = wire.one(target, sent, method)
            if answer.status in _AWAY:
                raise InconclusiveError(f"the deployment could not answer: {answer}")
            if answer.status != TOO_MANY or not waiting:
                return answer
            self._wait(answer)
        raise RateLimitedError

    def talk(self, sent: bytes, *, closing: bool = False) -> Conversation:
        """Bytes as they are, and all replies; `closing` says that they ask the server to close the connection.

        Raises UnreachableError or SpentError.
        """
        self.budget.take()
        return wire.talk(self.target, sent, idle=self.idle * (_CLOSING if closing else 1))

    def _usual(self, target: Target) -> list[tuple[str, str]]:
        return [
            ("Host", target.authority),
            ("User-Agent", self.agent),
            ("Accept", "application/json"),
            ("Connection", "close"),
        ]

    def _wait(self, answer: Answer) -> None:
        after = answer.headers.get("Retry-After", "")
        seconds = float(after) if re.fullmatch(r"\d{1,6}", after) else LONGEST_WAIT + 1
        if seconds > LONGEST_WAIT:
            raise RateLimitedError
        self.budget.pause(seconds)

    def account(self, purpose: str = "") -> Account:
        """An account with a session; the same one for the same purpose. Raises NotApplicableError if there is none."""
        found = self._known.get(purpose)
        if found is None:
            found = self._known[purpose] = self.signed_up()
        if not found.token:
            raise NotApplicableError("registration gives no session here: give an account with --account")
        return found

    def lent(self, purpose: str = "") -> Account:
        """An account with a session that nothing is done to: the operator's, if there is one, or else an own one."""
        if self.given is not None:
            return self.given
        return self.account(purpose)

    def existing(self) -> Account:
        """An account with an address, in a session or not: an own one, or else the operator's.

        Raises NotApplicableError if there is none.
        """
        found = self._known.get("existing")
        if found is None:
            found = self._known["existing"] = self.signed_up()
        if found.exists and found.email:
            return found
        if self.given is not None and self.given.email:
            return self.given
        raise NotApplicableError("no account with an address can be made here: give one with --account ADDRESS")

    def signed_up(self) -> Account:
        """Register an account, with an address if that is possible. Raises NotApplicableError if it is refused."""
        account = invented(self.mail_domain)
        answer = self.register(account)
        if answer.status not in {CREATED, ACCEPTED}:
            account = replace(account, email="")
            answer = self.register(account)
        if answer.status not in {CREATED, ACCEPTED}:
            raise NotApplicableError(f"no account can be registered here ({answer}): give one with --account")
        return account

    def register(self, account: Account, **more: object) -> Answer:
        """Ask for an account; if it is made, it is deleted at the end."""
        answer = self.send("POST", "/auth/register", json={**account.names, "password": account.password, **more})
        if answer.status in {CREATED, ACCEPTED}:
            account.exists = answer.status == CREATED
            account.signed_in(answer.data)
            self.made.append(account)
        return answer

    def log_in(self, account: Account, *, headers: Iterable[tuple[str, str]] = ()) -> Answer:
        """Log in with the right password; the account then has the new tokens."""
        body = {**account.login, "password": account.password}
        answer = self.send("POST", "/auth/login", json=body, headers=headers)
        if answer.succeeded:
            account.signed_in(answer.data)
        return answer

    def genuine(self, account: Account) -> str:
        """Its access token, which the deployment accepts: else the refusal of a forged one would say nothing.

        Raises InconclusiveError if it does not.
        """
        answer = self.send("GET", "/auth/me", token=account.token)
        if answer.status == UNAUTHORIZED and self.log_in(account).succeeded:
            answer = self.send("GET", "/auth/me", token=account.token)
        if not answer.succeeded:
            raise InconclusiveError(f"a genuine token is not accepted either: {answer}")
        return account.token

    def clean_up(self) -> list[str]:
        """End the operator's session, delete the accounts of this run; returns those that could not be deleted.

        A registration that was never answered expires by itself.
        """
        self.budget.extend(4 * len(self.made) + 1, _CLEANUP_SECONDS)
        if self.given is not None and self.given.token:
            with suppress(wire.UnreachableError, InconclusiveError, SpentError):
                self.send("POST", "/auth/logout", json={}, token=self.given.token)
        left = [account for account in self.made if account.exists and not self._deleted(account)]
        self.made = []
        return [account.email or account.username for account in left]

    def _deleted(self, account: Account) -> bool:
        try:
            if not account.token or self._delete(account).status == UNAUTHORIZED:
                # Its session was ended, or there never was one.
                self.log_in(account)
                return bool(account.token) and self._delete(account).succeeded
            return self.send("GET", "/auth/me", token=account.token).status == UNAUTHORIZED
        except (wire.UnreachableError, InconclusiveError, SpentError):
            return False

    def _delete(self, account: Account) -> Answer:
        return self.send("DELETE", "/auth/me", json={"password": account.password}, token=account.token)
