"""Stores as tests use them: with a name for each repository; and the outbox, with a mail server of the test."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from app.accounts.hash_mix.model import HashMixes
from app.accounts.held_emails.model import HeldEmails
from app.accounts.mail_requests.model import MailRequests
from app.accounts.model import Users
from app.administration.model import UserSearch
from app.api_keys.model import ApiKeys
from app.audit.chain.model import Checkpoints, Links
from app.audit.model import Events
from app.factors.ceremonies.model import Ceremonies
from app.factors.passkeys.model import Passkeys
from app.factors.totp_secrets.model import TotpSecrets
from app.features import REPOSITORIES
from app.jobs.model import Leases
from app.keys.model import Keyrings
from app.mail_login.model import MailLogins
from app.oauth.catalogue.model import CatalogueBooks
from app.oauth.client_documents.model import ClientDocuments
from app.oauth.clients.model import Clients
from app.oauth.codes.model import Codes
from app.oauth.consents.model import Consents
from app.oauth.device_codes.model import DeviceCodes
from app.oauth.logout_notices.model import LogoutNotices
from app.oauth.registration.model import RegistrationTokens
from app.oauth.requests.model import StoredRequests
from app.outbox.service import Outbox
from app.platform import clock as system
from app.recovery.mailroom import Mailroom
from app.roles.model import Guards, RoleBooks
from app.samples.products.model import SampleProducts
from app.samples.visits.model import Visits
from app.sessions.model import Sessions
from app.sessions.pending_logins.model import PendingLogins
from app.social.flows.model import Flows
from app.social.identities.model import Identities
from app.store.mongo.store import MongoStore
from app.store.sql.store import SqlStore
from app.throttle.model import LoginFailures
from app.webhooks.model import Deliveries, WebhookBooks

if TYPE_CHECKING:
    from typing import Any

    from pymongo import MongoClient

    from app.audit.model import AuditEvent
    from app.platform.clock import Clock
    from app.store.mongo.indexes import Index
    from app.store.sql.database import Database
    from app.store.store import Store as AnyStore
    from app.wiring import Wired

T = TypeVar("T")


@dataclass(frozen=True)
class Store:
    """Wraps a store; it is one itself."""

    inner: AnyStore

    @property
    def common_name(self) -> str:
        return self.inner.common_name

    def repository(self, kind: type[T]) -> T:
        return self.inner.repository(kind)

    def prepare(self) -> None:
        self.inner.prepare()

    def ping(self) -> None:
        self.inner.ping()

    def problems(self) -> list[str]:
        return self.inner.problems()

    def close(self) -> None:
        self.inner.close()

    @property
    def users(self) -> Users:
        return self.repository(Users)

    @property
    def user_search(self) -> UserSearch:
        return self.repository(UserSearch)

    @property
    def sessions(self) -> Sessions:
        return self.repository(Sessions)

    @property
    def consents(self) -> Consents:
        return self.repository(Consents)

    @property
    def logout_notices(self) -> LogoutNotices:
        return self.repository(LogoutNotices)

    @property
    def identities(self) -> Identities:
        return self.repository(Identities)

    @property
    def flows(self) -> Flows:
        return self.repository(Flows)

    @property
    def client_documents(self) -> ClientDocuments:
        return self.repository(ClientDocuments)

    @property
    def device_codes(self) -> DeviceCodes:
        return self.repository(DeviceCodes)

    @property
    def pending_logins(self) -> PendingLogins:
        return self.repository(PendingLogins)

    @property
    def mail_logins(self) -> MailLogins:
        return self.repository(MailLogins)

    @property
    def totp_secrets(self) -> TotpSecrets:
        return self.repository(TotpSecrets)

    @property
    def passkeys(self) -> Passkeys:
        return self.repository(Passkeys)

    @property
    def ceremonies(self) -> Ceremonies:
        return self.repository(Ceremonies)

    @property
    def clients(self) -> Clients:
        return self.repository(Clients)

    @property
    def catalogue_books(self) -> CatalogueBooks:
        return self.repository(CatalogueBooks)

    @property
    def registration_tokens(self) -> RegistrationTokens:
        return self.repository(RegistrationTokens)

    @property
    def codes(self) -> Codes:
        return self.repository(Codes)

    @property
    def stored_requests(self) -> StoredRequests:
        return self.repository(StoredRequests)

    @property
    def held_emails(self) -> HeldEmails:
        return self.repository(HeldEmails)

    @property
    def hash_mixes(self) -> HashMixes:
        return self.repository(HashMixes)

    @property
    def mail_requests(self) -> MailRequests:
        return self.repository(MailRequests)

    @property
    def events(self) -> Events:
        return self.repository(Events)

    @property
    def links(self) -> Links:
        return self.repository(Links)

    @property
    def checkpoints(self) -> Checkpoints:
        return self.repository(Checkpoints)

    @property
    def login_failures(self) -> LoginFailures:
        return self.repository(LoginFailures)

    @property
    def keyrings(self) -> Keyrings:
        return self.repository(Keyrings)

    @property
    def leases(self) -> Leases:
        return self.repository(Leases)

    @property
    def role_books(self) -> RoleBooks:
        return self.repository(RoleBooks)

    @property
    def guards(self) -> Guards:
        return self.repository(Guards)

    @property
    def api_keys(self) -> ApiKeys:
        return self.repository(ApiKeys)

    @property
    def sample_products(self) -> SampleProducts:
        return self.repository(SampleProducts)

    @property
    def visits(self) -> Visits:
        return self.repository(Visits)

    @property
    def webhook_books(self) -> WebhookBooks:
        return self.repository(WebhookBooks)

    @property
    def deliveries(self) -> Deliveries:
        return self.repository(Deliveries)


def sql_store(url: str, *, clock: Clock = system.now) -> Store:
    """The store at this URL, with all repositories."""
    return Store(SqlStore(url, REPOSITORIES, clock=clock))


def mongo_store(uri: str, database: str, *, client: MongoClient[dict[str, Any]] | None = None) -> Store:
    """The store at this URI, with all repositories."""
    return Store(MongoStore(uri, database, REPOSITORIES, client=client))


def end_sessions(store: Store, user_id: str, keep: str | None) -> bool:
    """End all sessions of an active user except `keep`; False if there is no such user."""
    while True:
        account = store.users.account(user_id)
        if account is None or account.user.status != "active":
            return False
        if store.users.save(account.in_new_epoch(keep=keep)):
            return True


def events_of(store: Store, user_id: str) -> list[AuditEvent]:
    """All events of a user, the newest first."""
    return store.events.page_of(user_id, before=None, limit=1000)


def database_of(store: Store) -> Database:
    """The database of a store on SQL, to look behind the repositories."""
    assert isinstance(store.inner, SqlStore)
    return store.inner._database  # noqa: SLF001 - see above


def indexes_of(store: Store) -> tuple[Index, ...]:
    """The indexes that a store on MongoDB creates."""
    assert isinstance(store.inner, MongoStore)
    return store.inner.indexes


def outbox_of(wired: Wired, **of_mailroom: Any) -> Outbox:
    """The outbox of an instance; with these fields of its mailroom instead, for example `mailer`."""
    outbox, mailroom = wired.get(Outbox), wired.get(Mailroom)
    replaced = replace(mailroom, **of_mailroom)

    def rebound(handler: Any) -> Any:
        return handler.__func__.__get__(replaced) if getattr(handler, "__self__", None) is mailroom else handler

    boxes = (
        replace(box, handlers={kind: rebound(handler) for kind, handler in box.handlers.items()})
        for box in outbox.boxes
    )
    return replace(outbox, boxes=tuple(boxes))
