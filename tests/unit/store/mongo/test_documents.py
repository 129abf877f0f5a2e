"""What is sent to MongoDB, and what it stores."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from app.accounts.account import Account
from app.accounts.imported import Imported, SealedTotp
from app.accounts.mail_requests.model import MailRequest, PendingRegistration
from app.accounts.mongo import USER_FIELDS
from app.accounts.notices import Notice
from app.audit.model import AuditEvent
from tests.contract.entities import HASH, MINUTE, NOW, a_count, a_keyring, a_session, a_user, a_whole_account
from tests.servers.mongo import Mongo
from tests.stores import Store, end_sessions, mongo_store

Documents = Database[dict[str, Any]]

READS = {"find", "aggregate", "ping"}


class Recorder(CommandListener):
    """What a client sent, and what it got."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.received: list[dict[str, Any]] = []

    def targets(self) -> list[tuple[str, Any]]:
        """The commands that were sent, each with its collection."""
        return [next(iter(command.items())) for command in self.sent]

    def started(self, event: CommandStartedEvent) -> None:
        self.sent.append(dict(event.command))

    def succeeded(self, event: CommandSucceededEvent) -> None:
        self.received.append(dict(event.reply))

    def failed(self, event: CommandFailedEvent) -> None:
        self.received.append(dict(event.failure))


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def client(mongo_server: Mongo, recorder: Recorder) -> Iterator[MongoClient[dict[str, Any]]]:
    uri = mongo_server.create_database()
    lax: dict[str, Any] = {"w": 1, "journal": False}
    with MongoClient[dict[str, Any]](uri, tz_aware=True, event_listeners=[recorder], **lax) as client:
        yield client


@pytest.fixture
def database(client: MongoClient[dict[str, Any]]) -> Documents:
    return client.get_default_database()


@pytest.fixture
def store(client: MongoClient[dict[str, Any]], database: Documents) -> Store:
    made = mongo_store("", database.name, client=client)
    made.prepare()
    return made


def use(store: Store) -> None:
    """Everything that writes."""
    plain, whole = a_user(username="grace"), a_user(email="ada@example.org", username="ada", name="Ada")
    for user in (plain, whole):
        store.users.add(Account(user, HASH))
        store.sessions.open(a_session(user))
        store.users.replace_hash(user.id, HASH, HASH)
    store.users.add(Account(a_user(email="eve@example.org"), HASH))
    use_accounts(store)
    store.held_emails.hold("ada@example.org", whole.id, now=NOW, until=NOW + MINUTE)
    store.held_emails.hold("eve@example.org", whole.id, now=NOW, until=NOW + MINUTE)
    store.held_emails.release("eve@example.org", whole.id)
    registration = PendingRegistration(password_hash=HASH)
    request = MailRequest("request", "register", "a@example.org", NOW, NOW, NOW, registration=registration)
    store.mail_requests.add(request)
    store.mail_requests.reschedule(request, None, 1)
    store.mail_requests.add(MailRequest("removed", "reset", "a@example.org", NOW, NOW, None))
    store.mail_requests.remove("removed")
    store.events.add(AuditEvent("bare", whole.id, "login", NOW, None, None, NOW))
    store.events.add(AuditEvent("whole", whole.id, "login", NOW, "192.0.2.1", "curl", NOW, {"by": "password"}))
    store.events.anonymise_some(whole.id, after=None, limit=10)
    store.login_failures.advance("a", None, a_count(1))
    store.login_failures.advance("a", a_count(1), a_count(2))
    store.login_failures.advance("b", None, a_count(1))
    store.login_failures.clear("b", a_count(1))
    store.keyrings.save(a_keyring(1, "kid"))
    store.keyrings.save(a_keyring(2, "kid", "next"))
    store.leases.take("purge", holder="a", now=NOW, until=NOW + MINUTE)
    store.leases.take("purge", holder="b", now=NOW + MINUTE, until=NOW + 2 * MINUTE)
    store.sessions.delete_expired(NOW, 1)
    store.login_failures.delete_expired(NOW, 1)


