"""A session is opened for verified credentials, and is live while user and time let it."""

from __future__ import annotations

import json
import sqlite3
from base64 import urlsafe_b64decode
from contextlib import closing
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

import pytest

from app.accounts.credentials import CredentialService
from app.accounts.deletion import DeletionService
from app.accounts.profile import Changes, ProfileService
from app.platform.devices import LONGEST_USER_AGENT, Device
from app.platform.errors import ExpiredToken, InvalidToken, SessionEnded, Unavailable
from app.recovery.email_change import EmailChangeService
from app.samples.products.service import NewProduct, SampleProductService
from app.sessions.authenticator import AccessTokenAuthenticator
from app.sessions.gate import LoginGate
from app.sessions.refresh import RefreshService
from app.sessions.service import SessionService
from tests.api.service import PASSWORD
from tests.unit.instance import DEVICE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.accounts.principal import Principal
    from app.sessions.session_tokens import OpenedSession
    from tests.api.service import FakeClock
    from tests.unit.instance import Instance

DAY = 24 * 60 * 60


@pytest.fixture
def opened(instance: Instance) -> OpenedSession:
    instance.register("ann")
    return instance.login("ann")


def test_a_session_says_how_long_its_tokens_live(start: Callable[..., Instance]) -> None:
    settings = {"ACCESS_TOKEN_SECONDS": "60", "REFRESH_IDLE_SECONDS": "120", "REFRESH_ABSOLUTE_SECONDS": "180"}

    opened = start(**settings).login_of("ann")

    assert opened.expires_in in range(57, 61)  # up to 5 % less
    assert opened.refresh_expires_in == 120


def test_no_access_token_outlives_its_session(start: Callable[..., Instance], clock: FakeClock) -> None:
    instance = start(ACCESS_TOKEN_SECONDS="600", REFRESH_IDLE_SECONDS="120", REFRESH_ABSOLUTE_SECONDS="150")
    opened, callers = instance.login_of("ann"), instance.get(AccessTokenAuthenticator)
    assert (opened.expires_in, exp_of(opened) - int(clock.now.timestamp())) == (120, 120)

    clock.advance(100)
    renewed = instance.get(RefreshService).refresh(opened.refresh_token or "", DEVICE)
    assert (renewed.expires_in, exp_of(renewed) - int(clock.now.timestamp())) == (50, 50)

    clock.advance(49.999)
    callers.authenticate(renewed.access_token)
    clock.advance(0.001)
    with pytest.raises(SessionEnded):
        callers.authenticate(renewed.access_token)


def exp_of(opened: OpenedSession) -> float:
    """When an access token expires, in seconds since the epoch."""
    payload = opened.access_token.split(".")[1]
    return float(json.loads(urlsafe_b64decode(payload + "=="))["exp"])


def test_an_access_token_that_is_used_all_the_time_ends_with_the_idle_life_of_its_session(
    start: Callable[..., Instance], clock: FakeClock
) -> None:
    instance = start(REFRESH_IDLE_SECONDS="60")
    opened, callers = instance.login_of("ann"), instance.get(AccessTokenAuthenticator)
    for _ in range(3):
        clock.advance(19)
        callers.note_use(callers.authenticate(opened.access_token))
    clock.advance(3)

    with pytest.raises(SessionEnded):
        callers.authenticate(opened.access_token)


CHANGES: dict[str, Callable[[Instance, Principal], object]] = {
    "names": lambda instance, ann: instance.get(ProfileService).change(
        ann, Changes("anna", "Anna", renames=True), DEVICE
    ),
    "password": lambda instance, ann: instance.get(CredentialService).change(
        ann, PASSWORD, "another " + PASSWORD, DEVICE
    ),
    "address": lambda instance, ann: instance.get(EmailChangeService).request(ann, "a@example.net", PASSWORD, DEVICE),
    "deletion": lambda instance, ann: instance.get(DeletionService).delete(ann, PASSWORD, DEVICE),
    "others": lambda instance, ann: instance.get(SessionService).log_out(ann, "others", DEVICE),
    "all": lambda instance, ann: instance.get(SessionService).log_out(ann, "all", DEVICE),
    "export": lambda instance, ann: instance.get(ProfileService).export(ann, DEVICE),
    "product": lambda instance, ann: instance.get(SampleProductService).create(ann, NewProduct("Lamp", Decimal(1))),
}


