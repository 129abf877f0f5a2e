"""Somebody who uses the service without a pause, and a ledger of what they were told."""

import http.client
import itertools
import json
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from threading import Event, Thread
from time import monotonic
from typing import Any

from tests.e2e.clients import Connection, Request, bearer
from tests.faults.ledger import LOST, Account, Answer, Mailed, Session
from tests.faults.letters import Letters

# 3 s are promised; the rest is for a machine that is busy with other tests, and less than any default of a driver or
# of gunicorn.
ANSWER_SECONDS = 3.0 + 9.0
"""How soon every request is answered, whatever is broken."""
_MOST_SESSIONS = 4
_MOST_RESETS = 5
_PAUSE_SECONDS = 0.05
"""How long a client waits before it asks again where nobody listens."""


@dataclass
class Seen:
    """What the people of one test saw."""

    statuses: Counter[int] = field(default_factory=Counter)
    """How often each status came; LOST for a request that got no whole reply."""
    slowest: float = 0.0
    """The seconds of the slowest answer."""
    back: float = 0.0
    """The seconds until all had a write acknowledged again, since the fault was over."""
    refused: int = 0
    """How many requests were not served while the fault lasted: 503, or lost."""
    registered: int = 0
    """How many registrations were acknowledged."""
    broken: list[str] = field(default_factory=list)
    """The promises that were broken."""

    def summary(self) -> dict[str, float]:
        """What is worth to be told of it."""
        return {
            "answers": self.statuses.total(),
            "refused": self.refused,
            "registered": self.registered,
            "slowest": round(self.slowest, 1),
            "back": round(self.back, 1),
        }


