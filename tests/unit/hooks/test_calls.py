"""Hooks are called within bounds, and one that fails lets nobody in."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from threading import Event as Flag
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from app.hooks import Event, Refused, Registration, Session, User
from app.hooks.calls import EVENTS_AT_ONCE, MOST_WAITING, Hooks
from app.platform.errors import RegistrationRefused, Unavailable
from tests.contract.entities import NOW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

SECONDS = 30.0
"""So much that only what hangs takes longer."""
ANN = User(id="ann", email=None, email_verified=False, username="ann", name=None, roles=("member",), created_at=NOW)
SESSION = Session(id="s", kind="session", began_at=NOW, actor_id=None)
REGISTRATION = Registration(email=None, username="ann", name=None, ip="192.0.2.1", user_agent="curl")
EVENT = Event(
    id="e", action="a", user_id="ann", actor_id=None, at=NOW, ip=None, user_agent=None, outcome="success", details={}
)


class Adds:
    """Adds these claims."""

    def __init__(self, claims: object) -> None:
        self.claims = claims

    def add_claims(self, _user: User, _session: Session) -> Any:
        return self.claims


class Does:
    """Does this for whatever it is asked."""

    def __init__(self, act: Callable[[], object]) -> None:
        self.act = act

    def add_claims(self, _user: User, _session: Session) -> Mapping[str, Any]:
        self.act()
        return {}

    def check_registration(self, _registration: Registration) -> None:
        self.act()

    def on_event(self, _event: Event) -> None:
        self.act()


class Learns:
    """Keeps what it learns; `enough` is set once it has learnt of `most` events."""

    def __init__(self, most: int) -> None:
        self.events: list[Event] = []
        self.most = most
        self.enough = Flag()

    def on_event(self, event: Event) -> None:
        self.events.append(event)
        if len(self.events) == self.most:
            self.enough.set()


@pytest.fixture
def release() -> Iterator[Flag]:
    """What a hook that hangs waits for; set at the end of the test."""
    flag = Flag()
    yield flag
    flag.set()


def fail() -> None:
    raise LookupError("a secret of the hook")


def leave() -> None:
    raise SystemExit(1)


def test_the_claims_of_all_hooks_come_together() -> None:
    claims = {"x_one": 1, "https://example.com/two": ["a", {"b": None}]}
    assert (
        Hooks([Adds({"x_one": 1}), object(), Adds({"https://example.com/two": ["a", {"b": None}]})], SECONDS).claims(
            ANN, SESSION
        )
        == claims
    )
    assert Hooks([], SECONDS).claims(ANN, SESSION) == {}


@pytest.mark.parametrize(
    "wrong",
    [
        *({name: "x"} for name in ("sub", "iss", "aud", "exp", "roles", "act", "sid", "email", "X_a", "x_", "x_a b")),
        *({name: "x"} for name in ("http://example.com/a", "https://", "", "x_" + "a" * 61, 'https://a"', 7)),
        *({"x_a": content} for content in (float("nan"), float("inf"), 2**63, b"a", object(), {1: 2}, "\ud800", {"x"})),
        {"x_a": "a" * 1100},
        {"x_a": [[[[[[[[1]]]]]]]]},
        None,
        ["x_a"],
    ],
    ids=lambda wrong: re.sub(" at 0x[0-9a-f]+", "", repr(wrong)),
)
def test_a_claim_that_could_be_taken_for_another_or_read_in_two_ways_fails_the_token(wrong: object) -> None:
    with pytest.raises(Unavailable):
        Hooks([Adds(wrong)], SECONDS).claims(ANN, SESSION)


def test_two_hooks_cannot_add_the_same_claim() -> None:
    with pytest.raises(Unavailable):
        Hooks([Adds({"x_a": 1}), Adds({"x_a": 1})], SECONDS).claims(ANN, SESSION)


@pytest.mark.parametrize("act", [fail, leave])
def test_a_hook_that_fails_lets_nobody_in(act: Callable[[], object]) -> None:
    hooks = Hooks([Does(act)], SECONDS)
    with capture_logs() as logged:
        for ask in (lambda: hooks.claims(ANN, SESSION), lambda: hooks.check_registration(REGISTRATION)):
            with pytest.raises(Unavailable) as refused:
                ask()
            assert "secret" not in refused.value.message
    assert [line["hook"].rpartition(".")[2] for line in logged] == ["add_claims", "check_registration"]


def test_a_hook_that_takes_too_long_lets_nobody_in(release: Flag) -> None:
    hooks = Hooks([Does(release.wait)], 0.01)
    with pytest.raises(Unavailable):
        hooks.claims(ANN, SESSION)
    with pytest.raises(Unavailable):
        hooks.check_registration(REGISTRATION)


def test_a_refusal_is_told_in_one_line() -> None:
    def refuse() -> None:
        raise Refused("Only for\nstaff.\x00" + "x" * 1000)

    with pytest.raises(RegistrationRefused) as refused:
        Hooks([Does(refuse)], SECONDS).check_registration(REGISTRATION)
    assert refused.value.message.startswith("Only for staff. xxx")
    assert len(refused.value.message) == 300
    with pytest.raises(Unavailable):  # it is no answer to any other question
        Hooks([Does(refuse)], SECONDS).claims(ANN, SESSION)


def test_the_first_hook_that_refuses_decides() -> None:
    asked: list[int] = []

    def refuse() -> None:
        raise Refused

    with pytest.raises(RegistrationRefused):
        Hooks([Does(lambda: asked.append(1)), Does(refuse), Does(lambda: asked.append(2))], SECONDS).check_registration(
            REGISTRATION
        )
    assert asked == [1]


def test_events_are_told_in_their_order_whatever_another_hook_does() -> None:
    learns = Learns(3)
    hooks = Hooks([Does(fail), Does(leave), learns], SECONDS)
    events = [replace(EVENT, id=str(number)) for number in range(3)]
    for event in events:
        hooks.tell(event)
    assert learns.enough.wait(SECONDS)
    assert learns.events == events


def test_events_are_told_to_the_others_while_one_hook_hangs(release: Flag) -> None:
    learns = Learns(EVENTS_AT_ONCE + 2)
    hooks = Hooks([Does(release.wait), learns], 0.01)
    # On a busy machine it may be late itself, and miss some.
    for _ in range(1000):
        hooks.tell(EVENT)
        if learns.enough.wait(0.01):
            return
    pytest.fail("the other hook learnt nothing")


def test_a_hook_that_hangs_delays_no_request_and_loses_only_what_is_beyond_the_bound(release: Flag) -> None:
    hooks = Hooks([Does(release.wait)], 60)  # it hangs for as long as this test takes, however busy the machine is
    with capture_logs() as logged:
        for _ in range(MOST_WAITING + 2):
            hooks.tell(EVENT)
    # One may be with the hook by now, and the others wait.
    assert len(logged) in {1, 2}
    assert {line["event"] for line in logged} == {"event not told"}
    release.set()


def test_what_waits_is_told_before_the_process_ends() -> None:
    learns = Learns(3)
    hooks = Hooks([learns], SECONDS)
    for _ in range(3):
        hooks.tell(EVENT)
    hooks.close()
    assert len(learns.events) == 3


AT_THE_END = f"""
from tests.unit.hooks.test_calls import EVENT, Does, Hooks

Hooks([Does(lambda: print("learnt", flush=True))], {SECONDS}).tell(EVENT)
"""


def test_a_command_that_ends_right_away_tells_what_it_did() -> None:
    done = subprocess.run(
        [sys.executable, "-c", AT_THE_END], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3]
    )
    assert done.stdout == "learnt\n"


def test_without_a_hook_for_events_there_is_no_thread() -> None:
    hooks = Hooks([Adds({})], SECONDS)
    hooks.tell(EVENT)
    assert hooks._teller is None  # noqa: SLF001 - a thread cannot be seen from outside
    hooks.close()
