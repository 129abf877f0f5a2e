"""`flask api-keys`: lists and deletes API keys."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from app.accounts.account import Account
from app.accounts.under_way import ListedKey
from app.platform import clock
from app.platform.identifiers import new_id
from tests.contract.entities import DAY, HASH, a_user, an_api_key
from tests.stores import sql_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    from app.api_keys.model import ApiKey

pytestmark = pytest.mark.usefixtures("prepared")


@pytest.fixture
def keys(fresh: Path) -> list[ApiKey]:
    """Two keys of Ada, and between them one of a service account."""
    store, now = sql_store(f"sqlite:///{fresh}"), clock.now()
    ada, robot = a_user(email="ada@example.org", username="ada"), a_user(name="Robot", kind="service")
    made = [
        an_api_key(owner, created_at=now, expires_at=now + DAY, last_used_at=None if owner is robot else now)
        for owner in (ada, robot, ada)
    ]
    for owner in (ada, robot):
        listed = tuple(ListedKey(key.id, key.expires_at) for key in made if key.user_id == owner.id)
        store.users.add(Account(owner, HASH, listed_keys=listed))
    for key in made:
        assert store.api_keys.add(key)
    store.close()
    return made


def listed(flask: Callable[..., Result], *arguments: str) -> list[str]:
    """The identifiers that are listed."""
    result = flask("api-keys", "list", *arguments, "--json")
    assert result.exit_code == 0, result.output
    return [json.loads(line)["id"] for line in result.stdout.splitlines()]


def test_keys_are_listed_without_their_secrets(flask: Callable[..., Result], keys: list[ApiKey]) -> None:
    result = flask("api-keys", "list")
    first, second, _ = result.stdout.splitlines()
    assert first.split("\t")[0] == keys[0].id
    assert first.split("\t")[1].startswith("lk_0")
    assert first.split("\t")[2] == keys[0].user_id
    assert first.split("\t")[5:] == ["audit:read,users:read", keys[0].name]
    assert second.split("\t")[4] == "-"
    assert keys[0].digest.hex() not in flask("api-keys", "list", "--json").stdout


def test_the_keys_of_one_user_are_listed_by_any_of_their_names(
    flask: Callable[..., Result], keys: list[ApiKey]
) -> None:
    for name in ("Ada@example.org", "ADA", keys[0].user_id):
        assert listed(flask, "--user", name) == [keys[0].id, keys[2].id]
    assert listed(flask, "--user", keys[1].user_id) == [keys[1].id]
    assert listed(flask, "--user", "ada", "--after", keys[0].id) == [keys[2].id]
    assert listed(flask, "--limit", "2") == [keys[0].id, keys[1].id]
    for nobody in ("nobody", "nobody@example.org", new_id(), "no@body@"):
        result = flask("api-keys", "list", "--user", nobody)
        assert (result.exit_code, "no such user" in result.stderr) == (1, True)


def test_a_key_is_deleted_by_its_identifier(flask: Callable[..., Result], keys: list[ApiKey]) -> None:
    assert json.loads(flask("api-keys", "delete", keys[0].id, "--json").stdout) == {"deleted": keys[0].id}
    assert listed(flask) == [keys[1].id, keys[2].id]
    again = flask("api-keys", "delete", keys[0].id)
    assert (again.exit_code, "Traceback" in again.output) == (1, False)
    assert flask("api-keys", "delete").exit_code == 2


def test_the_event_of_a_deletion_names_nobody_as_the_actor(
    flask: Callable[..., Result], keys: list[ApiKey], fresh: Path
) -> None:
    assert flask("api-keys", "delete", keys[1].id).exit_code == 0
    store = sql_store(f"sqlite:///{fresh}")
    (event,) = store.events.page_of(keys[1].user_id, before=None, limit=10)
    store.close()
    assert (event.action, event.actor_id, event.ip, dict(event.details)) == (
        "api_key.deleted",
        None,
        None,
        {"key": keys[1].id},
    )