def use_accounts(store: Store) -> None:
    """Replace a whole account by an empty one and an empty one by a whole one, and delete a third."""
    wanes, grows, goes = a_whole_account(), Account(a_user(username="grows"), None), Account(a_user(), None)
    store.users.add(wanes)
    assert store.users.save(Account(a_user(id=wanes.user.id), None, revision=wanes.revision))
    store.users.add(grows)
    whole = a_whole_account(id=grows.user.id, email="grows@example.org", username="grows")
    assert store.users.save(replace(whole, revision=0))
    assert end_sessions(store, grows.user.id, None)
    store.users.add(goes)
    store.sessions.open(a_session(goes.user))
    store.sessions.end_some_of(goes.user.id, 10)
    store.users.remove(goes.user.id)


def has_null(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(has_null, value.values()))
    if isinstance(value, list):
        return any(map(has_null, value))
    return value is None


def test_no_null_is_ever_written(store: Store, database: Documents) -> None:
    use(store)
    written = [document for name in database.list_collection_names() for document in database[name].find()]
    assert len(written) == 14
    assert [document for document in written if has_null(document)] == []


def test_a_user_without_email_has_no_field_for_it(store: Store, database: Documents) -> None:
    use(store)
    grace = database["users"].find_one({"username": "grace"})
    assert grace is not None
    assert set(grace) == {
        "_id", "email_verified", "username", "username_key", "roles", "status", "password_hash", "auth_epoch",
        "created_at", "last_login_at", "revision",
    }  # fmt: skip


def test_what_an_account_no_longer_has_is_removed_from_its_document(store: Store, database: Documents) -> None:
    account = a_whole_account()
    store.users.add(account)
    assert store.users.save(Account(a_user(id=account.user.id), None, revision=account.revision))
    found = database["users"].find_one()
    assert found is not None
    assert set(found) == {
        "_id", "email_verified", "roles", "status", "auth_epoch", "created_at", "last_login_at", "revision",
    }  # fmt: skip


def test_an_account_is_replaced_by_one_command(store: Store, recorder: Recorder) -> None:
    account = a_whole_account()
    store.users.add(account)
    recorder.sent.clear()
    assert store.users.save(account)
    assert not store.users.save(account)
    assert [next(iter(command)) for command in recorder.sent] == ["update", "update"]


def test_a_change_and_its_event_are_one_command_and_two_more_put_the_event_among_the_others(
    store: Store, recorder: Recorder
) -> None:
    account = Account(a_user(), HASH)
    store.users.add(account)
    recorder.sent.clear()
    assert store.users.save(account, [AuditEvent("e", account.user.id, "login", NOW, None, None, NOW)])
    assert recorder.targets() == [("update", "users"), ("insert", "events"), ("update", "users")]


def test_a_login_and_a_logout_are_four_and_five_commands_which_a_crash_may_separate_in_this_order_only(
    store: Store, recorder: Recorder
) -> None:
    user = a_user()
    store.users.add(Account(user, HASH))
    session, former = a_session(user), a_session(user, last_used_at=NOW - MINUTE)
    login = [("insert", "sessions"), ("insert", "events"), ("findAndModify", "users"), ("aggregate", "sessions")]
    recorder.sent.clear()
    assert store.sessions.open(former, [AuditEvent("a", user.id, "session.opened", NOW, None, None, NOW)], most=1)
    assert recorder.targets() == login
    recorder.sent.clear()
    assert store.sessions.open(session, [AuditEvent("b", user.id, "session.opened", NOW, None, None, NOW)], most=1)
    assert recorder.targets() == [*login, ("find", "users"), ("delete", "sessions")]
    recorder.sent.clear()
    assert store.sessions.end(session.id, user.id, [AuditEvent("c", user.id, "session.ended", NOW, None, None, NOW)])
    assert recorder.targets() == [*[("delete", "sessions")] * 3, ("insert", "events"), ("update", "users")]


