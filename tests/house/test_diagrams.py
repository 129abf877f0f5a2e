"""The diagrams show what the code has: its packages, and what both kinds of stores keep."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from app.accounts.account import Account
from app.accounts.factors import FactorRecovery, ListedPasskey, ListedTotp, RecoveryCode
from app.accounts.hash_mix.model import Mix
from app.accounts.imported import Imported, LinkedIdentity, SealedTotp
from app.accounts.mail_requests.model import MailRequest, PendingRegistration
from app.accounts.model import User
from app.accounts.notices import Notice
from app.accounts.under_way import Impersonation, ListedIdentity, ListedKey, LiveCode, PendingEmail, UndoOffer
from app.api_keys.model import ApiKey
from app.audit.chain.model import Checkpoint, Link
from app.audit.model import AuditEvent
from app.audit.mongo import NEW_EVENTS, documents_of
from app.factors.totp_secrets.model import TotpSecret
from app.keys.model import StoredKey, StoredKeyring
from app.mail_login.model import MailLogin
from app.oauth.catalogue.model import CatalogueBook, CatalogueBooks, Resource, Scope
from app.oauth.clients.model import Client, Clients, ClientSecret, Workload
from app.oauth.codes.model import Codes
from app.oauth.consents.model import Consents
from app.oauth.registration.model import RegistrationToken, RegistrationTokens
from app.oauth.requests.model import StoredRequests
from app.oauth.revoked_tokens.model import RevokedTokens
from app.outbox.model import Entry
from app.roles.model import Guard, Role, RoleBook
from app.samples.products.model import SampleProduct
from app.sessions.model import Session
from app.sessions.pending_logins.model import PendingLogin
from app.social.flows.model import Flow, Flows
from app.social.identities.model import Identities, Identity
from app.store.sql.schema import METADATA
from app.throttle.model import FailureCount
from app.webhooks.model import Delivery, SealedSecret, Webhook, WebhookBook
from tests.contract.entities import (
    a_ceremony,
    a_client_document,
    a_code,
    a_consent,
    a_device_code,
    a_logout_notice,
    a_passkey,
    a_stored_request,
    an_impersonation,
)
from tests.contract.mongo_stores import in_memory
from tests.stores import Store, end_sessions, indexes_of, mongo_store, sql_store
from tests.tools import house

ROOT = Path(__file__).parents[2]
ARCHITECTURE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
INDEXES = indexes_of(mongo_store("", "latchkey", client=in_memory()))
sql_store("sqlite://").close()  # which imports all repositories, and with them all tables
_, ON_MONGO, ON_SQL = re.split(
    r"^## (?:MongoDB|SQL)$", (ROOT / "docs/data_model.md").read_text(encoding="utf-8"), flags=re.MULTILINE
)
NOW = datetime(2026, 1, 31, tzinfo=UTC)
LATER = datetime(2026, 2, 1, tzinfo=UTC)
SHOP: dict[str, Any] = {"id": "c", "name": "Shop", "kind": "confidential", "created_at": NOW}
EMBEDDED: dict[str, tuple[str, Any]] = {
    "codes": ("users", LiveCode),
    "pending_email": ("users", PendingEmail),
    "undo_offers": ("users", UndoOffer),
    "impersonations": ("users", Impersonation),
    "outbox": ("users", Entry),
    "listed_keys": ("users", ListedKey),
    "imported": ("users", Imported),
    "totp": ("users", ListedTotp),
    "recovery_codes": ("users", RecoveryCode),
    "factor_recovery": ("users", FactorRecovery),
    "passkeys": ("users", ListedPasskey),
    "identities": ("users", ListedIdentity),
    NEW_EVENTS: ("users", AuditEvent),
    "registration": ("mail_requests", PendingRegistration),
    "keys": ("keyrings", StoredKey),
    "roles": ("role_books", Role),
    "webhooks": ("webhook_books", Webhook),
    "secrets": ("clients", ClientSecret),
    "workload": ("clients", Workload),
    "scopes": ("oauth_catalogues", Scope),
    "resources": ("oauth_catalogues", Resource),
}
"""What is embedded, in which collection, and its class."""


def test_the_packages_and_their_imports_are_those_of_the_code() -> None:
    refresh = "the packages or their imports have changed: run `python -m tests.tools.house`"
    assert house.rewritten(ARCHITECTURE) == ARCHITECTURE, refresh


def test_the_tables_have_these_columns_and_keys() -> None:
    assert _entities(ON_SQL) == {
        table.name: {column.name: _key(table.name, column) for column in table.columns}
        for table in METADATA.tables.values()
    }


def test_the_columns_that_may_be_null_say_so() -> None:
    nullable = {
        (table.name, column.name) for table in METADATA.tables.values() for column in table.columns if column.nullable
    }
    assert _remarked(ON_SQL, "null ") == nullable


def test_the_tables_have_these_indexes() -> None:
    assert _indexes(ON_SQL) == {
        (table.name, index.name, index.unique) for table in METADATA.tables.values() for index in table.indexes
    }


def test_the_collections_have_these_fields(documents: dict[str, dict[str, Any]]) -> None:
    shown = {name: set(keys) for name, keys in _entities(ON_MONGO).items()}
    assert shown == {name: set(document) for name, document in documents.items()}


def test_the_fields_that_may_be_absent_say_so(
    least: dict[str, dict[str, Any]], documents: dict[str, dict[str, Any]]
) -> None:
    absent = {(name, field) for name, document in least.items() for field in documents[name].keys() - document.keys()}
    assert _remarked(ON_MONGO, "if ", "once ") == absent


def test_the_collections_have_these_indexes() -> None:
    assert _indexes(ON_MONGO) == {(index.collection, index.name, index.unique) for index in INDEXES}
    unique = {(index.collection, index.field) for index in INDEXES if index.unique and not index.then}
    assert {
        (name, field) for name, keys in _entities(ON_MONGO).items() for field, key in keys.items() if key == "UK"
    } == unique


@pytest.mark.parametrize("embedded", EMBEDDED)
def test_what_is_embedded_has_the_fields_of_its_class(embedded: str) -> None:
    _, kind = EMBEDDED[embedded]
    names = [field.name for field in fields(kind)]
    if embedded == NEW_EVENTS:  # the documents that they become
        names[0] = "_id"
    assert list(_entities(ON_MONGO)[embedded]) == names


def test_what_is_embedded_is_shown_in_its_document() -> None:
    pairs = re.findall(r'^    (\w+) \S+ (\w+) : "embeds"$', ON_MONGO, re.MULTILINE)
    assert {embedded: collection for collection, embedded in pairs} == {
        embedded: collection for embedded, (collection, _) in EMBEDDED.items()
    }


@pytest.fixture
def documents() -> dict[str, dict[str, Any]]:
    """One document of each collection, with everything it can hold today, and one of each kind that is embedded."""
    user = User("u", "ann@example.com", False, "ann", "Ann", ("member",), "active", NOW)  # noqa: FBT003 - a field
    account = Account(
        user,
        "hash",
        codes=(LiveCode("c", "verify", NOW),),
        pending_email=PendingEmail("p", "ann@example.org", NOW),
        undo_offers=(UndoOffer("o", "ann@example.net", NOW),),
        outbox=(Notice("n", "verify_email", "ann@example.com", NOW, {"ip": "127.0.0.1"}, "c").entry(),),
        impersonations=(an_impersonation(),),
        returns_as="invited",
        given_email=True,
        demotions=1,
        breach_told_in=1,
        imported=Imported("7", "django", (LinkedIdentity("google", "117"),), (SealedTotp("root", "sealed"),)),
        attack_told_at=NOW,
        due_at=NOW,
        listed_keys=(ListedKey("k", NOW),),
        totp=(ListedTotp("t", NOW, NOW),),
        recovery_codes=(RecoveryCode("r", 0, "salt", "digest", NOW),),
        factor_recovery=FactorRecovery("f", "ann@example.com", 0, NOW, LATER, NOW),
        passkeys=(ListedPasskey("k", "My phone"),),
        identities=(ListedIdentity("i", "google"),),
        user_handle="handle",
    )
    registration = PendingRegistration("ann", "Ann", password_hash="hash")
    database, store = _database()
    store.users.add(account)
    login = Session("login", user.id, 0, b"seed", 0, NOW, NOW, LATER, LATER, "127.0.0.1", "curl", None, NOW, "pwd")
    store.sessions.open(login)
    of_client: dict[str, Any] = {
        "client_id": "c", "first_party": False, "scopes": "openid", "resources": "https://a/", "parent_id": "login",
        "dpop_jkt": "k",
    }  # fmt: skip
    store.sessions.open(replace(login, id="s", **of_client))
    database["sessions"].delete_one({"_id": "login"})
    _fill_oauth(store, user)
    store.pending_logins.add(PendingLogin("p", user.id, 0, "pwd", NOW, "login", LATER, "username:ann", "d", 0, "x"))
    store.totp_secrets.add(TotpSecret("t", user.id, "root", "sealed", LATER, 1, NOW))
    store.passkeys.add(a_passkey(user, last_used_at=NOW))
    store.ceremonies.add(a_ceremony(owner="s", user_id=user.id))
    store.mail_logins.add(MailLogin("m", "a@example.com", "127.0.0.1", "curl", NOW, LATER, NOW, 1, user.id, 0, 1))
    _fill_social(store, user)
    store.sessions.rotate("s", 0, now=NOW, idle_expires_at=LATER, ip="127.0.0.1")
    end_sessions(store, user.id, "s")
    store.held_emails.hold("ann@example.net", user.id, now=NOW, until=NOW)
    store.mail_requests.add(MailRequest("m", "register", "ann@example.com", NOW, NOW, NOW, registration=registration))
    event = AuditEvent(
        "e", user.id, "login", NOW, "127.0.0.1", "curl", NOW, {"by": "password"}, "a", "success", "r", "s", "d", "m"
    )
    store.events.add(event)
    # As a crash right after the write leaves it.
    database["users"].update_one({}, {"$push": {NEW_EVENTS: {"$each": documents_of([event])}}})
    assert store.links.append([Link(1, "e", NOW, NOW, "signed", "content", "hash", "root", "mac")])
    assert store.checkpoints.add(Checkpoint(1, 1, NOW, NOW, "token", "root", "mac"))
    store.login_failures.advance("key", None, FailureCount(1, NOW, NOW))
    store.keyrings.save(StoredKeyring(1, (StoredKey("kid", "ES256", NOW, NOW, "root", "sealed"),)))
    editor = Role("editor", ("users:read",), "Edits.", narrowed=1, require_second_factor=True)
    store.role_books.save(RoleBook(1, {"editor": editor}))
    store.guards.save("admins", Guard(1, ("u",)))
    store.api_keys.add(ApiKey("k", user.id, b"digest", "Backup", ("users:read",), NOW, LATER, NOW))
    store.repository(Consents).allow(a_consent(user, created_at=NOW), "s", most=1)
    store.logout_notices.add([a_logout_notice()])
    answered: dict[str, Any] = {"polled_at": NOW, "user_id": user.id, "auth_epoch": 0, "authenticated_at": NOW}
    store.device_codes.add(a_device_code(**answered, amr="pwd"))
    store.hash_mixes.save(Mix(NOW, {"dummy": 1}))
    sealed = SealedSecret("sealed", "root")
    of_webhook: dict[str, Any] = {
        "description": "The shop",
        "owner_id": "u",
        "failing_since": NOW,
        "disabled_for": "gone",
    }
    webhook = Webhook("w", "https://", ("*",), NOW, sealed, former=sealed, former_until=NOW, **of_webhook)
    store.webhook_books.save(WebhookBook(1, (webhook,)))
    store.deliveries.add(Delivery("d", "w", "user.created", "{}", NOW, NOW, LATER, "u", "failed", 1, 500, "It failed."))
    store.leases.take("purge", holder="me", now=NOW, until=NOW)
    store.sample_products.add(SampleProduct("p", user.id, "Lamp", Decimal("19.99"), "Bends.", NOW), "s")
    store.visits.add_one()
    kept = store.users.account(user.id)
    assert kept is not None
    assert store.users.save(kept.with_user(status="disabled"))
    database["users"].update_one({}, {"$set": {"kind": "service"}})  # which no person has
    return _with_embedded({name: database[name].find_one() for name in database.list_collection_names()})


@pytest.fixture
def least() -> dict[str, dict[str, Any]]:
    """The documents with as little as each can have: of a user before the first login, of a new session, ..."""
    user = User("u", None, False, None, None, (), "active", NOW)  # noqa: FBT003 - a field
    outbox = (Notice("n", "login", "ann@example.com", NOW).entry(),)
    imported = Imported("7", "django")
    factors: dict[str, Any] = {
        "totp": (ListedTotp("t", NOW),),
        "recovery_codes": (RecoveryCode("r", 0, "salt", "digest"),),
        "factor_recovery": FactorRecovery("f", "ann@example.com", 0, NOW, LATER),
        "passkeys": (ListedPasskey("k", "My phone"),),
        "identities": (ListedIdentity("i", "google"),),
    }
    account = Account(user, None, outbox=outbox, impersonations=(an_impersonation(),), imported=imported, **factors)
    registration = PendingRegistration(password_hash="hash")
    database, store = _database()
    store.users.add(Account(user, None))
    found = {"users": database["users"].find_one()}
    bare = AuditEvent("e", "u", "login", NOW, None, None, NOW)
    database["users"].update_one({}, {"$push": {NEW_EVENTS: {"$each": documents_of([bare])}}})
    store.sessions.open(Session("s", "u", 0, b"seed", 0, NOW, NOW, LATER, LATER, "127.0.0.1", "curl"))
    store.sample_products.add(SampleProduct("p", "u", "Lamp", Decimal("19.99"), None, NOW), "s")
    store.users.save(account)
    store.mail_requests.add(MailRequest("m", "register", "ann@example.com", NOW, NOW, None))
    found["mail_requests"] = database["mail_requests"].find_one()
    store.mail_requests.remove("m")
    store.mail_requests.add(MailRequest("m", "register", "ann@example.com", NOW, NOW, None, registration=registration))
    store.events.add(AuditEvent("e", "u", "login", NOW, None, None, NOW))
    store.role_books.save(RoleBook(1, {"editor": Role("editor")}))
    store.api_keys.add(ApiKey("k", "u", b"digest", "Backup", (), NOW, LATER))
    store.webhook_books.save(WebhookBook(1, (Webhook("w", "https://", ("*",), NOW, SealedSecret("sealed", "root")),)))
    store.logout_notices.add([a_logout_notice()])
    store.deliveries.add(Delivery("d", "w", "webhook.test", "{}", NOW, None, LATER))
    store.repository(Consents).allow(a_consent(user, last_used_at=None, created_at=NOW), "s", most=1)
    store.device_codes.add(a_device_code())
    store.repository(Clients).add(Client(id="c", name="Shop", kind="public", created_at=NOW))
    store.repository(Codes).add(a_code(user, parent_id=None, nonce=None))
    names = (
        "users",
        "oauth_consents",
        "sessions",
        "mail_requests",
        "events",
        "sample_products",
        "role_books",
        "api_keys",
    )
    store.pending_logins.add(PendingLogin("p", "u", 0, "pwd", NOW, "login", LATER))
    store.totp_secrets.add(TotpSecret("t", "u", "root", "sealed"))
    store.passkeys.add(a_passkey(user))
    store.ceremonies.add(a_ceremony())
    store.mail_logins.add(MailLogin("m", "a@example.com", "127.0.0.1", "curl", NOW, LATER, None))
    of_factors = ("pending_logins", "mail_logins", "totp_secrets", "passkey_credentials", "ceremonies")
    of_providers = ("provider_identities", "provider_flows")
    secret, resource = ClientSecret("s", "digest", NOW), Resource("https://a/", "A")
    shop: dict[str, Any] = {"secrets": (secret,), "workload": Workload("https://b", "s")}
    found["clients"] = database["clients"].find_one()
    store.repository(Clients).save(Client(**SHOP, **shop, revision=1))
    store.repository(CatalogueBooks).save(CatalogueBook(1, (Scope("a", "A."),), (resource,)))
    of_oauth = (
        "oauth_consents", "logout_notices", "oauth_device_codes", "oauth_codes", "clients", "oauth_catalogues"
    )  # fmt: skip
    more = ("webhook_books", "webhook_deliveries", *of_oauth, *of_providers, *of_factors)
    store.repository(Identities).add(Identity("i", "d", "u", "google", "https://", "1", None, NOW))
    store.repository(Flows).add(Flow("f", "google", "login", "b", LATER))
    return _with_embedded({name: database[name].find_one() for name in (*names, *more)}) | found


def _fill_oauth(store: Store, user: User) -> None:
    """One of each entity of the authorization server, except those that other parts of the service write, too."""
    uris, names = ("https://a/cb",), ("openid",)
    of_client: dict[str, Any] = {"secrets": (ClientSecret("s", "digest", NOW, LATER),), "session_seconds": 60}
    of_client |= {"created_by": "u", "registered_with": "t", "backchannel_logout_uri": "https://a/ended"}
    of_client |= {"dpop_bound_access_tokens": True}
    of_client |= {"jwks": "{}", "jwks_uri": "https://a/keys", "workload": Workload("https://b", "s", "a")}
    of_client |= {"redirect_uris": uris, "post_logout_redirect_uris": uris, "scopes": names, "resources": uris}
    store.repository(Clients).add(Client(**SHOP, **of_client))
    book = CatalogueBook(1, (Scope("a", "A."),), (Resource("https://a/", "A", ("a",)),))
    assert store.repository(CatalogueBooks).save(book)
    store.repository(RegistrationTokens).add(RegistrationToken("t", "u", NOW, LATER, 1))
    store.repository(StoredRequests).add(a_stored_request())
    code = a_code(user, parent_id="s", nonce="n", expires_at=LATER, dpop_jkt="k")
    assert store.repository(Codes).add(code)
    assert store.repository(Codes).spend(code.id, code.client_id, "s", NOW)
    assert store.repository(Codes).note_reuse(code.id, code.client_id, NOW)
    store.repository(RevokedTokens).add("j", LATER)
    store.client_documents.keep(a_client_document())


def _fill_social(store: Store, user: User) -> None:
    store.repository(Identities).add(Identity("i", "d", user.id, "google", "https://", "1", "a@example.com", NOW, NOW))
    store.repository(Flows).add(
        Flow("f", "google", "link", "b", LATER, "https://", "c", user.id, "s", "{}", NOW, "code", "{}")
    )


def _with_embedded(documents: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The documents, and beside them those that they embed, the first one of several."""
    embedded = {name: documents.get(collection, {}).get(name) for name, (collection, _) in EMBEDDED.items()}
    return documents | {
        name: found[0] if isinstance(found, list) else found for name, found in embedded.items() if found
    }


