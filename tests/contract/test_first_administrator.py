"""The first administrator, on every store: one, and one link, however many processes start together."""

import re
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app import config, wiring
from app.accounts.account import Account
from app.accounts.registration import NewAccount, RegistrationService
from app.accounts.service import Accounts
from app.accounts.under_way import CODE_LIVES
from app.bootstrap.first_administrator import FirstAdministrator
from app.invitations.service import Answer, InvitationService
from app.keys.service import KeyService
from app.platform.devices import Device
from app.platform.failure import StartError
from app.security import secret_file
from app.security.hash_pool import HashPool
from app.wiring import Wired
from tests.api.service import PASSWORD, SETTINGS, FakeClock
from tests.contract.races import InThreads
from tests.stores import Store, events_of

EMAIL = "ann@example.com"
HERE = Device("192.0.2.1", "curl/8.5.0")


class Starting:
    """Instances that start on one store."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store, self.folder, self.clock = store, folder, FakeClock()
        self.file = folder / "instance" / "link"
        self.made: list[Wired] = []
        self.wired = self.instance()
        self.wired.get(KeyService).ensure()

    def instance(self, **settings: str) -> Wired:
        chosen = {"BOOTSTRAP_ADMIN_EMAIL": EMAIL, "BOOTSTRAP_LINK_FILE": str(self.file)} | settings
        folders = {"MAIL_DIR": str(self.folder / "mail")}
        wired = wiring.build(
            config.load(SETTINGS | folders | chosen, dotenv=None), clock=self.clock, store=self.store.inner
        )
        self.made.append(wired)
        return wired

    def start(self, **settings: str) -> None:
        """Start one alone: if an earlier one ended before it was done, time passes until its lease has expired."""
        first = self.instance(**settings).get(FirstAdministrator)
        replace(first, pause=self.clock.advance).ensure()

    @property
    def token(self) -> str:
        text = self.file.read_text()
        found = re.fullmatch(r"http://localhost:5000/invitation#([A-Za-z0-9_-]{88})\n", text)
        assert found is not None, text
        return found[1]

    def answer(self) -> str:
        """Answer by the link; the identifier of the administrator."""
        invitations = self.wired.get(InvitationService)
        return invitations.accept(invitations.redeemable(token=self.token), Answer(PASSWORD), HERE).user.id

    def users(self) -> list[Any]:
        return self.store.users.page(after=None, limit=100, active_only=False)

    def change(self, user_id: str, **changes: Any) -> None:
        def changed(account: Account) -> Account:
            return account.with_user(**changes)

        accounts = self.wired.get(Accounts)
        accounts.change(user_id, changed, among=("active", "invited", "disabled"))


@pytest.fixture
def starting(store: Store, tmp_path: Path) -> Iterator[Starting]:
    starting = Starting(store, tmp_path)
    yield starting
    for wired in starting.made:
        wired.get(HashPool).close()


def test_of_sixteen_that_start_together_one_invites_the_administrator_and_has_the_link(
    starting: Starting, in_threads: InThreads
) -> None:
    files = [starting.folder / f"machine-{number}" / "link" for number in range(16)]
    instances = [starting.instance(BOOTSTRAP_LINK_FILE=str(file)) for file in files]
    in_threads(lambda number: instances[number].get(FirstAdministrator).ensure())
    (starting.file,) = [file for file in files if file.exists()]
    (user,) = starting.users()
    assert (user.email, user.roles, user.status) == (EMAIL, ("admin",), "invited")
    assert stat.S_IMODE(starting.file.stat().st_mode) == 0o600
    assert [path.name for path in starting.file.parent.iterdir()] == [starting.file.name]
    (event,) = events_of(starting.store, user.id)
    assert (event.action, event.details, event.actor_id) == ("user.created", {"by": "bootstrap"}, None)
    assert starting.answer() == user.id
    assert starting.store.users.account(user.id).user.status == "active"  # type: ignore[union-attr]


def test_sixteen_with_different_addresses_make_one_administrator(starting: Starting, in_threads: InThreads) -> None:
    instances = [starting.instance(BOOTSTRAP_ADMIN_EMAIL=f"ann{number}@example.com") for number in range(16)]
    in_threads(lambda number: instances[number].get(FirstAdministrator).ensure())
    assert [user.status for user in starting.users()] == ["invited"]


def test_only_who_invited_the_administrator_has_the_link(starting: Starting) -> None:
    starting.start()
    elsewhere = starting.folder / "elsewhere"
    starting.start(BOOTSTRAP_LINK_FILE=str(elsewhere))
    assert not elsewhere.exists()
    token = starting.token
    starting.start()
    assert starting.token == token


class Waits(Exception):  # noqa: N818 - no error
    """Raised where a start would wait."""


def test_a_start_waits_while_another_is_about_to_write_the_link(
    starting: Starting, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = starting.folder / "elsewhere"
    other = starting.instance(BOOTSTRAP_LINK_FILE=str(elsewhere)).get(FirstAdministrator)
    write = secret_file.write

    def wait(_seconds: float) -> None:
        raise Waits

    def late(path: Path, text: str) -> None:
        monkeypatch.setattr(secret_file, "write", write)
        with pytest.raises(Waits):
            replace(other, pause=wait).ensure()
        write(path, text)

    monkeypatch.setattr(secret_file, "write", late)
    starting.start()
    other.ensure()
    assert starting.file.exists()
    assert not elsewhere.exists()


def test_a_link_that_was_not_written_is_written_by_the_next_start(starting: Starting) -> None:
    blocked = starting.folder / "blocked"
    blocked.write_text("")
    with pytest.raises(StartError, match=r"^BOOTSTRAP_LINK_FILE: \S+ cannot be written \(.+\); "):
        starting.start(BOOTSTRAP_LINK_FILE=str(blocked / "link"))
    (user,) = starting.users()
    starting.start()
    assert starting.users() == [user]
    assert starting.answer() == user.id


def test_a_start_that_ended_before_the_account_was_added_is_gone_on_with(
    starting: Starting, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(InvitationService, "add", crash)
        with pytest.raises(KeyboardInterrupt):
            starting.start()
    assert starting.users() == []
    starting.start()
    starting.answer()


def test_an_invitation_that_expired_is_made_anew_by_the_next_start(starting: Starting) -> None:
    starting.start()
    (user,), token = starting.users(), starting.token
    starting.clock.advance(CODE_LIVES["invitation"].total_seconds() + 1)
    starting.start()
    assert starting.token != token
    assert starting.answer() == user.id


def test_once_it_is_answered_no_start_does_anything_again(starting: Starting) -> None:
    starting.start()
    user_id = starting.answer()
    starting.file.unlink()
    starting.start()
    starting.change(user_id, email="moved@example.com")
    starting.start()
    assert [user.id for user in starting.users()] == [user_id]
    assert not starting.file.exists()


@pytest.mark.parametrize("status", ["active", "disabled", "invited"])
def test_where_there_is_an_administrator_none_is_invited(starting: Starting, status: str) -> None:
    other = starting.wired.get(RegistrationService).register(NewAccount(PASSWORD, username="other"), roles=("admin",))
    account = starting.store.users.account(other.user.id)
    assert account is not None
    assert starting.store.users.save(replace(account.with_user(status=status), codes=()))
    starting.start()
    assert [user.id for user in starting.users()] == [other.user.id]
    assert not starting.file.exists()


@pytest.mark.parametrize("verified", [False, True])
def test_an_account_that_exists_is_not_touched(starting: Starting, *, verified: bool) -> None:
    found = starting.wired.get(RegistrationService).register(NewAccount(PASSWORD, EMAIL.upper())).user
    starting.change(found.id, email_verified=verified)
    before = starting.store.users.account(found.id)
    starting.start()
    assert starting.store.users.account(found.id) == before
    assert len(starting.users()) == 1
    assert not starting.file.exists()


def test_without_the_setting_nobody_is_invited(starting: Starting) -> None:
    starting.start(BOOTSTRAP_ADMIN_EMAIL="")
    assert starting.users() == []


def test_a_file_that_is_there_is_replaced_and_what_a_symbolic_link_names_stays(starting: Starting) -> None:
    precious = starting.folder / "precious"
    precious.write_text("kept")
    precious.chmod(0o644)
    starting.file.parent.mkdir()
    starting.file.symlink_to(precious)
    starting.start()
    assert precious.read_text() == "kept"
    assert not starting.file.is_symlink()
    assert stat.S_IMODE(starting.file.stat().st_mode) == 0o600
    starting.answer()
