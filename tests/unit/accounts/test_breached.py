"""Whoever logs in with a password that is in the file of breached ones is told, once, and is let in."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from app.accounts.credentials import CredentialService
from app.accounts.notices import Notice
from app.audit.model import Events
from app.platform.errors import InvalidCredentials, ValidationFailed
from app.security.breach_file import entry_of
from app.security.breach_file_maker import write
from tests.api.service import PASSWORD
from tests.unit.instance import DEVICE, session_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.instance import Instance

BETTER = "a password of nobody else"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Breached passwords, among them nobody's."""
    load(tmp_path / "breached", "of nobody here")
    return tmp_path / "breached"


@pytest.fixture
def instance(start: Callable[..., Instance], file: Path) -> Instance:
    return start(BREACHED_PASSWORDS_FILE=str(file))


def load(file: Path, *words: str) -> None:
    write(map(entry_of, words), file)


def told(instance: Instance, user_id: str) -> tuple[int, int]:
    """How many mails and how many events tell the user."""
    account = instance.store.users.account(user_id)
    assert account is not None
    mails = [Notice.from_entry(entry).kind for entry in account.outbox]
    events = instance.get(Events).page_of(user_id, before=None, limit=100)
    return mails.count("password_breached"), [event.action for event in events].count("password.breached")


def test_the_user_is_told_once_and_again_for_another_breached_password(instance: Instance, file: Path) -> None:
    ann = instance.register("ann", email="ann@example.com")
    instance.login("ann")
    assert told(instance, ann) == (0, 0)

    load(file, PASSWORD)
    for _ in range(3):
        assert instance.login("ann").user.id == ann
    assert told(instance, ann) == (1, 1)

    instance.get(CredentialService).change(session_of(instance.wired, ann), PASSWORD, BETTER, DEVICE)
    instance.login("ann", BETTER)
    assert told(instance, ann) == (1, 1)
    load(file, BETTER)
    instance.login("ann", BETTER)
    assert told(instance, ann) == (2, 2)


def test_a_wrong_password_is_not_looked_up(instance: Instance, file: Path) -> None:
    ann = instance.register("ann", email="ann@example.com")
    load(file, "a wrong password")

    with pytest.raises(InvalidCredentials):
        instance.login("ann", "a wrong password")

    assert told(instance, ann) == (0, 0)


def test_a_file_that_cannot_be_read_stops_no_login_but_every_new_password(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance.register("ann")

    def fails(*_: int) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "pread", fails)

    assert instance.login("ann").access_token
    with pytest.raises(Exception, match="does not answer"):
        instance.register("ben")


def test_a_new_password_that_is_in_the_file_is_refused(instance: Instance, file: Path) -> None:
    load(file, PASSWORD)

    with pytest.raises(ValidationFailed) as refused:
        instance.register("ann")

    assert [(error.field, error.code) for error in refused.value.fields] == [("password", "breached")]
