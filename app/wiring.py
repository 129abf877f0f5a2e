"""The composition root: the one place that reads the settings and builds what the services work with.

Nothing here opens a connection or starts a thread: that happens at first use, in the worker, after the fork.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from app.accounts.credentials import CredentialService
from app.accounts.deletion import DeletionService
from app.accounts.directory import DirectoryService
from app.accounts.fields import InputRules
from app.accounts.model import ERASE
from app.accounts.passwords import PasswordService
from app.accounts.profile import ProfileService
from app.accounts.registration import RegistrationService
from app.accounts.service import Accounts
from app.audit.service import Audit
from app.dependencies import (
    StartError,
    make_breaches,
    make_mailer,
    make_metrics,
    make_redis,
    make_store,
    make_tracing,
    make_visits,
)
from app.health.service import HealthService
from app.jobs.expiry import PurgeService
from app.jobs.workers import Courier, Job, Jobs
from app.keys.keyring import KeyringSealedError
from app.keys.service import Keys
from app.mail.letters import Letters
from app.platform import clock as system
from app.platform.errors import Unavailable
from app.platform.instrumentation import NOBODY, together
from app.platform.log import reason_of
from app.recovery.allowance import MailAllowance
from app.recovery.email_change import EmailChangeService
from app.recovery.mailed_codes import MailedCodes
from app.recovery.mailroom import Mailroom
from app.recovery.reset import ResetService
from app.recovery.verification import VerificationService
from app.roles.permissions import ROLES
from app.samples.products.service import SampleProductService
from app.samples.visits.service import VisitService
from app.security import blocklist
from app.security.hash_pool import HashPool
from app.security.passwords import PasswordHasher
from app.security.secret_file import SecretFileError, read_or_create
from app.security.secret_keys import LeakedSecretError, SecretKeys
from app.services import Services
from app.sessions.access_tokens import LEEWAY, AccessTokens
from app.sessions.explain import ExplainService
from app.sessions.login import LoginService
from app.sessions.service import SessionLimits, SessionService
from app.store.observed import observed
from app.store.unusable import UnusableStoreError
from app.throttle.counts import Counts
from app.throttle.guesses import Guesses
from app.throttle.service import PasswordThrottle

if TYPE_CHECKING:
    from app.config import Settings
    from app.metrics.exposition import Metrics
    from app.platform.clock import Clock
    from app.platform.instrumentation import Observer
    from app.platform.tracing import Tracing
    from app.samples.visits.model import Visits
    from app.store.redis.connection import RedisConnection
    from app.store.store import Store

SECRET_FILE = Path("instance/secret_key")
"""Where development keeps the SECRET_KEY that it makes itself."""
STORE_PATIENCE = 30
"""Seconds that a start waits for a store that is down."""
_log = structlog.get_logger("latchkey.start")


@dataclass(frozen=True, slots=True)
class Wired:
    """The parts of the application."""

    settings: Settings
    store: Store
    redis: RedisConnection | None
    services: Services
    input_rules: InputRules
    hash_pool: HashPool
    jobs: Jobs
    courier: Courier
    observer: Observer
    metrics: Metrics | None
    tracing: Tracing | None

    def start(self) -> None:
        """Start the background work; call it after the fork."""
        if self.metrics is not None:
            self.metrics.start()
        if self.tracing is not None:
            self.tracing.start()
        self.jobs.start()
        self.courier.start()

    def close(self) -> None:
        """End the threads and connections of this process."""
        self.jobs.stop()
        self.courier.stop()
        self.hash_pool.close()
        self.services.health.close()
        self.store.close()
        if self.redis is not None:
            self.redis.close()
        if self.metrics is not None:
            self.metrics.close()
        if self.tracing is not None:
            self.tracing.close()


def build(settings: Settings, *, clock: Clock = system.now, store: Store | None = None, watched: bool = True) -> Wired:
    """Build the application; `store` replaces the store of the settings, and `clock` the system's clock.

    Metrics and tracing are on if the settings turn them on and `watched` is True.
    Raises StartError if the settings name something that does not exist, or the secret cannot be read or made.
    """
    unknown = sorted(set(settings.accounts.default_roles) - ROLES.keys())
    if unknown:
        raise StartError(f"DEFAULT_ROLES: there is no role {unknown[0]}; the roles are {', '.join(sorted(ROLES))}")
    store, redis = store or make_store(settings), make_redis(settings)
    metrics, tracing = (make_metrics(settings), make_tracing(settings, store)) if watched else (None, None)
    observer = together(metrics.counts if metrics else None, tracing)
    if observer is not NOBODY:
        store = observed(store, observer)
    blocklist.load()  # before the fork, so that the workers share it
    pool = HashPool(
        threads=settings.passwords.hash_threads,
        queue=settings.passwords.hash_queue,
        deadline=settings.passwords.hash_deadline_seconds,
        observer=observer,
    )
    services = _services(settings, clock, store, visits=make_visits(redis, store), pool=pool, observer=observer)
    if metrics is not None:
        metrics.watch_mail(services.mailroom.waiting)
    due = [
        Job("purge", timedelta(hours=1), services.purge.purge),
        Job("keys", timedelta(hours=1), services.keys.tend),
        Job("events", timedelta(hours=1), services.audit.gather),
    ]
    return Wired(
        settings=settings,
        store=store,
        redis=redis,
        services=services,
        input_rules=InputRules(settings.passwords.min_length, settings.accounts.names_required),
        hash_pool=pool,
        jobs=Jobs(due, store.leases, clock, observer),
        courier=Courier(services.mailroom.send_due, services.mailroom.accounts.mail_waits),
        observer=observer,
        metrics=metrics,
        tracing=tracing,
    )


def _services(
    settings: Settings, clock: Clock, store: Store, *, visits: Visits, pool: HashPool, observer: Observer
) -> Services:
    secrets, mailer = make_secrets(settings), make_mailer(settings)
    keys, tokens = _keys_and_tokens(settings, clock, store, secrets)
    hasher = PasswordHasher(settings.passwords.scheme, settings.passwords.bcrypt_cost)
    passwords = PasswordService(hasher, pool, store.users, settings.mail.product_name, make_breaches(settings))
    audit = Audit(store.events, clock, timedelta(days=settings.accounts.audit_days))
    accounts = Accounts(
        store.users,
        store.sessions,
        store.held_emails,
        store.mail_requests,
        audit,
        clock,
        mailing=mailer is not None,
    )
    sessions = SessionService(
        sessions=store.sessions,
        accounts=accounts,
        tokens=tokens,
        secrets=secrets,
        clock=clock,
        limits=_session_limits(settings),
        observer=observer,
    )
    throttle = PasswordThrottle.over(store.login_failures, secrets, clock, enabled=settings.server.rate_limits)
    guesses = Guesses(Counts(store.login_failures, secrets, "code guesses"), clock)
    allowance = MailAllowance(Counts(store.login_failures, secrets, "mails"), clock)
    codes = MailedCodes(store.users, store.mail_requests, guesses, secrets, clock)
    credentials = CredentialService(accounts, passwords, throttle)
    roles, hides = settings.accounts.default_roles, settings.accounts.hide_accounts
    registration = RegistrationService(accounts, passwords, guesses, throttle, roles, hides_accounts=hides)
    email_change = EmailChangeService(accounts, credentials, codes, hides)
    products = SampleProductService(store.sample_products, clock)
    deletion = DeletionService(accounts, credentials, (sessions.erase, products.erase, audit.erase))
    expiring = (store.sessions, store.login_failures, store.held_emails, store.mail_requests, store.events)
    letters = Letters(settings.mail.product_name, settings.mail.product_color, settings.server.public_url)
    verified = settings.accounts.require_verified_email
    return Services(
        registration=registration,
        login=LoginService(store.users, passwords, sessions, throttle, require_verified_email=verified),
        sessions=sessions,
        verification=VerificationService(accounts, codes, allowance, email_change, registration, deletion),
        credentials=credentials,
        password_reset=ResetService(accounts, passwords, throttle, codes),
        email_change=email_change,
        profile=ProfileService(accounts, store.sessions, store.sample_products, hides),
        deletion=deletion,
        audit=audit,
        mailroom=Mailroom(accounts, codes, allowance, {ERASE: deletion.purge}, secrets, letters, mailer, observer),
        directory=DirectoryService(store.users, settings.accounts.user_directory),
        explain=ExplainService(tokens, store.sessions, clock),
        keys=keys,
        health=HealthService(store),
        purge=PurgeService(expiring, clock),
        sample_products=products,
        visits=VisitService(visits),
    )


def _keys_and_tokens(settings: Settings, clock: Clock, store: Store, secrets: SecretKeys) -> tuple[Keys, AccessTokens]:
    life = timedelta(seconds=settings.tokens.access_token_seconds) + LEEWAY
    keys = Keys(store.keyrings, secrets, settings.tokens.jwt_algorithm, clock, token_life=life)
    secrets.follow(keys.follow)
    tokens = AccessTokens(
        issuer=settings.server.public_url,
        audience=settings.tokens.jwt_audience,
        lifetime=settings.tokens.access_token_seconds,
        keys=keys,
        clock=clock,
    )
    return keys, tokens


def _session_limits(settings: Settings) -> SessionLimits:
    return SessionLimits(
        idle=settings.tokens.refresh_idle_seconds,
        absolute=settings.tokens.refresh_absolute_seconds,
        grace=settings.tokens.refresh_grace_seconds,
        most=settings.tokens.sessions_per_user,
        fresh=settings.accounts.reauth_seconds,
    )


def make_secrets(settings: Settings) -> SecretKeys:
    """SECRET_KEY and its fallbacks; if it is not set, the secret in `instance/`, which the first start makes."""
    given = settings.tokens.secret_key
    try:
        current = read_or_create(SECRET_FILE) if given is None else given.get_secret_value()
    except SecretFileError as error:
        raise StartError(str(error)) from None
    return SecretKeys(current, [key.get_secret_value() for key in settings.tokens.secret_key_fallbacks])


def prepare(settings: Settings, *, patience: float = STORE_PATIENCE) -> None:
    """Make the store ready, once, before any worker: schema or indexes, and the signing keys.

    Uses connections of its own, closed at the end. Waits up to `patience` seconds for a store that is down.
    Raises StartError if it stays down, or if no secret opens the keyring in it.
    """
    wired = build(settings, watched=False)
    deadline = time.monotonic() + patience
    try:
        while True:
            try:
                wired.store.prepare()
                wired.services.keys.ensure()
            except Unavailable as error:
                if time.monotonic() >= deadline:
                    raise StartError(
                        f"{wired.store.product} does not answer ({reason_of(error)});"
                        " check MONGO_URI or DATABASE_URL, and that the server runs"
                    ) from None
                _log.warning("waiting for the store", store=wired.store.product)
                time.sleep(1)
            else:
                return
    except OSError as error:
        raise StartError(
            f"DATABASE_URL: {wired.store.product} cannot be made ready ({error.strerror});"
            " let this user write to the folder of the database"
        ) from None
    except UnusableStoreError as error:
        raise StartError(f"{wired.store.product}: {error}") from None
    except LeakedSecretError as error:
        raise StartError(f"SECRET_KEY: {error} (flask secrets leaked): set the new one in its place") from None
    except KeyringSealedError as error:
        raise StartError(
            f"SECRET_KEY: {error}; set the SECRET_KEY that this store was used with, here or in SECRET_KEY_FALLBACKS,"
            " or, if it is lost or was never the right one, drop what it seals: flask keys revoke --unopened"
        ) from None
    finally:
        wired.close()