def _database() -> tuple[Any, Store]:
    client: Any = in_memory()
    return client["latchkey"], mongo_store("", "latchkey", client=client)


def _key(table: str, column: Any) -> str:
    if column.primary_key:
        return "PK"
    if column.foreign_keys:
        return "FK"
    unique = {tuple(index.columns) for index in METADATA.tables[table].indexes if index.unique}
    return "UK" if (column,) in unique else ""


def _fields(section: str) -> list[tuple[str, str, str, str]]:
    """Entity, field, key and remark of each line of an erDiagram."""
    return [
        (entity, *line)
        for entity, body in re.findall(r"^    (\w+) \{\n(.*?)^    \}$", section, re.MULTILINE | re.DOTALL)
        for line in re.findall(r'^ {8}\w+ (\w+)(?: (PK|FK|UK))?(?: "(.*)")?$', body, re.MULTILINE)
    ]


def _entities(section: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for entity, field, key, _ in _fields(section):
        found.setdefault(entity, {})[field] = key
    return found


def _remarked(section: str, *remarks: str) -> set[tuple[str, str]]:
    return {(entity, field) for entity, field, _, remark in _fields(section) if remark.startswith(remarks)}


def _indexes(section: str) -> set[tuple[str, str, bool]]:
    rows = re.findall(r"^\| `(\w+)\.([\w.-]+)` \| (yes)?", section, re.MULTILINE)
    return {(table, index, bool(unique)) for table, index, unique in rows}
