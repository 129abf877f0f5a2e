"""What every store promises as a whole: it is made ready, it can be closed, and it says when it cannot answer."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from decimal import Decimal
from functools import partial

import pytest

from app.accounts.account import Account
from app.accounts.hash_mix.model import Mix
from app.accounts.mail_requests.model import MailRequest
from app.administration.model import StoredKeys
from app.audit.chain.model import Checkpoint
from app.audit.model import AuditEvent, Search
from app.oauth.catalogue.model import CatalogueBook
from app.oauth.clients.model import Client
from app.oauth.registration.model import RegistrationToken
from app.platform.errors import Unavailable
from app.platform.identifiers import new_id
from app.roles.model import Guard, Role, RoleBook
from app.samples.products.model import SampleProduct
from app.sessions.model import Session
from app.social.flows.model import Flow, Flows
from app.social.identities.model import Identities, Identity
from app.webhooks.model import Delivery, WebhookBook
from tests.contract.entities import (
    HASH,
    MINUTE,
    NOW,
    a_ceremony,
    a_client_document,
    a_code,
    a_consent,
    a_count,
    a_device_code,
    a_keyring,
    a_link,
    a_logout_notice,
    a_mail_login,
    a_passkey,
    a_pending_login,
    a_session,
    a_stored_request,
    a_totp_secret,
    a_user,
    an_api_key,
)
from tests.contract.races import THREADS, InProcesses, InThreads
from tests.contract.subject import Fragile
from tests.servers.process import wait_until
from tests.stores import Store

KEY = "0" * 64
USER = a_user(email="ada@example.org", username="ada")
CLIENT = Client(id=new_id(), name="Shop", kind="public", created_at=NOW)
AN_IDENTITY = Identity(new_id(), "e" * 64, USER.id, "google", "https://issuer.example", "1", None, NOW)
REQUEST = MailRequest(new_id(), "reset", "ada@example.org", NOW, NOW + MINUTE, NOW)
DELIVERY = Delivery(new_id(), new_id(), "user.created", "{}", NOW, NOW, NOW + MINUTE)
PRODUCT = SampleProduct(new_id(), USER.id, "Lamp", Decimal("19.90"), None, NOW)

OPERATIONS: dict[str, Callable[[Store], object]] = {
    "ping": lambda store: store.ping(),
    "users.add": lambda store: store.users.add(Account(a_user(username="grace"), HASH)),
    "users.account": lambda store: store.users.account(USER.id),
    "users.account_by_email": lambda store: store.users.account_by_email("ada@example.org"),
    "users.accounts_changing_to": lambda store: store.users.accounts_changing_to("ada@example.org", 10),
    "users.save": lambda store: store.users.save(Account(USER, HASH)),
    "users.page_of_accounts": lambda store: store.users.page_of_accounts(after=None, limit=10),
    "users.page_of_hashes": lambda store: store.users.page_of_hashes(after=None, limit=10),
    "users.page_of_imported_apps": lambda store: store.users.page_of_imported_apps(after=None, limit=10),
    "users.due": lambda store: store.users.due(NOW, 10),
    "users.confirm_role": lambda store: store.users.confirm_role(new_id(), "admin"),
    "users.is_role_held": lambda store: store.users.is_role_held("admin"),
    "users.some_with_role": lambda store: store.users.some_with_role("admin", None),
    "users.remove": lambda store: store.users.remove(new_id()),
    "users.credentials_by_email": lambda store: store.users.credentials_by_email("ada@example.org"),
    "users.credentials_by_username": lambda store: store.users.credentials_by_username("ada"),
    "users.replace_hash": lambda store: store.users.replace_hash(USER.id, HASH, "new"),
    "users.page": lambda store: store.users.page(after=None, limit=10, active_only=True),
    "user_search.by_id": lambda store: store.user_search.by_id("", 10),
    "user_search.by_status": lambda store: store.user_search.by_status("disabled", "", 10),
    "user_search.by_role": lambda store: store.user_search.by_role("admin", "", 10),
    "user_search.by_key": lambda store: store.user_search.by_key("email_key", "a", key="", after="", limit=10),
    "user_search.keys": lambda store: store.user_search.keys("", 10),
    "user_search.set_keys": lambda store: store.user_search.set_keys(StoredKeys(USER.id, None, "active", None, None)),
    "users.service_accounts": lambda store: store.users.service_accounts(after=None, limit=10),
    "sessions.open": lambda store: store.sessions.open(a_session(USER)),
    "sessions.principal": lambda store: store.sessions.principal(new_id(), new_id(), NOW),
    "sessions.find_live": lambda store: store.sessions.find_live(new_id(), NOW),
    "sessions.of_user": lambda store: store.sessions.of_user(USER.id, NOW),
    "sessions.rotate": lambda store: store.sessions.rotate(new_id(), 0, now=NOW, idle_expires_at=NOW, ip=""),
    "sessions.reauthenticate": lambda store: store.sessions.reauthenticate(new_id(), at=NOW, amr="pwd"),
    "sessions.touch": lambda store: store.sessions.touch(new_id(), NOW),
    "sessions.end": lambda store: store.sessions.end(new_id(), USER.id),
    "sessions.of_clients": lambda store: store.sessions.of_clients(USER.id),
    "sessions.end_of_grant": lambda store: store.sessions.end_of_grant(USER.id, "client"),
    "sessions.end_some_of_client": lambda store: store.sessions.end_some_of_client("client", 10),
    "sessions.end_some_of": lambda store: store.sessions.end_some_of(new_id(), 10),
    "sessions.delete_expired": lambda store: store.sessions.delete_expired(NOW, 10),
    "pending_logins.add": lambda store: store.pending_logins.add(a_pending_login(USER)),
    "pending_logins.find": lambda store: store.pending_logins.find("0" * 64, NOW),
    "pending_logins.count_try": lambda store: store.pending_logins.count_try("0" * 64, 5),
    "pending_logins.take": lambda store: store.pending_logins.take("0" * 64),
    "pending_logins.remove_some_of": lambda store: store.pending_logins.remove_some_of(new_id(), 10),
    "pending_logins.delete_expired": lambda store: store.pending_logins.delete_expired(NOW, 10),
    "mail_logins.add": lambda store: store.mail_logins.add(a_mail_login()),
    "mail_logins.find": lambda store: store.mail_logins.find(new_id(), NOW),
    "mail_logins.due": lambda store: store.mail_logins.due(NOW, 10),
    "mail_logins.reschedule": lambda store: store.mail_logins.reschedule(a_mail_login(), None, 1),
    "mail_logins.bind": lambda store: store.mail_logins.bind(new_id(), USER.id, 0),
    "mail_logins.count_try": lambda store: store.mail_logins.count_try(new_id(), 5),
    "mail_logins.take": lambda store: store.mail_logins.take(new_id()),
    "mail_logins.remove_some_of": lambda store: store.mail_logins.remove_some_of(new_id(), 10),
    "mail_logins.delete_expired": lambda store: store.mail_logins.delete_expired(NOW, 10),
    "totp_secrets.add": lambda store: store.totp_secrets.add(a_totp_secret(USER)),
    "totp_secrets.get": lambda store: store.totp_secrets.get(new_id()),
    "totp_secrets.spend": lambda store: store.totp_secrets.spend(new_id(), 1, NOW),
    "totp_secrets.reseal": lambda store: store.totp_secrets.reseal(a_totp_secret(USER), "sealed", "b"),
    "totp_secrets.sealed_otherwise": lambda store: store.totp_secrets.sealed_otherwise("a", after="", limit=10),
    "totp_secrets.seals": lambda store: store.totp_secrets.seals(),
    "totp_secrets.remove": lambda store: store.totp_secrets.remove(new_id()),
    "totp_secrets.remove_some_of": lambda store: store.totp_secrets.remove_some_of(new_id(), 10),
    "totp_secrets.delete_expired": lambda store: store.totp_secrets.delete_expired(NOW, 10),
    "identities.add": lambda store: store.repository(Identities).add(AN_IDENTITY),
    "identities.find": lambda store: store.repository(Identities).find("f" * 64),
    "identities.of_user": lambda store: store.repository(Identities).of_user(new_id()),
    "identities.touch": lambda store: store.repository(Identities).touch(new_id(), NOW),
    "identities.remove": lambda store: store.repository(Identities).remove(new_id()),
    "identities.remove_some_of": lambda store: store.repository(Identities).remove_some_of(new_id(), 10),
    "flows.add": lambda store: store.repository(Flows).add(Flow("f" * 64, "google", "login", "b" * 64, NOW)),
    "flows.keep_answer": lambda store: store.repository(Flows).keep_answer("f" * 64, "{}", NOW),
    "flows.take": lambda store: store.repository(Flows).take("f" * 64, "b" * 64, NOW),
    "flows.finish": lambda store: store.repository(Flows).finish("f" * 64, "c" * 64, "{}", NOW),
    "flows.redeem": lambda store: store.repository(Flows).redeem("c" * 64),
    "flows.remove_some_of": lambda store: store.repository(Flows).remove_some_of(new_id(), 10),
    "flows.delete_expired": lambda store: store.repository(Flows).delete_expired(NOW, 10),
    "passkeys.add": lambda store: store.passkeys.add(a_passkey(USER)),
    "passkeys.find": lambda store: store.passkeys.find("f" * 64),
    "passkeys.of_user": lambda store: store.passkeys.of_user(new_id()),
    "passkeys.record_use": lambda store: store.passkeys.record_use(new_id(), 1, backed_up=False, now=NOW),
    "passkeys.rp_ids": lambda store: store.passkeys.rp_ids(),
    "passkeys.remove": lambda store: store.passkeys.remove(new_id()),
    "passkeys.remove_some_of": lambda store: store.passkeys.remove_some_of(new_id(), 10),
    "ceremonies.add": lambda store: store.ceremonies.add(a_ceremony()),
    "ceremonies.take": lambda store: store.ceremonies.take("f" * 64),
    "ceremonies.remove_some_of": lambda store: store.ceremonies.remove_some_of(new_id(), 10),
    "ceremonies.delete_expired": lambda store: store.ceremonies.delete_expired(NOW, 10),
    "held_emails.hold": lambda store: store.held_emails.hold("a@example.org", USER.id, now=NOW, until=NOW + MINUTE),
    "held_emails.holder": lambda store: store.held_emails.holder("a@example.org", NOW),
    "held_emails.release": lambda store: store.held_emails.release("a@example.org", USER.id),
    "held_emails.delete_expired": lambda store: store.held_emails.delete_expired(NOW, 10),
    "mail_requests.add": lambda store: store.mail_requests.add(replace(REQUEST, id=new_id())),
    "mail_requests.get": lambda store: store.mail_requests.get(REQUEST.id),
    "mail_requests.registrations": lambda store: store.mail_requests.registrations("ada@example.org", NOW, 10),
    "mail_requests.due": lambda store: store.mail_requests.due(NOW, 10),
    "mail_requests.reschedule": lambda store: store.mail_requests.reschedule(REQUEST, None, 1),
    "mail_requests.remove": lambda store: store.mail_requests.remove(REQUEST.id),
    "mail_requests.delete_expired": lambda store: store.mail_requests.delete_expired(NOW, 10),
    "events.add": lambda store: store.events.add(AuditEvent(new_id(), USER.id, "login", NOW, None, None, NOW)),
    "events.page_of": lambda store: store.events.page_of(USER.id, before=None, limit=10),
    "events.record": lambda store: store.events.record(AuditEvent(new_id(), USER.id, "login", NOW, None, None, NOW)),
    "events.anonymise_some": lambda store: store.events.anonymise_some(USER.id, after=None, limit=10),
    "events.search": lambda store: store.events.search(Search(USER.id, "login", NOW), before=None, limit=10),
    "links.last": lambda store: store.links.last(),
    "links.append": lambda store: store.links.append([a_link(1)]),
    "links.unsealed": lambda store: store.links.unsealed(NOW, after=None, limit=10),
    "links.complete": lambda store: store.links.complete([AuditEvent("e", USER.id, "login", NOW, None, None, NOW)]),
    "links.page": lambda store: store.links.page(after=0, limit=10),
    "links.sealed": lambda store: store.links.sealed(1, 2, 10),
    "links.events": lambda store: store.links.events(["e"]),
    "links.first_since": lambda store: store.links.first_since(NOW),
    "links.deleted": lambda store: store.links.deleted([USER.id]),
    "links.delete_expired": lambda store: store.links.delete_expired(NOW, 10),
    "checkpoints.last": lambda store: store.checkpoints.last(),
    "checkpoints.add": lambda store: store.checkpoints.add(Checkpoint(1, 1, NOW, NOW, "token", "secret", "mac")),
    "checkpoints.page": lambda store: store.checkpoints.page(after=0, limit=10),
    "events.gather": lambda store: store.events.gather(NOW, 10),
    "events.delete_expired": lambda store: store.events.delete_expired(NOW, 10),
    "login_failures.get": lambda store: store.login_failures.get(KEY),
    "login_failures.advance": lambda store: store.login_failures.advance(KEY, None, a_count(1)),
    "login_failures.clear": lambda store: store.login_failures.clear(KEY, a_count(1)),
    "login_failures.delete_expired": lambda store: store.login_failures.delete_expired(NOW, 10),
    "keyrings.load": lambda store: store.keyrings.load(),
    "keyrings.save": lambda store: store.keyrings.save(a_keyring(1, "kid")),
    "device_codes.add": lambda store: store.device_codes.add(a_device_code()),
    "device_codes.find": lambda store: store.device_codes.find(KEY),
    "device_codes.find_by_user_code": lambda store: store.device_codes.find_by_user_code(KEY, NOW),
    "device_codes.poll": lambda store: store.device_codes.poll(KEY, new_id(), NOW),
    "device_codes.answer": lambda store: store.device_codes.answer(KEY, None, NOW),
    "device_codes.spend": lambda store: store.device_codes.spend(KEY, new_id(), NOW),
    "device_codes.remove_some_of": lambda store: store.device_codes.remove_some_of(new_id(), 10),
    "device_codes.delete_expired": lambda store: store.device_codes.delete_expired(NOW, 10),
    "consents.allow": lambda store: store.consents.allow(a_consent(USER), new_id(), most=9),
    "consents.find": lambda store: store.consents.find(USER.id, new_id()),
    "clients.add": lambda store: store.clients.add(CLIENT),
    "clients.find": lambda store: store.clients.find(new_id()),
    "clients.page": lambda store: store.clients.page(after=None, limit=10),
    "clients.save": lambda store: store.clients.save(replace(CLIENT, revision=1)),
    "clients.remove": lambda store: store.clients.remove(new_id()),
    "clients.origins": lambda store: store.clients.origins(),
    "clients.have_logout": lambda store: store.clients.have_logout(),
    "catalogue_books.load": lambda store: store.catalogue_books.load(),
    "catalogue_books.save": lambda store: store.catalogue_books.save(CatalogueBook(1)),
    "registration_tokens.add": lambda store: store.registration_tokens.add(
        RegistrationToken(new_id().replace("-", "") * 2, new_id(), NOW, NOW, 1)
    ),
    "registration_tokens.use": lambda store: store.registration_tokens.use("f" * 64, NOW),
    "registration_tokens.delete_expired": lambda store: store.registration_tokens.delete_expired(NOW, 10),
    "consents.of_user": lambda store: store.consents.of_user(USER.id),
    "consents.touch": lambda store: store.consents.touch(USER.id, new_id(), NOW),
    "consents.remove": lambda store: store.consents.remove(USER.id, new_id()),
    "consents.remove_some_of": lambda store: store.consents.remove_some_of(new_id(), 10),
    "consents.remove_some_of_client": lambda store: store.consents.remove_some_of_client(new_id(), 10),
    "logout_notices.add": lambda store: store.logout_notices.add([a_logout_notice()]),
    "logout_notices.due": lambda store: store.logout_notices.due(NOW, 10),
    "logout_notices.claim": lambda store: store.logout_notices.claim(a_logout_notice(), NOW),
    "logout_notices.remove": lambda store: store.logout_notices.remove(new_id()),
    "logout_notices.waiting": lambda store: store.logout_notices.waiting(10),
    "logout_notices.delete_expired": lambda store: store.logout_notices.delete_expired(NOW, 10),
    "client_documents.find": lambda store: store.client_documents.find(KEY, NOW),
    "client_documents.keep": lambda store: store.client_documents.keep(a_client_document()),
    "client_documents.remove": lambda store: store.client_documents.remove(KEY),
    "client_documents.delete_expired": lambda store: store.client_documents.delete_expired(NOW, 10),
    "api_keys.add": lambda store: store.api_keys.add(an_api_key(USER)),
    "api_keys.find": lambda store: store.api_keys.find(new_id()),
    "api_keys.some": lambda store: store.api_keys.some([new_id()]),
    "api_keys.page": lambda store: store.api_keys.page(after=None, limit=10),
    "api_keys.touch": lambda store: store.api_keys.touch(new_id(), NOW),
    "api_keys.remove": lambda store: store.api_keys.remove(new_id()),
    "api_keys.remove_some_of": lambda store: store.api_keys.remove_some_of(new_id(), 10),
    "api_keys.delete_expired": lambda store: store.api_keys.delete_expired(NOW, 10),
    "webhook_books.load": lambda store: store.webhook_books.load(),
    "webhook_books.save": lambda store: store.webhook_books.save(WebhookBook(1)),
    "deliveries.add": lambda store: store.deliveries.add(replace(DELIVERY, id=new_id())),
    "deliveries.get": lambda store: store.deliveries.get(DELIVERY.id),
    "deliveries.due": lambda store: store.deliveries.due(new_id(), NOW, 10),
    "deliveries.replace": lambda store: store.deliveries.replace(DELIVERY, DELIVERY),
    "deliveries.page_of": lambda store: store.deliveries.page_of(new_id(), before=None, limit=10),
    "deliveries.waiting": lambda store: store.deliveries.waiting(new_id(), 10),
    "deliveries.prune": lambda store: store.deliveries.prune(new_id(), 50),
    "deliveries.remove": lambda store: store.deliveries.remove(DELIVERY.id),
    "deliveries.remove_some_of": lambda store: store.deliveries.remove_some_of(new_id(), 10),
    "deliveries.erase_some_of": lambda store: store.deliveries.erase_some_of(USER.id, 10, but="user.deleted"),
    "deliveries.delete_expired": lambda store: store.deliveries.delete_expired(NOW, 10),
    "hash_mixes.load": lambda store: store.hash_mixes.load(),
    "hash_mixes.save": lambda store: store.hash_mixes.save(Mix(NOW, {"dummy": 1})),
    "codes.add": lambda store: store.codes.add(a_code(USER)),
    "codes.find": lambda store: store.codes.find(KEY),
    "codes.spend": lambda store: store.codes.spend(KEY, "client", new_id(), NOW),
    "codes.note_reuse": lambda store: store.codes.note_reuse(KEY, "client", NOW),
    "codes.was_reused": lambda store: store.codes.was_reused(KEY),
    "codes.remove_some_of": lambda store: store.codes.remove_some_of(USER.id, 10),
    "codes.delete_expired": lambda store: store.codes.delete_expired(NOW, 10),
    "stored_requests.add": lambda store: store.stored_requests.add(a_stored_request()),
    "stored_requests.find": lambda store: store.stored_requests.find(KEY, NOW),
    "stored_requests.take": lambda store: store.stored_requests.take(KEY, NOW),
    "stored_requests.delete_expired": lambda store: store.stored_requests.delete_expired(NOW, 10),
    "sample_products.add": lambda store: store.sample_products.add(PRODUCT, new_id()),
    "sample_products.page": lambda store: store.sample_products.page(after=None, limit=10),
    "sample_products.page_of": lambda store: store.sample_products.page_of(USER.id, after=None, limit=10),
    "sample_products.remove": lambda store: store.sample_products.remove(PRODUCT.id, USER.id),
    "sample_products.remove_some_of": lambda store: store.sample_products.remove_some_of(USER.id, 10),
    "visits.add_one": lambda store: store.visits.add_one(),
    "role_books.load": lambda store: store.role_books.load(),
    "role_books.save": lambda store: store.role_books.save(RoleBook(1, {"editor": Role("editor")})),
    "guards.load": lambda store: store.guards.load("admins"),
    "guards.save": lambda store: store.guards.save("admins", Guard(1, (USER.id,))),
    "leases.take": lambda store: store.leases.take("purge", holder="a", now=NOW, until=NOW + MINUTE),
}
REPOSITORIES = {name for name, part in vars(Store).items() if isinstance(part, property)} - {"common_name"}

PATIENCE = 9.5
"""Seconds that a test waits for the refusal that should come within 3, on a busy machine, too; without deadlines of our
own the drivers wait for 10 and more."""


def test_a_store_answers(store: Store) -> None:
    store.ping()
    assert store.common_name


def test_every_operation_of_every_repository_is_covered_here(store: Store) -> None:
    assert {
        f"{name}.{verb}"
        for name in REPOSITORIES
        for verb, part in vars(type(getattr(store, name))).items()
        if callable(part) and not verb.startswith("_")
    } == OPERATIONS.keys() - {"ping"}


def test_every_operation_answers(store: Store) -> None:
    store.users.add(Account(USER, HASH))
    for operation in OPERATIONS.values():
        operation(store)


def test_preparing_again_changes_nothing(store: Store) -> None:
    user = a_user(email="ada@example.org")
    store.users.add(Account(user, HASH))
    store.prepare()
    assert store.users.page(after=None, limit=2, active_only=True) == [user]


def test_a_store_can_be_used_after_it_was_closed(store: Store) -> None:
    users = store.users
    user = a_user(email="ada@example.org")
    users.add(Account(user, HASH))
    store.close()
    store.close()
    assert users.page(after=None, limit=2, active_only=True) == [user]
    store.ping()


def test_a_store_serves_sixteen_threads_that_begin_at_once(store: Store, in_threads: InThreads) -> None:
    store.close()
    assert in_threads(lambda _: store.sessions.principal(new_id(), new_id(), NOW)) == [None] * 16


def prepare(store: Store, number: int, turn: int) -> None:
    del number, turn
    store.prepare()


def test_four_processes_may_prepare_a_store_at_once(store: Store, in_processes: InProcesses) -> None:
    in_processes(prepare)
    store.ping()


@pytest.fixture
def session(fragile: Fragile) -> Iterator[Session]:
    """A session in the store; its server answers again when the test is over, whatever happened."""
    fragile.clear()
    fragile.store.users.add(Account(USER, HASH))
    opened = a_session(USER)
    fragile.store.sessions.open(opened)
    yield opened
    fragile.server.start()
    fragile.server.thaw()
    wait_until(lambda: leads_to_its_user(fragile.store, opened), 60)


def refusals(store: Store) -> dict[str, object]:
    """What each operation raises when all are called at once."""
    asking = dict(OPERATIONS)
    if store.common_name != "MongoDB":
        del asking["events.gather"]  # SQL has nothing to gather, and asks nothing
    raised = failures([partial(operation, store) for operation in asking.values()])
    return dict(zip(asking, raised, strict=True))


def failures(asked: list[Callable[[], object]]) -> list[object]:
    """What each raises when all are called at once."""
    with ThreadPoolExecutor(len(asked)) as pool:
        begun = [pool.submit(ask) for ask in asked]
        _, late = wait(begun, PATIENCE)
        assert not late
        return [result.exception() for result in begun]


def leads_to_its_user(store: Store, session: Session) -> bool:
    try:
        return store.sessions.principal(session.id, session.user_id, NOW) is not None
    except Unavailable:
        return False


def assert_unavailable(refused: dict[str, object]) -> None:
    assert {name for name, failure in refused.items() if not isinstance(failure, Unavailable)} == set()
    unavailable = [failure for failure in refused.values() if isinstance(failure, Unavailable)]
    assert {failure.retry_after for failure in unavailable} == {1}
    assert all(failure.__cause__ is not None for failure in unavailable)


@pytest.mark.usefixtures("session")
def test_a_stopped_server_makes_every_operation_unavailable(fragile: Fragile) -> None:
    fragile.server.stop()
    assert_unavailable(refusals(fragile.store))
    assert_unavailable(refusals(fragile.store))


@pytest.mark.usefixtures("session")
def test_a_frozen_server_makes_every_operation_unavailable(fragile: Fragile) -> None:
    fragile.server.freeze()
    assert_unavailable(refusals(fragile.store))
    assert_unavailable(refusals(fragile.store))


def test_a_frozen_server_makes_sixteen_requests_at_once_unavailable(fragile: Fragile, session: Session) -> None:
    fragile.store.close()
    assert leads_to_its_user(fragile.store, session)
    fragile.server.freeze()
    ask = partial(fragile.store.sessions.principal, session.id, session.user_id, NOW)
    assert {type(failure) for failure in failures([ask] * THREADS)} == {Unavailable}


@pytest.mark.usefixtures("session")
def test_a_frozen_server_makes_a_store_without_connections_unavailable(fragile: Fragile) -> None:
    fragile.store.close()
    fragile.server.freeze()
    assert_unavailable(refusals(fragile.store))


def test_a_server_that_comes_back_is_used_again(fragile: Fragile, session: Session) -> None:
    fragile.server.stop()
    assert not leads_to_its_user(fragile.store, session)
    fragile.server.start()
    wait_until(lambda: leads_to_its_user(fragile.store, session), 60)


def test_a_server_that_goes_on_is_used_again(fragile: Fragile, session: Session) -> None:
    fragile.store.close()
    assert leads_to_its_user(fragile.store, session)
    fragile.server.freeze()
    ask = partial(fragile.store.sessions.principal, session.id, session.user_id, NOW)
    assert [type(failure) for failure in failures([ask])] == [Unavailable]
    fragile.server.thaw()
    wait_until(lambda: leads_to_its_user(fragile.store, session), 60)