def test_of_surplus_sessions_those_end_that_are_surplus_in_the_present_epoch(
    store: Store, database: Documents, mongo_server: Mongo
) -> None:
    """The password changes right after a login has looked at the sessions."""
    user = a_user()
    store.users.add(Account(user, HASH))
    kept, other = a_session(user, last_used_at=NOW - MINUTE), a_session(user)
    for session in (kept, other):
        assert store.sessions.open(session)
    change = Meanwhile("aggregate", lambda: end_sessions(store, user.id, kept.id))
    with MongoClient[dict[str, Any]](mongo_server.uri, tz_aware=True, event_listeners=[change]) as client:
        assert mongo_store("", database.name, client=client).sessions.open(a_session(user), most=2)
    assert store.sessions.of_user(user.id, NOW) == [kept]


@pytest.mark.parametrize("command", ["insert", "findAndModify"])
def test_a_user_who_is_deleted_while_a_session_is_opened_keeps_neither_it_nor_its_event(
    store: Store, database: Documents, mongo_server: Mongo, command: str
) -> None:
    account = Account(a_user(), HASH)
    store.users.add(account)

    def delete() -> None:
        assert store.users.save(replace(account, user=replace(account.user, status="deleted")))
        store.sessions.end_some_of(account.user.id, 100)
        store.events.anonymise_some(account.user.id, after=None, limit=100)

    event = AuditEvent("e", account.user.id, "session.opened", NOW, "2001:db8::1", "curl/8.5.0", NOW)
    with MongoClient[dict[str, Any]](
        mongo_server.uri, tz_aware=True, event_listeners=[Meanwhile(command, delete)]
    ) as client:
        opened = mongo_store("", database.name, client=client).sessions.open(a_session(account.user), [event])
    assert opened is (command == "findAndModify")
    assert database["sessions"].count_documents({}) == 0
    left = [(event.ip, event.user_agent) for event in store.events.page_of(account.user.id, before=None, limit=10)]
    assert left == ([(None, None)] if opened else [])


def test_an_account_from_before_there_were_revisions_is_replaced_once(store: Store, database: Documents) -> None:
    user = a_user(username="ada")
    store.users.add(Account(user, HASH))
    database["users"].update_one({}, {"$unset": {"revision": ""}})
    assert store.users.account(user.id) == Account(user, HASH)
    assert store.users.save(Account(user, "new"))
    assert not store.users.save(Account(user, "newer"))
    assert store.users.account(user.id) == Account(user, "new", revision=1)


def test_every_write_asks_for_the_journals_of_the_majority(store: Store, recorder: Recorder) -> None:
    recorder.sent.clear()
    use(store)
    writes = [command for command in recorder.sent if next(iter(command)) not in READS]
    assert {next(iter(command)) for command in writes} == {"insert", "update", "delete", "findAndModify"}
    assert [command for command in writes if command.get("writeConcern") != {"w": "majority", "j": True}] == []


def test_an_authenticated_request_is_one_command_that_brings_no_secret(store: Store, recorder: Recorder) -> None:
    user = a_user(username="ada")
    store.users.add(Account(user, HASH))
    session = a_session(user)
    store.sessions.open(session)
    recorder.sent.clear()
    recorder.received.clear()
    assert store.sessions.principal(session.id, user.id, NOW) is not None
    assert [next(iter(command)) for command in recorder.sent] == ["aggregate"]
    (reply,) = recorder.received
    (found,) = reply["cursor"]["firstBatch"]
    assert set(found) == {"_id", "auth_epoch", "created_at", "last_used_at", "user"}
    assert set(found["user"]) == {
        "auth_epoch", "email_verified", "username", "roles", "status", "created_at", "last_login_at",
    }  # fmt: skip


def test_a_login_reads_nothing_of_what_is_under_way_but_the_factors(store: Store, recorder: Recorder) -> None:
    imported = Imported("7", "keycloak", totp=(SealedTotp("of a former secret", "sealed"),))
    store.users.add(replace(a_whole_account(), imported=imported))
    recorder.received.clear()
    assert store.users.credentials_by_email("ada.lovelace@example.org") is not None
    assert store.users.credentials_by_username("ada_l") is not None
    for reply in recorder.received:
        (found,) = reply["cursor"]["firstBatch"]
        assert set(found) == {
            "_id", *USER_FIELDS, "password_hash", "auth_epoch",
            "totp", "recovery_codes", "passkeys", "factor_recovery", "imported",
        } - {"kind"}  # fmt: skip # people have no kind


