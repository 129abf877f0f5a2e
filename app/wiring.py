"""The composition root: builds what all features work with, then each feature from its declaration.

Nothing here opens a connection or starts a thread: that happens at first use, in the worker, after the fork.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from app.accounts.passwords import BreachCheck
from app.accounts.publisher import Publishers
from app.audit.late_events import LateEvents
from app.bootstrap.first_administrator import FirstAdministrator
from app.dependencies import (
    make_breaches,
    make_hooks,
    make_mailer,
    make_metrics,
    make_rates,
    make_redis,
    make_secrets,
    make_store,
    make_tracing,
)
from app.feature import (
    Boxes,
    DeclaredPermissions,
    EntryHandlers,
    Erasers,
    ExpiringRepositories,
    LiveCallers,
    LoginMethods,
    LoginReasons,
    LoginSettlings,
    MailKinds,
    Resealers,
    SealedKinds,
)
from app.features import FEATURES, PERMISSIONS, REPOSITORIES
from app.health.service import HealthService
from app.hooks.calls import Hooks
from app.jobs.model import Leases
from app.jobs.workers import Jobs
from app.keys.service import KeyService
from app.mail.mail import Mailer
from app.outbox.courier import Courier
from app.outbox.service import Outbox
from app.platform import clock as system
from app.platform.container import Container
from app.platform.errors import Unavailable
from app.platform.failure import StartError
from app.platform.instrumentation import NOBODY, Exposition, together
from app.platform.log import reason_of
from app.roles.service import Roles
from app.security import blocklist
from app.security.egress import Egress
from app.security.hash_pool import HashPool
from app.security.secret_keys import LeakedSecretError, SealedError, SecretKeys
from app.store.observed import observed
from app.store.redis import RedisServer
from app.store.store import Store
from app.store.unusable import UnusableStoreError
from app.web.rates import Rates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from app.config import Settings
    from app.feature import BackgroundThread
    from app.metrics.exposition import Metrics
    from app.platform.clock import Clock
    from app.platform.container import Factory
    from app.platform.instrumentation import Observer
    from app.platform.tracing import Tracing
    from app.web.caller import Authenticator

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")
STORE_PATIENCE = 30
"""Seconds that a start waits for a store that is down."""
_log = structlog.get_logger("latchkey.start")


@dataclass(frozen=True, slots=True)
class Wired:
    """The application: its parts, and what runs in the background."""

    parts: Container
    authenticators: tuple[Authenticator[Any], ...]
    """Of each kind of token that the Authorization header may hold."""
    page_authenticator: Authenticator[Any] | None
    """Of the cookie of our own pages; None where the settings turn these off."""
    registered_origins: tuple[Callable[[str], bool], ...]
    """What says whether an origin is one whose pages may read what `origins="registered"` declares."""
    jobs: Jobs
    courier: Courier
    threads: tuple[BackgroundThread, ...]
    """What else the features run in the background."""
    metrics: Metrics | None
    tracing: Tracing | None

    @property
    def settings(self) -> Settings:
        """What the operator has set."""
        return self.parts.settings

    @property
    def store(self) -> Store:
        """The store, with all repositories."""
        return self.parts.get(Store)

    @property
    def observer(self) -> Observer:
        """Metrics and tracing, as far as they are on."""
        return self.parts.observer

    def get(self, kind: type[T]) -> T:
        """The part of this type; raises LookupError if the settings turn it off."""
        return self.parts.get(kind)

    def find(self, kind: type[T]) -> T | None:
        """The part of this type, or None if the settings turn it off."""
        return self.parts.find(kind)

    def prepare(self) -> None:
        """Make the store ready, as a start does, but do not wait for one that is down. Raises StartError."""
        prepare(self.settings, patience=0, serves=False)

    def start(self) -> None:
        """Start the background work; call it after the fork."""
        if self.metrics is not None:
            self.metrics.start()
        if self.tracing is not None:
            self.tracing.start()
        self.jobs.start()
        self.courier.start()
        self.get(LateEvents).start()
        for thread in self.threads:
            thread.start()

    def close(self) -> None:
        """End the threads and connections of this process."""
        self.jobs.stop()
        self.courier.stop()
        self.get(LateEvents).stop()
        for thread in self.threads:
            thread.stop()
        self.get(HashPool).close()
        if hooks := self.find(Hooks):
            hooks.close()
        self.get(HealthService).close()
        self.store.close()
        for part in (self.find(RedisServer), self.metrics, self.tracing):
            if part is not None:
                part.close()


def build(settings: Settings, *, clock: Clock = system.now, store: Store | None = None, watched: bool = True) -> Wired:
    """Build the application; `store` replaces the store of the settings, and `clock` the system's clock.

    Metrics and tracing are on if the settings turn them on and `watched` is True.
    Raises StartError if the settings name something that does not exist, or the secret cannot be read or made, and
    ValueError if two features declare the same.
    """
    store = store or make_store(settings, REPOSITORIES)
    metrics, tracing = (make_metrics(settings), make_tracing(settings, store)) if watched else (None, None)
    observer = together(metrics.counts if metrics else None, tracing)
    if observer is not NOBODY:
        store = observed(store, observer)
    blocklist.load()  # before the fork, so that the workers share it
    of_features = [feature.services for feature in FEATURES]
    factories = _merged([_shared(store, metrics), _repositories(store), *of_features, _collected()])
    parts = Container(settings, clock, observer, factories)
    parts.build_all()
    if metrics is not None:
        for make in (make for feature in FEATURES for make in feature.queues):
            metrics.watch(make(parts))
    jobs = [make(parts) for feature in FEATURES for make in feature.jobs]
    _merged([{job.name: job} for job in jobs])  # of two with one name, the lease would let one run
    return Wired(
        parts=parts,
        authenticators=tuple(parts.get(kind) for feature in FEATURES for kind in feature.authenticators),
        page_authenticator=_page_authenticator(parts),
        registered_origins=tuple(
            feature.registered_origins(parts) for feature in FEATURES if feature.registered_origins is not None
        ),
        jobs=Jobs(jobs, parts.get(Leases), clock, observer),
        courier=Courier(parts.get(Outbox)),
        threads=tuple(make(parts) for feature in FEATURES for make in feature.threads),
        metrics=metrics,
        tracing=tracing,
    )


def _page_authenticator(parts: Container) -> Authenticator[Any] | None:
    """Of the cookie of pages. Raises ValueError if two features have one."""
    kinds = [feature.page_authenticator for feature in FEATURES if feature.page_authenticator is not None]
    if len(kinds) > 1:
        raise ValueError("two features authenticate the cookie of pages")
    return parts.find(kinds[0]) if kinds else None


def _shared(store: Store, metrics: Metrics | None) -> dict[type, Factory]:
    """What belongs to no feature."""
    return {
        Store: lambda _: store,
        SecretKeys: lambda parts: make_secrets(parts.settings),
        RedisServer: lambda parts: make_redis(parts.settings),
        Rates: lambda parts: make_rates(parts.settings),
        Mailer: lambda parts: make_mailer(parts.settings),
        BreachCheck: lambda parts: make_breaches(parts.settings),
        HashPool: _hash_pool,
        Hooks: lambda parts: make_hooks(parts.settings),
        Egress: lambda parts: Egress(parts.settings.egress.allow),
        Exposition: lambda _: metrics,
    }


def _hash_pool(parts: Container) -> HashPool:
    passwords = parts.settings.passwords
    return HashPool(
        threads=passwords.hash_threads,
        queue=passwords.hash_queue,
        deadline=passwords.hash_deadline_seconds,
        observer=parts.observer,
    )


def _repositories(store: Store) -> dict[type, Factory]:
    def factory(kind: type) -> Factory:
        return lambda _: store.repository(kind)

    return {kind: factory(kind) for kind in REPOSITORIES}


def _collected() -> dict[type, Factory]:
    """What is collected from the declarations of all features."""
    return {
        DeclaredPermissions: lambda _: DeclaredPermissions(PERMISSIONS),
        MailKinds: lambda _: _mail_kinds(),
        EntryHandlers: _entry_handlers,
        LiveCallers: _live_callers,
        Publishers: lambda parts: Publishers(
            tuple(made for feature in FEATURES for make in feature.publishers if (made := make(parts)) is not None)
        ),
        LoginReasons: lambda parts: LoginReasons(
            tuple(make(parts) for feature in FEATURES for make in feature.login_reasons)
        ),
        LoginMethods: lambda parts: LoginMethods(
            tuple(make(parts) for feature in FEATURES for make in feature.login_methods)
        ),
        LoginSettlings: lambda parts: LoginSettlings(
            tuple(make(parts) for feature in FEATURES for make in feature.login_settlings)
        ),
        Boxes: lambda parts: Boxes(tuple(make(parts) for feature in FEATURES for make in feature.boxes)),
        Erasers: lambda parts: Erasers(tuple(feature.erase(parts) for feature in FEATURES if feature.erase)),
        Resealers: lambda parts: Resealers(tuple(feature.reseals(parts) for feature in FEATURES if feature.reseals)),
        SealedKinds: lambda parts: SealedKinds(tuple(feature.sealed(parts) for feature in FEATURES if feature.sealed)),
        ExpiringRepositories: lambda parts: ExpiringRepositories(
            tuple(parts.get(kind) for feature in FEATURES for kind in feature.expires)
        ),
    }


def _mail_kinds() -> MailKinds:
    kinds = _merged([{kind.name: kind} for feature in FEATURES for kind in feature.mails])
    return MailKinds(tuple(kinds.values()))


def _entry_handlers(parts: Container) -> EntryHandlers:
    makers = _merged([feature.handlers for feature in FEATURES])
    return EntryHandlers({kind: make(parts) for kind, make in makers.items()})


def _live_callers(parts: Container) -> LiveCallers:
    makers = _merged([feature.live for feature in FEATURES])
    return LiveCallers({kind: make(parts) for kind, make in makers.items()})


def _merged(declarations: Iterable[Mapping[K, V]]) -> dict[K, V]:
    """All of these together; raises ValueError for what two of them declare, since one would replace the other."""
    merged: dict[K, V] = {}
    for declared in declarations:
        if twice := merged.keys() & declared.keys():
            raise ValueError(f"declared twice: {', '.join(sorted(map(str, twice)))}")
        merged |= declared
    return merged


def prepare(settings: Settings, *, patience: float = STORE_PATIENCE, serves: bool = True) -> None:
    """Make the store ready, once, before any worker: schema or indexes, and the signing keys; and check the roles.

    If this process `serves`, the first administrator is invited, too: their link has to be where the service runs.
    Uses connections of its own, closed at the end. Waits up to `patience` seconds for a store that is down.
    Raises StartError if it stays down, if no secret opens the keyring in it, or if a role of new users is not in it.
    """
    wired = build(settings, watched=False)
    deadline = time.monotonic() + patience
    if serves:
        _warn(settings)
    try:
        while True:
            try:
                _prepare_once(wired, serves=serves)
            except Unavailable as error:
                if time.monotonic() >= deadline:
                    raise StartError(
                        f"{wired.store.common_name} does not answer ({reason_of(error)});"
                        " check MONGO_URI or DATABASE_URL, and that the server runs"
                    ) from None
                _log.warning("waiting for the store", store=wired.store.common_name)
                time.sleep(1)
            else:
                return
    except OSError as error:
        raise StartError(
            f"DATABASE_URL: {wired.store.common_name} cannot be made ready ({error.strerror});"
            " let this user write to the folder of the database"
        ) from None
    except UnusableStoreError as error:
        raise StartError(f"{wired.store.common_name}: {error}") from None
    except LeakedSecretError as error:
        raise StartError(f"SECRET_KEY: {error} (flask secrets leaked): set the new one in its place") from None
    except SealedError as error:
        raise StartError(
            f"SECRET_KEY: {error}; set the SECRET_KEY that this store was used with, here or in SECRET_KEY_FALLBACKS,"
            " or, if it is lost or was never the right one, drop what it seals: flask keys revoke --unopened"
        ) from None
    finally:
        wired.close()


def _warn(settings: Settings) -> None:
    """Log what an operator may not expect of their settings."""
    for subject, problems in (("passkeys", settings.passkeys.problems()), ("oauth", settings.oauth.problems())):
        for problem in problems:
            _log.warning(subject, problem=problem)


def _prepare_once(wired: Wired, *, serves: bool) -> None:
    wired.store.prepare()
    wired.get(KeyService).ensure()
    _check_default_roles(wired)
    for reseal in wired.get(Resealers).resealers:
        reseal()
    if serves:
        wired.get(FirstAdministrator).ensure()


def _check_default_roles(wired: Wired) -> None:
    """Raises StartError if new users would get a role that does not exist."""
    roles = wired.get(Roles)
    if unknown := roles.unknown(wired.settings.accounts.default_roles):
        raise StartError(
            f"DEFAULT_ROLES: there is no role {unknown[0]}; the roles are {', '.join(roles.names())}"
            " (flask roles load adds the sample roles)"
        )
