"""What `flask doctor --profile` says: a standard, requirement by requirement, as far as this instance meets it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import parse_qsl, urlsplit

from app.config.mail_values import smtp_server
from app.config.values import is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.config import Settings

Verdict = Literal["met", "not met", "not applicable", "not judged"]
_POSTGRES_WITH_TLS: Final = frozenset({"require", "verify-ca", "verify-full"})
_MYSQL_WITH_TLS: Final = frozenset({"ssl_ca", "ssl_capath", "ssl_cert", "ssl_key", "ssl_check_hostname"})


@dataclass(frozen=True, slots=True)
class Facts:
    """What is judged: the settings, and when the last checkpoint of the audit chain was made, in days before now."""

    settings: Settings
    checkpoint_days: int | None
    """None if there is none, as in the first minutes of a new installation."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Whether a requirement is met, and by what this instance has. `not judged` says who has to look at it."""

    verdict: Verdict
    evidence: str


@dataclass(frozen=True, slots=True)
class Requirement:
    """A requirement under its number in the standard, in short, and how it is judged."""

    number: str
    text: str
    judge: Callable[[Facts], Judged]


def always(*numbers: int, says: str = "") -> Callable[[Facts], Judged]:
    """Met by the code, whatever is set: the lines of docs/security.md with these numbers name the tests."""
    lines = ", ".join(map(str, numbers))
    evidence = f"on every instance (docs/security.md, {lines})" + (f"; {says}" if says else "")
    return lambda _: Judged("met", evidence)


def not_judged(evidence: str) -> Callable[[Facts], Judged]:
    """Nothing that this instance has shows it."""
    return lambda _: Judged("not judged", evidence)


def not_applicable(evidence: str) -> Callable[[Facts], Judged]:
    """What the requirement is about does not exist here."""
    return lambda _: Judged("not applicable", evidence)


def by(fulfilled: bool, evidence: str) -> Judged:  # noqa: FBT001 - the first word of a sentence
    """Met or not, for this reason."""
    return Judged("met" if fulfilled else "not met", evidence)


def least_length(least: int) -> Callable[[Facts], Judged]:
    """Passwords of at least so many characters."""

    def judge(facts: Facts) -> Judged:
        length = facts.settings.passwords.min_length
        return by(length >= least, f"PASSWORD_MIN_LENGTH={length}")

    return judge


def breached(facts: Facts) -> Judged:
    """New passwords are compared with breached ones."""
    passwords = facts.settings.passwords
    if passwords.breach_file is not None:
        return by(fulfilled=True, evidence=f"BREACHED_PASSWORDS_FILE={passwords.breach_file}")
    if passwords.breach_check is not None:
        return by(fulfilled=True, evidence=f"PASSWORD_BREACH_CHECK={passwords.breach_check}, as far as it answers")
    return by(fulfilled=False, evidence="neither BREACHED_PASSWORDS_FILE nor PASSWORD_BREACH_CHECK is set")


def hashing(facts: Facts) -> Judged:
    """Passwords are hashed slowly, with a salt."""
    passwords = facts.settings.passwords
    if passwords.scheme == "argon2id":
        return by(fulfilled=True, evidence="PASSWORD_HASH=argon2id, with 19 MiB and 2 passes")
    cost = passwords.bcrypt_cost
    return by(cost >= 12, f"PASSWORD_HASH=bcrypt, BCRYPT_COST={cost}")  # noqa: PLR2004 - ours, as in the profiles


def throttled(facts: Facts) -> Judged:
    """Guesses are slowed down and counted."""
    on = facts.settings.server.rate_limits
    evidence = "at most 100 failures in a row for an account (docs/security.md, 10)" if on else "RATE_LIMITS=off"
    return by(on, evidence)


def required_factor(facts: Facts) -> Judged:
    """Every login needs a second factor itself, not a device in its place."""
    accounts = facts.settings.accounts
    required, days = accounts.require_second_factor, accounts.factor_trust_days
    return by(
        required == "all" and not days,
        f"REQUIRE_SECOND_FACTOR={required}, FACTOR_TRUST_DAYS={days}; roles can ask for one, too",
    )


def https(facts: Facts) -> Judged:
    """Clients reach the service by https."""
    url = facts.settings.server.public_url
    return by(url.startswith("https://"), f"PUBLIC_URL={url}; what the proxy in front accepts is not judged")


def mailing(facts: Facts) -> Judged:
    """Mail reaches users."""
    on = facts.settings.mail.smtp_url is not None
    return by(on, "SMTP_URL is set" if on else "SMTP_URL is not set: no mail is sent")


def production(facts: Facts) -> Judged:
    """Nothing of development is on."""
    return by(facts.settings.profile == "production", f"FLASK_ENV={facts.settings.profile}")


def encrypted(facts: Facts) -> Judged:
    """Connections to other servers are encrypted, unless these are on this machine."""
    settings = facts.settings
    plain = [
        name
        for name, url, has_tls in (
            ("MONGO_URI", settings.store.mongo_uri, _mongo_has_tls),
            ("DATABASE_URL", settings.store.database_url, _sql_has_tls),
            ("REDIS_URL", settings.store.redis_url, lambda url: url.startswith(("rediss:", "unix:"))),
            ("SMTP_URL", settings.mail.smtp_url, lambda url: smtp_server(url).security != "off"),
        )
        if url is not None and not has_tls(url.get_secret_value()) and not _is_here(url.get_secret_value())
    ]
    if plain:
        return by(fulfilled=False, evidence=f"{' and '.join(plain)} asks for no TLS")
    return by(fulfilled=True, evidence="each server that the settings name is asked for TLS, or is on this machine")


def sealed(facts: Facts) -> Judged:
    """Audit events cannot be changed unnoticed: the chain has a checkpoint of yesterday or today."""
    days = facts.checkpoint_days
    if days is None:
        return Judged("not judged", "no checkpoint yet: the first one comes within minutes of the first event")
    evidence = f"the last checkpoint of the audit chain is {days} days old; flask audit verify checks the events"
    return by(days <= 1, evidence)


def _mongo_has_tls(url: str) -> bool:
    options = {name.lower(): value.lower() for name, value in parse_qsl(urlsplit(url).query.replace(";", "&"))}
    asked = options.get("tls", options.get("ssl"))
    return asked == "true" or (asked is None and url.startswith("mongodb+srv:"))


def _sql_has_tls(url: str) -> bool:
    options = dict(parse_qsl(urlsplit(url).query))
    if url.startswith("postgresql"):
        return options.get("sslmode") in _POSTGRES_WITH_TLS
    return url.startswith("sqlite") or not _MYSQL_WITH_TLS.isdisjoint(options)


def _is_here(url: str) -> bool:
    """Whether the only host of a URL is this machine itself."""
    parts = urlsplit(url)
    return "," not in parts.netloc and "host=" not in parts.query and is_loopback(parts.hostname or "")
