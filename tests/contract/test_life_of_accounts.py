"""What a model of accounts and sessions says is live is live on every store, and nothing else; nothing is spent twice.

hypothesis makes up the lives: registrations, logins, refreshes with new and with old tokens, logouts, new passwords,
accounts that are disabled, enabled and deleted, and time that passes. The model is kept in a few plain fields.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Final, Literal

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from app.accounts.credentials import CredentialService
from app.accounts.deletion import DeletionService
from app.administration.users import UserAdministration
from app.keys.service import LEEWAY
from app.platform.errors import (
    AccountDisabled,
    ExpiredToken,
    Failure,
    InvalidCredentials,
    InvalidRefreshToken,
    NotFound,
    ReusedRefreshToken,
    SessionEnded,
)
from app.sessions.authenticator import AccessTokenAuthenticator
from app.sessions.refresh import RefreshService
from app.sessions.service import SessionService
from tests.api.service import PASSWORD, FakeClock
from tests.unit.instance import DEVICE, Instance, session_of

if TYPE_CHECKING:
    from app.accounts.principal import Principal
    from app.sessions.session_tokens import OpenedSession
    from app.wiring import Wired

PASSWORDS = (PASSWORD, "another long pass phrase", "a third one, even longer")
PAUSES = (1, 29, 30, 31, 600, 1_000, 86_400, 29 * 86_400, 31 * 86_400)
"""Seconds: around the grace time, the life of an access token, that of an idle session, and that of any."""
STEPS = 30
_NUMBERS = count(1)
_HERE: Final = DEVICE


@dataclass
class Person:
    """An account as the model has it."""

    id: str
    name: str
    password: str = PASSWORD
    status: Literal["active", "disabled", "deleted"] = "active"
    mistaken: bool = False
    """Whether a login failed: one more would be delayed while many others fail, too."""


@dataclass
class Life:
    """A session as the model has it."""

    id: str
    person: Person
    expires_at: datetime
    idle_expires_at: datetime
    refresh_tokens: list[str]
    """From the first to the current one."""
    access_tokens: dict[str, datetime] = field(default_factory=dict)
    """When each expires."""
    rotated_at: datetime | None = None
    ended: bool = False

    def is_live(self, now: datetime) -> bool:
        return not self.ended and now < min(self.expires_at, self.idle_expires_at)


class Lives(RuleBasedStateMachine):
    """Does the same to the services and to the model, and compares what both say."""

    people = Bundle("people")
    lives = Bundle("lives")
    wired: Wired

    def __init__(self) -> None:
        super().__init__()
        instance, tokens = Instance(self.wired), self.wired.settings.tokens
        self.instance = instance
        self.sessions = self.wired.get(SessionService)
        self.refreshes = self.wired.get(RefreshService)
        self.callers = self.wired.get(AccessTokenAuthenticator)
        self.idle, self.absolute = tokens.refresh_idle_seconds, tokens.refresh_absolute_seconds
        self.grace = tokens.refresh_grace_seconds
        self.clock = self.wired.parts.clock
        assert isinstance(self.clock, FakeClock)
        self.clock.now = _beginning()
        self.administrator = instance.administrator(f"boss{next(_NUMBERS)}").user.id
        self.known: list[Person] = []
        self.all: list[Life] = []

    @property
    def now(self) -> datetime:
        return self.clock()

    # What people do

    @initialize(target=people)
    def begin(self) -> MultipleResults[Person]:
        return multiple(*(self.register() for _ in range(3)))

    @initialize(target=lives, first=people, second=people, third=people)
    def begin_sessions(self, first: Person, second: Person, third: Person) -> MultipleResults[Life]:
        return multiple(*(life for person in (first, second, third) for life in self.opened(person)))

    @rule(target=people)
    def register_another(self) -> Person:
        return self.register()

    @rule(target=lives, person=people)
    def log_in(self, person: Person) -> MultipleResults[Life]:
        return multiple(*self.opened(person))

    @rule(person=people, password=st.sampled_from(PASSWORDS))
    def log_in_with_another_password(self, person: Person, password: str) -> None:
        if password != person.password and not person.mistaken:
            person.mistaken = True
            with pytest.raises(InvalidCredentials):
                self.instance.login(person.name, password)

    @rule(life=lives, age=st.integers(0, 2))
    def refresh(self, life: Life, age: int) -> None:
        """With the current token, or with that of one or two exchanges before."""
        if age >= len(life.refresh_tokens):
            return
        sent = life.refresh_tokens[-1 - age]
        if not life.is_live(self.now):
            with pytest.raises(InvalidRefreshToken):
                self.refreshes.refresh(sent, _HERE)
        elif age == 0:
            opened = self.refreshes.refresh(sent, _HERE)
            assert opened.refresh_token not in life.refresh_tokens
            life.refresh_tokens.append(str(opened.refresh_token))
            life.rotated_at = self.now
            life.idle_expires_at = min(self.now + timedelta(seconds=self.idle), life.expires_at)
            self.note(life, opened)
        elif age == 1 and life.rotated_at and self.now < life.rotated_at + timedelta(seconds=self.grace):
            opened = self.refreshes.refresh(sent, _HERE)
            assert opened.refresh_token == life.refresh_tokens[-1]
            self.note(life, opened)
        else:
            with pytest.raises(ReusedRefreshToken):
                self.refreshes.refresh(sent, _HERE)
            life.ended = True

    @rule(life=lives, scope=st.sampled_from(["this", "others", "all"]))
    def log_out(self, life: Life, scope: Literal["this", "others", "all"]) -> None:
        if principal := self.principal_of(life):
            self.sessions.log_out(principal, scope, _HERE)
            for other in self.of(life.person):
                other.ended = other.ended or scope == "all" or (other is life) == (scope == "this")

    @rule(life=lives, other=lives)
    def end_one(self, life: Life, other: Life) -> None:
        """End a session of one's own; that of somebody else is not found."""
        if principal := self.principal_of(life):
            if other.person is life.person and other.is_live(self.now):
                self.sessions.end(other.id, principal.user, _HERE)
                other.ended = True
            elif other.person is not life.person:
                with pytest.raises(NotFound):
                    self.sessions.end(other.id, principal.user, _HERE)

    @rule(life=lives, password=st.sampled_from(PASSWORDS))
    def change_password(self, life: Life, password: str) -> None:
        if principal := self.principal_of(life):
            person = life.person
            self.wired.get(CredentialService).change(principal, person.password, password, _HERE)
            person.password = password
            for other in self.of(person):
                other.ended = other.ended or other is not life

    @precondition(lambda self: sum(person.status == "deleted" for person in self.known) * 4 < len(self.known))
    @rule(life=lives)
    def delete(self, life: Life) -> None:
        if principal := self.principal_of(life):
            self.wired.get(DeletionService).delete(principal, life.person.password, _HERE)
            self.shut_out(life.person, "deleted")

    # What happens to them

    @precondition(lambda self: sum(person.status == "disabled" for person in self.known) * 3 < len(self.known))
    @rule(person=people)
    def disable(self, person: Person) -> None:
        if person.status == "deleted":
            with pytest.raises(NotFound):
                self.administration.disable(person.id, self.boss, _HERE)
        else:
            self.administration.disable(person.id, self.boss, _HERE)
            self.shut_out(person, "disabled")

    @rule(person=people)
    def enable(self, person: Person) -> None:
        if person.status != "deleted":
            self.administration.enable(person.id, self.boss, _HERE)
            person.status = "active"

    @rule(seconds=st.sampled_from(PAUSES))
    def wait(self, seconds: int) -> None:
        assert isinstance(self.clock, FakeClock)
        self.clock.advance(seconds)

    # What holds all the time

    @invariant()
    def what_is_live_is_live_and_nothing_else(self) -> None:
        for life in self.all:
            for token, expires_at in life.access_tokens.items():
                assert self.answer_to(token) == self.expected(life, expires_at)

    @invariant()
    def the_list_of_a_user_has_the_live_sessions_and_no_others(self) -> None:
        for person in self.known:
            account = self.instance.store.users.account(person.id)
            listed = [] if account is None else [session.id for session in self.sessions.list_of(account.user)]
            assert sorted(listed) == sorted(life.id for life in self.of(person) if life.is_live(self.now))

    # Helpers

    def register(self) -> Person:
        name = f"person{next(_NUMBERS)}"
        self.known.append(Person(self.instance.register(name), name))
        return self.known[-1]

    def opened(self, person: Person) -> list[Life]:
        """The session that a login opens; none if it is refused."""
        if person.status == "disabled":
            with pytest.raises(AccountDisabled):
                self.instance.login(person.name, person.password)
            return []
        if person.status == "deleted":
            if not person.mistaken:
                person.mistaken = True
                with pytest.raises(InvalidCredentials):
                    self.instance.login(person.name, person.password)
            return []
        opened = self.instance.login(person.name, person.password)
        life = Life(
            id=self.callers.authenticate(opened.access_token).session_id,
            person=person,
            expires_at=self.now + timedelta(seconds=self.absolute),
            idle_expires_at=self.now + timedelta(seconds=self.idle),
            refresh_tokens=[str(opened.refresh_token)],
        )
        self.note(life, opened)
        self.all.append(life)
        return [life]

    @property
    def administration(self) -> UserAdministration:
        return self.wired.get(UserAdministration)

    @property
    def boss(self) -> Principal:
        return session_of(self.wired, self.administrator)

    def of(self, person: Person) -> list[Life]:
        return [life for life in self.all if life.person is person]

    def shut_out(self, person: Person, status: Literal["disabled", "deleted"]) -> None:
        person.status = status
        for life in self.of(person):
            life.ended = True

    def note(self, life: Life, opened: OpenedSession) -> None:
        issued_at = datetime.fromtimestamp(int(self.now.timestamp()), UTC)
        life.access_tokens[opened.access_token] = issued_at + timedelta(seconds=opened.expires_in) + LEEWAY

    def principal_of(self, life: Life) -> Principal | None:
        """The caller of a request in this session, which is refreshed if need be; None if it is not live."""
        if not life.is_live(self.now):
            return None
        if self.now >= max(life.access_tokens.values()):
            self.refresh(life, age=0)
        newest = max(life.access_tokens, key=life.access_tokens.__getitem__)
        return self.callers.authenticate(newest)

    def answer_to(self, token: str) -> str | type[Failure]:
        try:
            return self.callers.authenticate(token).session_id
        except Failure as failure:
            return type(failure)

    def expected(self, life: Life, expires_at: datetime) -> str | type[Failure]:
        if self.now >= expires_at:
            return ExpiredToken
        return life.id if life.is_live(self.now) else SessionEnded


def _beginning() -> datetime:
    """Where a life begins: another hour each time, so that failed logins of one are no wave with those of others."""
    return _TODAY + timedelta(hours=next(_NUMBERS))


_TODAY: Final = datetime.now(UTC).replace(microsecond=0)


@pytest.mark.hypothesis
@pytest.mark.timeout(0)  # with the profile `thorough` it takes hours
def test_what_the_model_says_is_live_is_live_and_nothing_else(wired: Wired, request: pytest.FixtureRequest) -> None:
    subject = request.node.callspec.params["subject"]
    most = settings().max_examples // (1 if subject == "sqlite" else 5)
    machine = type("LivesHere", (Lives,), {"wired": wired})
    run_state_machine_as_test(
        machine,
        settings=settings(max_examples=most, stateful_step_count=STEPS, suppress_health_check=list(HealthCheck)),
    )