@pytest.mark.parametrize("end", ["this", "all"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_session_that_ended_after_it_was_admitted_changes_nothing(
    change: str, end: Literal["this", "all"], instance: Instance, opened: OpenedSession, database: Path
) -> None:
    principal = instance.get(AccessTokenAuthenticator).authenticate(opened.access_token)
    instance.get(SessionService).log_out(principal, end, DEVICE)
    before = kept_in(database)

    with pytest.raises(SessionEnded):
        CHANGES[change](instance, principal)

    assert kept_in(database) == before


def kept_in(database: Path) -> list[Any]:
    """All that is stored about users and what is theirs."""
    everything = ("SELECT * FROM users", "SELECT * FROM sample_products")
    with closing(sqlite3.connect(database)) as connection:
        return [connection.execute(every).fetchall() for every in everything]


def test_an_access_token_leads_to_its_user_and_session(
    instance: Instance, opened: OpenedSession, clock: FakeClock
) -> None:
    principal = instance.get(AccessTokenAuthenticator).authenticate(opened.access_token)

    assert principal.user == opened.user
    assert principal.user.last_login_at == clock.now


def test_neither_token_is_shown_in_the_log_of_a_session(opened: OpenedSession) -> None:
    assert opened.access_token not in repr(opened)
    assert str(opened.refresh_token) not in repr(opened)


def test_no_token_is_stored(instance: Instance, opened: OpenedSession, database: Path) -> None:
    instance.wired.store.close()
    kept = database.read_bytes()

    for token in (opened.access_token, str(opened.refresh_token), opened.access_token.rpartition(".")[2]):
        assert token.encode() not in kept


def test_an_expired_token_is_distinguished_from_a_foreign_one(
    instance: Instance, opened: OpenedSession, clock: FakeClock
) -> None:
    authenticate = instance.get(AccessTokenAuthenticator).authenticate
    for foreign in ("", "a.b.c", opened.access_token + "=", str(opened.refresh_token)):
        with pytest.raises(InvalidToken):
            authenticate(foreign)
    clock.advance(900 + 31)
    with pytest.raises(ExpiredToken):
        authenticate(opened.access_token)
    clock.advance(-2 * 3600)
    with pytest.raises(InvalidToken):
        authenticate(opened.access_token)


@pytest.mark.parametrize("change", [{"status": "disabled"}, {"auth_epoch": 1}])
def test_a_session_ends_with_its_user_s_status_or_epoch(
    change: dict[str, str | int], instance: Instance, opened: OpenedSession, change_user: Callable[..., None]
) -> None:
    change_user(opened.user.id, **change)

    with pytest.raises(SessionEnded):
        instance.get(AccessTokenAuthenticator).authenticate(opened.access_token)


def test_a_session_ends_after_its_absolute_life(start: Callable[..., Instance], clock: FakeClock) -> None:
    instance = start(REFRESH_IDLE_SECONDS="60", REFRESH_ABSOLUTE_SECONDS="60")
    opened = instance.login_of("ann")

    clock.advance(59.999)
    instance.get(AccessTokenAuthenticator).authenticate(opened.access_token)
    clock.advance(0.001)

    with pytest.raises(SessionEnded):
        instance.get(AccessTokenAuthenticator).authenticate(opened.access_token)


def test_a_lost_role_takes_effect_on_the_next_request(
    instance: Instance, opened: OpenedSession, change_user: Callable[..., None]
) -> None:
    change_user(opened.user.id, roles="")

    assert instance.get(AccessTokenAuthenticator).authenticate(opened.access_token).user.roles == ()


def test_nobody_is_admitted_while_the_store_is_away(
    instance: Instance, opened: OpenedSession, away: Callable[[], None]
) -> None:
    away()

    with pytest.raises(Unavailable):
        instance.get(AccessTokenAuthenticator).authenticate(opened.access_token)


def test_what_is_kept_about_a_client_is_bounded(instance: Instance, database: Path) -> None:
    instance.register("ann")
    credentials = instance.store.users.credentials_by_username("ann")
    assert credentials is not None

    gate = instance.get(LoginGate)
    gate.admit(gate.first_factor(credentials, "login", "pwd"), Device("2001:db8::1", "x" * 10_000))

    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT ip, user_agent FROM sessions").fetchall() == [
            ("2001:db8::1", "x" * LONGEST_USER_AGENT)
        ]