def test_mail_that_a_version_before_there_was_an_outbox_queued_is_an_entry_from_the_next_write_on(
    store: Store, database: Documents
) -> None:
    former = {
        "id": "n", "kind": "new_login", "to": "ada@example.org", "queued_at": NOW, "facts": {"ip": "::1"},
        "attempts": 2,
    }  # fmt: skip
    carries = {**former, "id": "m", "code_id": "c"}
    account = Account(a_user(), HASH)
    store.users.add(account)
    database["users"].update_one({}, {"$set": {"notices": [former, carries]}})
    found = store.users.account(account.user.id)
    queued = [Notice(each, "new_login", "ada@example.org", NOW, {"ip": "::1"}, attempts=2) for each in ("n", "m")]
    queued[1] = replace(queued[1], code_id="c")
    assert found == replace(account, outbox=tuple(notice.entry() for notice in queued))
    assert store.users.save(found)
    assert store.users.account(account.user.id) == replace(found, revision=1)
    kept = database["users"].find_one()
    assert kept is not None
    assert "notices" not in kept
    assert [entry["id"] for entry in kept["outbox"]] == ["n", "m"]


def test_fields_that_only_a_newer_version_knows_stay_in_the_document(store: Store, database: Documents) -> None:
    account = a_whole_account()
    store.users.add(account)
    database["users"].update_one({}, {"$set": {"factors": [{"id": "f", "secret": "s"}]}})
    found = store.users.account(account.user.id)
    assert found == account
    assert store.users.save(replace(found, codes=()))
    kept = database["users"].find_one()
    assert kept is not None
    assert kept["factors"] == [{"id": "f", "secret": "s"}]


def test_a_page_of_users_brings_no_secret(store: Store, recorder: Recorder) -> None:
    store.users.add(Account(a_user(username="ada"), HASH))
    recorder.received.clear()
    assert len(store.users.page(after=None, limit=1, active_only=True)) == 1
    assert HASH not in repr(recorder.received)


class Meanwhile(CommandListener):
    """Does something right after the first command of a kind has ended, before its sender goes on."""

    def __init__(self, command: str, act: Callable[[], object]) -> None:
        self._command = command
        self._act: Callable[[], object] | None = act

    def started(self, event: CommandStartedEvent) -> None:
        """Nothing happens before."""

    def succeeded(self, event: CommandSucceededEvent) -> None:
        if event.command_name == self._command and self._act is not None:
            act, self._act = self._act, None
            act()

    def failed(self, event: CommandFailedEvent) -> None:
        """Nothing happens after a failure."""


def test_a_purge_leaves_a_document_that_was_renewed_after_it_was_found(
    store: Store, database: Documents, mongo_server: Mongo
) -> None:
    store.login_failures.advance("a", None, a_count(1, expires_at=NOW))
    store.login_failures.advance("b", None, a_count(1, expires_at=NOW))
    renew = Meanwhile("find", lambda: store.login_failures.advance("a", a_count(1, expires_at=NOW), a_count(2)))
    with MongoClient[dict[str, Any]](mongo_server.uri, tz_aware=True, event_listeners=[renew]) as client:
        assert mongo_store("", database.name, client=client).login_failures.delete_expired(NOW, 10) == 1
    assert store.login_failures.get("a") == a_count(2)
    assert store.login_failures.get("b") is None


@pytest.mark.parametrize("command", ["insert", "update"])
def test_a_name_given_up_before_its_owner_is_looked_up_goes_to_the_caller(
    store: Store, database: Documents, mongo_server: Mongo, command: str
) -> None:
    owner, other = a_user(username="ada"), a_user(username="eve")
    store.users.add(Account(owner, HASH))
    give_up = Meanwhile(command, lambda: store.users.remove(owner.id))
    with MongoClient[dict[str, Any]](mongo_server.uri, tz_aware=True, event_listeners=[give_up]) as client:
        users = mongo_store("", database.name, client=client).users
        if command == "insert":
            users.add(Account(a_user(username="ada"), "new"))
        else:
            store.users.add(Account(other, "new"))
            assert users.save(Account(replace(other, username="ada"), "new"))
    found = store.users.credentials_by_username("ada")
    assert found is not None
    assert found.password_hash == "new"
