"""Stores that were filled directly hold what the service itself would have written."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import bcrypt
import pytest

from app.audit.chain.links import START, follows, seals
from app.platform.identifiers import email_key, username_key
from bench import filling
from bench.servers import PASSWORD
from tests.stores import Store, mongo_store, sql_store

USERS = 40


@pytest.fixture(params=["sqlite", "postgresql", "mariadb", "mongodb"])
def filled(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Store, dict[str, filling.Space]]]:
    """A filled store, and the space of its records."""
    store: Store
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/store/latchkey.db"
        space, store = filling.fill_sqlite(url, USERS), sql_store(url)
    elif request.param == "postgresql":
        url = request.getfixturevalue("postgres_server").create_database()
        space, store = filling.fill_postgresql(url, USERS), sql_store(url)
    elif request.param == "mariadb":
        url = request.getfixturevalue("mariadb_server").create_database()
        space, store = filling.fill_mariadb(url, USERS), sql_store(url)
    else:
        uri = request.getfixturevalue("mongo_server").create_database()
        space, store = filling.fill_mongodb(uri, USERS), mongo_store(uri, uri.rpartition("/")[2])
    yield store, space
    store.close()


def test_every_user_is_found_by_either_name_and_has_the_password(
    filled: tuple[Store, dict[str, filling.Space]],
) -> None:
    store, _ = filled
    for number in range(USERS):
        name, email = filling.name_of(number), filling.email_of(number)
        assert (username_key(name), email_key(email)) == (name, email)
        found = store.users.credentials_by_email(email)
        assert found == store.users.credentials_by_username(name)
        assert found
        assert bcrypt.checkpw(PASSWORD.encode(), str(found.password_hash).encode())
        account = store.users.account(found.user.id)
        assert account
        assert account.user.status == "active"
        assert account.user.roles == ("member",)
        assert store.users.save(account)  # it is whole


def test_every_user_has_a_live_session_and_the_event_of_its_opening(
    filled: tuple[Store, dict[str, filling.Space]],
) -> None:
    store, _ = filled
    now = datetime.now(UTC)
    for user in store.users.page(after=None, limit=200, active_only=True):
        [session] = store.sessions.of_user(user.id, now)
        assert store.sessions.find_live(session.id, now)
        [event] = store.events.page_of(user.id, before=None, limit=10)
        assert event.details == {"session_id": session.id}
        assert store.users.is_role_held("member")


def test_every_event_is_signed_and_sealed_in_a_chain_without_a_gap(
    filled: tuple[Store, dict[str, filling.Space]],
) -> None:
    store, _ = filled
    links = store.links.page(after=0, limit=USERS + 1)
    assert [link.seq for link in links] == list(range(1, USERS + 1))
    previous = START
    for link, (seq, event) in zip(links, store.links.sealed(1, USERS, USERS + 1), strict=True):
        assert (seq, filling.SIGNER.verdict_on(event)) == (link.seq, "signed")
        assert follows(link, previous)
        assert seals(link, event)
        previous = link.hash


def test_the_space_of_records_is_reported_for_each_kind(filled: tuple[Store, dict[str, filling.Space]]) -> None:
    _, space = filled
    assert set(space) == {"users", "sessions", "events"}
    assert all(one.records / USERS > 200 for one in space.values())