class Person(Thread):
    """Registers accounts and uses them, one request after the other, and notes what came back."""

    def __init__(
        self, port: int, name: str, letters: Letters | None, *, only_registers: bool, may_lose: bool, clock_jumps: bool
    ) -> None:
        super().__init__(daemon=True)
        self.accounts: list[Account] = []
        self.seen = Seen()
        self.ending = Event()
        self.answered = 0
        self.served_since = 0.0
        """When the last write was sent that was acknowledged."""
        self.served = 0
        self.last = ""
        """The last answer, in words."""
        self.name = name
        self._port, self._letters = port, letters
        self._only_registers, self._may_lose, self._clock_jumps = only_registers, may_lose, clock_jumps
        self._random = Random(name)  # noqa: S311 - which request comes next is no secret
        self._connection = Connection(port, ANSWER_SECONDS)
        self._beside = ThreadPoolExecutor(1)
        """For a second request at the same time."""
        self._numbers = itertools.count(1)

    def run(self) -> None:
        acts: list[Callable[[Account], None]] = [
            self._log_in, self._use, self._use, self._refresh, self._refresh, self._log_out, self._change_password,
            self._reset_password,
        ]  # fmt: skip
        try:
            while not self.ending.is_set():
                self._act(acts)
        except Exception as error:
            self.seen.broken.append(f"{self.name} failed: {error!r}")
            raise
        finally:
            self._connection.close()

    def _act(self, acts: Sequence[Callable[[Account], None]]) -> None:
        account = self._account()
        self._read_mail()
        if not account.exists:
            self._register(account)
        elif not account.present:
            self._log_in(account)
        elif len(account.present) >= _MOST_SESSIONS:
            self._log_out(account)
        else:
            self._random.choice(acts)(account)

    def _account(self) -> Account:
        """The account to go on with: now and then a new one."""
        if self.accounts:
            last = self.accounts[-1]
            if not last.exists or not (self._only_registers or self._random.random() < 0.1):
                return last
        name = f"{self.name}-{next(self._numbers)}"
        self.accounts.append(Account(name, self._new_password(), clock_jumps=self._clock_jumps))
        return self.accounts[-1]

    def check(self) -> None:
        """Compare the state of the service with the ledger, now that nothing is broken any more."""
        for account in self.accounts:
            if account.exists or account.may_exist:
                self._check(account)
        self._connection.close()
        self._beside.shutdown()

    def ask(self, method: str, path: str, token: str = "", /, **content: Any) -> Answer:
        """Send a request, and note what is wrong with the answer whoever asks."""
        return self._noted(_ask(self._connection, method, path, token, content), path)

    def _noted(self, answer: Answer, path: str) -> Answer:
        seen = self.seen
        seen.statuses[answer.status] += 1
        seen.slowest = max(seen.slowest, answer.seconds)
        self.answered += 1
        self.last = f"{path}: {answer.status} {answer.code} after {answer.seconds:.1f} s"
        if answer.seconds >= ANSWER_SECONDS:
            seen.broken.append(f"{path}: no answer within the deadline")
        elif answer.status == LOST:
            if not self._may_lose:
                seen.broken.append(f"{path}: no whole reply ({answer.code})")
            self.ending.wait(_PAUSE_SECONDS)
        elif answer.open and answer.code not in {"unavailable", "overloaded"}:
            seen.broken.append(f"{path}: {answer.status} {answer.code}")
        return answer

    def _write(self, *request: Any, **content: Any) -> Answer:
        began = monotonic()
        answer = self.ask(*request, **content)
        if answer.done:
            self.served_since = began
            self.served += 1
        return answer

    def _register(self, account: Account) -> None:
        names = {"username": account.name}
        if self._letters is not None and not self._only_registers:
            names["email"] = _address(account)
        answer = self._write("POST", "/auth/register", **names, password=account.password)
        account.registration(answer)
        self.seen.registered += answer.done

    def _log_in(self, account: Account) -> None:
        password = self._random.choice(account.passwords)
        account.login(self._write("POST", "/auth/login", username=account.name, password=password), password)

    def _use(self, account: Account) -> None:
        session = self._random.choice(account.sessions)
        answer = self.ask("GET", "/auth/me", session.access)
        account.use(answer, session)
        if session.state != "ended" and account.needs_refresh(answer):
            self._refresh(account, session)

    def _refresh(self, account: Account, session: Session | None = None) -> None:
        session = session or self._random.choice(account.present)
        content = {"refresh_token": session.refresh}
        beside = None
        if self._random.random() < 0.3:
            beside = self._beside.submit(_ask_once, self._port, "POST", "/auth/refresh", content)
        answers = [self._write("POST", "/auth/refresh", **content)]
        if beside is not None:
            answers.append(self._noted(beside.result(), "/auth/refresh"))
        account.refresh(answers, session)

    def _log_out(self, account: Account) -> None:
        session = self._random.choice(account.present)
        account.logout(self._write("POST", "/auth/logout", session.access, scope="this"), session)

    def _change_password(self, account: Account) -> None:
        if account.waits_for_mail:
            return  # it would make the mailed token worthless
        session, new = self._random.choice(account.present), self._new_password()
        old = self._random.choice(account.passwords)
        answer = self._write("POST", "/auth/password", session.access, current_password=old, new_password=new)
        account.password_change(answer, session, new)

    def _reset_password(self, account: Account) -> None:
        """Ask for a token by mail, or redeem one whose redemption was left open."""
        if self._letters is None or account.waits_for_mail or len(account.mailed) > _MOST_RESETS:
            return
        if account.mailed and not account.mailed[-1].over:
            self._redeem(account, account.mailed[-1])
        else:
            account.asked_for_mail(self.ask("POST", "/auth/password/forgot", email=_address(account)))

    def _read_mail(self) -> None:
        """Redeem what has come meanwhile, also for accounts that were left."""
        for account in self.accounts:
            if account.waits_for_mail and self._has_mail(account):
                self._redeem(account, account.mailed[-1])

    def _has_mail(self, account: Account) -> bool:
        tokens = self._letters.tokens(_address(account)) if self._letters else []
        if len(tokens) > len(account.mailed):
            account.arrived(tokens[len(account.mailed)])
            return True
        return False

    def _redeem(self, account: Account, mailed: Mailed) -> None:
        one, other = ({"token": mailed.token, "new_password": self._new_password()} for _ in range(2))
        beside = self._beside.submit(_ask_once, self._port, "POST", "/auth/password/reset", other)
        first = self._write("POST", "/auth/password/reset", **one)
        second = self._noted(beside.result(), "/auth/password/reset")
        account.reset([(first, one["new_password"]), (second, other["new_password"])], mailed)

    def _check(self, account: Account) -> None:
        # A mail that was under way in a fault may take two minutes more: tests/e2e/test_mail.py waits for one.
        if account.waits_for_mail and self._has_mail(account):
            self._redeem(account, account.mailed[-1])
        for session in account.sessions:
            answer = self.ask("GET", "/auth/me", session.access)
            account.use(answer, session)
            if session.state == "ended":
                account.use(self.ask("POST", "/auth/refresh", refresh_token=session.refresh), session)
            else:
                account.refresh([self.ask("POST", "/auth/refresh", refresh_token=session.refresh)], session)
        for password in account.former[-2:]:
            account.login(self.ask("POST", "/auth/login", username=account.name, password=password), password)
        if not account.exists:
            return
        for password in account.passwords:
            answer = self.ask("POST", "/auth/login", username=account.name, password=password)
            account.login(answer, password)
            if answer.done:
                break
        else:
            account.broken.append(f"{account.name}: none of its passwords is accepted")
            return
        if self._only_registers:
            return
        found: Counter[str] = Counter()
        cursor: str | None = ""
        while cursor is not None:
            query = f"?limit=200{cursor and '&cursor=' + cursor}"
            page = self.ask("GET", f"/auth/events{query}", account.sessions[-1].access)
            found.update(event["action"] for event in page.data["events"])
            cursor = page.data["next"]
        account.events(found)

    def _new_password(self) -> str:
        return f"a long passphrase, number {next(self._numbers)}"


def _ask(connection: Connection, method: str, path: str, token: str, content: dict[str, Any]) -> Answer:
    began = monotonic()
    request = Request(path, bearer(token) if token else {}, content or None, method)
    try:
        connection.connect()
        response, body = connection.send(request)
        return Answer(response.status, _json(body), monotonic() - began)
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        return Answer(LOST, {"code": repr(error)}, monotonic() - began)


def _ask_once(port: int, method: str, path: str, content: dict[str, Any]) -> Answer:
    connection = Connection(port, ANSWER_SECONDS)
    try:
        return _ask(connection, method, path, "", content)
    finally:
        connection.close()


def _json(body: bytes) -> dict[str, Any]:
    with suppress(ValueError):
        document = json.loads(body)
        if isinstance(document, dict):
            return document
    return {}


def _address(account: Account) -> str:
    return f"{account.name}@example.com"
