"""Makes what the settings name outside of this code: the store, Redis, mail and other servers, and hooks.

A driver is imported only when it is used, which saves memory. Nothing here opens a connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.platform.failure import StartError
from app.platform.version import __version__
from app.security import secret_file
from app.security.secret_file import SecretFileError, read_or_create
from app.security.secret_keys import SecretKeys
from app.web.rates import Rates

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.config import Settings
    from app.hooks.calls import Hooks
    from app.mail.mail import Mailer
    from app.metrics.exposition import Metrics
    from app.platform.tracing import Tracing
    from app.security.breach_file import BreachFile
    from app.security.breaches import BreachedPasswords
    from app.store.redis.connection import RedisConnection
    from app.store.store import Store


def make_secrets(settings: Settings) -> SecretKeys:
    """SECRET_KEY and its fallbacks; if it is not set, the secret in `instance/`, which the first start makes.

    Raises StartError if that file cannot be read or made.
    """
    given = settings.tokens.secret_key
    try:
        current = read_or_create(secret_file.SECRET_FILE) if given is None else given.get_secret_value()
    except SecretFileError as error:
        raise StartError(str(error)) from None
    return SecretKeys(current, [key.get_secret_value() for key in settings.tokens.secret_key_fallbacks])


def make_store(settings: Settings, repositories: Iterable[type]) -> Store:
    """The store that the settings name, with these repositories."""
    if settings.store.mongo_uri is not None:
        from pymongo.errors import PyMongoError  # noqa: PLC0415 - see above

        from app.store.mongo.store import MongoStore  # noqa: PLC0415 - see above

        try:
            return MongoStore(settings.store.mongo_uri.get_secret_value(), settings.store.mongo_database, repositories)
        except (PyMongoError, ValueError) as error:
            raise StartError(f"MONGO_URI: {error}") from None
        except OSError as error:
            raise StartError(
                f"MONGO_URI: a file that it names cannot be read ({error.strerror or error}): tlsCAFile and"
                " tlsCertificateKeyFile have to name files that this user can read"
            ) from None
    from app.store.sql.store import SqlStore  # noqa: PLC0415 - see above

    if settings.store.database_url is None:
        raise StartError("DATABASE_URL: neither it nor MONGO_URI is set")
    try:
        return SqlStore(settings.store.database_url.get_secret_value(), repositories)
    except ValueError as error:  # a word in the query that has to be a number, say
        raise StartError(f"DATABASE_URL: {error}") from None


def make_redis(settings: Settings) -> RedisConnection | None:
    """The Redis server that the settings name, if they name one."""
    if settings.store.redis_url is None:
        return None
    from app.store.redis.connection import RedisConnection  # noqa: PLC0415 - see above

    try:
        return RedisConnection(settings.store.redis_url.get_secret_value())
    except ValueError as error:  # a word in the query that has to be a number, say
        raise StartError(f"REDIS_URL: {error}") from None


def make_rates(settings: Settings) -> Rates:
    """What counts requests for the rate limits: in the Redis that the settings name, else in each process."""
    if settings.store.redis_url is None:
        return Rates(None)
    from app.store.redis.rate_counters import RedisCounters  # noqa: PLC0415 - see above

    return Rates(RedisCounters(settings.store.redis_url.get_secret_value()))


def make_breaches(settings: Settings) -> BreachedPasswords | BreachFile | None:
    """The check for breached passwords, if the operator turned it on. Raises StartError for a file that is unusable."""
    if (file := settings.passwords.breach_file) is not None:
        from app.security.breach_file import BreachFile, BrokenBreachFileError  # noqa: PLC0415 - see below

        try:
            return BreachFile(file)
        except BrokenBreachFileError as error:
            raise StartError(
                f"BREACHED_PASSWORDS_FILE: {error}; make it with flask passwords load FILE --to {file}, or unset it"
            ) from None
    if settings.passwords.breach_check is None:
        return None
    from app.security.breaches import BreachedPasswords  # noqa: PLC0415 - loaded only if needed, to save memory

    return BreachedPasswords(settings.passwords.breach_check)


def make_hooks(settings: Settings) -> Hooks | None:
    """The hooks of the operator, if there are any. Raises StartError if one of them cannot be loaded."""
    if not settings.hooks.names:
        return None
    from app.hooks.loading import load  # noqa: PLC0415 - loaded only if needed, to save memory

    return load(settings.hooks.names, settings.hooks.seconds)


def make_mailer(settings: Settings) -> Mailer | None:
    """What sends mail: SMTP; in development also a folder and the console; None in production without SMTP_URL."""
    smtp: Mailer | None = None
    if settings.mail.smtp_url is not None:
        from app.mail.smtp import SmtpMailer  # noqa: PLC0415 - loaded only if needed, to save memory

        smtp = SmtpMailer(settings.mail.smtp_url.get_secret_value(), settings.mail.sender)
    if settings.profile == "production":
        return smtp
    from app.mail.maildir import MaildirMailer  # noqa: PLC0415 - see above

    return MaildirMailer(settings.mail.folder, then=smtp)


def make_metrics(settings: Settings) -> Metrics | None:
    """The metrics, if METRICS_ALLOW lets anyone read them."""
    if not settings.monitoring.metrics_allow:
        return None
    from app.metrics.exposition import Metrics  # noqa: PLC0415 - loaded only if needed, to save memory

    return Metrics(__version__)


def make_tracing(settings: Settings, store: Store) -> Tracing | None:
    """The tracing, if the operator set a collector."""
    if settings.monitoring.otlp_endpoint is None:
        return None
    from app.platform.tracing import Tracing  # noqa: PLC0415 - loaded only if needed, to save memory

    return Tracing(settings.monitoring.otlp_endpoint, store.common_name)
