"""`flask doctor`: whether this installation is healthy."""

from __future__ import annotations

import math
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

import click
from flask.cli import with_appcontext

from app.accounts.passwords import BreachCheck
from app.cli.common import as_json, is_note, say, wired
from app.config.values import is_loopback
from app.factors.passkeys.model import Passkeys
from app.feature import SealedKinds
from app.keys.service import KeyService
from app.mail.mail import MailFailedError, MailRefusedError
from app.mail.smtp import SmtpMailer
from app.operations import mcp, memory
from app.operations.comparison import STANDARDS, compare
from app.operations.probes import PATIENCE, collector, within
from app.platform.errors import Unavailable
from app.platform.log import reason_of
from app.security import secret_file
from app.security.secret_keys import RootKey, SealedError, SecretKeys
from app.store.redis import RedisServer
from app.store.unusable import UnusableStoreError
from app.web.origins import is_other_site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from email.headerregistry import Address

    from app.cli.common import Application
    from app.config import Settings
    from app.config.values import Network

    Check: TypeAlias = Callable[[Application], Iterator[tuple[str, str]]]
    """Yields the severity and the text of each problem: error, warning or note."""

_IN_STORE = frozenset({"signing keys", "passkeys"})
"""What is not checked without a working store."""
_NARROWEST_FOR_EVERYBODY = 8
"""Bits of a prefix; shorter ones name everyone: 0.0.0.0/0, or its two halves, 0.0.0.0/1 and 128.0.0.0/1."""


@click.command("doctor")
@click.option("--profile", type=click.Choice(list(STANDARDS)), help="Compare this instance with a standard instead.")
@click.option("--mcp", "mcp_url", metavar="URL", help="Look at an MCP server whose users log in here instead.")
@with_appcontext
@as_json
def doctor(*, profile: str | None, mcp_url: str | None, as_json: bool) -> None:
    """Check the store, its indexes or migrations, the signing keys, the secret, mail, Redis, the clock and the proxies.

    The mail server is asked whether it accepts user, password and sender; no mail is sent. Exits with 1 if there is an
    error; with warnings and notes only, exits with 0.

    With --profile, each requirement of OWASP ASVS 5.0 level 2 or NIST SP 800-63B-4 AAL2 is met, not met, not applicable
    or not judged here, by what the settings and the store say. Exits with 1 if one is not met.

    With --mcp, says what MCP clients would stumble over at this server: its challenge, its metadata, its resource and
    scopes, and what they read about this service. Exits with 1 if there is an error.
    """
    if mcp_url is not None and (profile is not None or not mcp.is_url(mcp_url)):
        raise click.UsageError("--mcp takes the http or https URL of a server, and stands without --profile.")
    application = wired()
    if mcp_url is not None:
        raise SystemExit(_told(mcp.look_at(application, mcp_url), as_json=as_json))
    if profile is not None:
        raise SystemExit(compare(application, profile, as_json=as_json))
    raise SystemExit(_told(_findings(application), as_json=as_json))


def _told(findings: Iterator[tuple[str, str, str]], *, as_json: bool) -> int:
    """Print each finding as it comes; returns 1 if one is an error, else 0."""
    is_broken = False
    for severity, name, text in findings:
        is_broken = is_broken or severity == "error"
        line = f"{severity:8}{name}{': ' if text else ''}{text}"
        say({"severity": severity, "check": name, "text": text}, line, as_json=as_json)
    return int(is_broken)


def _findings(application: Application) -> Iterator[tuple[str, str, str]]:
    """What the checks find: severity, check, text."""
    broken: set[str] = set()
    for name, check in _checks(application):
        if name in _IN_STORE and "store" in broken:
            continue
        for severity, text in list(check(application)) or [("ok", "")]:
            if severity == "error":
                broken.add(name)
            yield severity, name, text


def _checks(application: Application) -> list[tuple[str, Check]]:
    """The checks of an instance with these settings, by name."""
    settings = application.settings
    checks: list[tuple[str, Check, bool]] = [
        ("addresses", _addresses, True),
        ("secret", _secret, True),
        ("mail", _mail, True),
        ("store", _store, True),
        ("passkeys", _passkeys, True),
        ("signing keys", _keys, True),
        ("redis", _redis, application.find(RedisServer) is not None),
        ("hashing memory", _hashing_memory, settings.passwords.scheme == "argon2id"),
        ("breached passwords", _breaches, application.find(BreachCheck) is not None),
        ("tracing", _tracing, settings.monitoring.otlp_endpoint is not None),
        ("browsers", _browsers, settings.browsers.auth_cookies),
    ]
    return [(name, check) for name, check, applies in checks if applies]


def _store(application: Application) -> Iterator[tuple[str, str]]:
    if _is_fresh(application.settings):
        yield "error", "it has not been made yet: the first start makes it, or run flask db upgrade"
        return
    try:
        application.store.ping()
        for problem in application.store.problems():
            yield "note" if is_note(problem) else "error", problem.removeprefix("note:").strip()
    except Unavailable as error:
        yield "error", f"{application.store.common_name} does not answer: {reason_of(error)}"
    except UnusableStoreError as error:
        yield "error", f"{application.store.common_name}: {error}"


def _is_fresh(settings: Settings) -> bool:
    """Whether the store is a file that does not exist."""
    url = settings.store.database_url
    path = urlsplit(url.get_secret_value() if url else "")
    return path.scheme == "sqlite" and not Path(path.path[1:]).exists()


def _passkeys(application: Application) -> Iterator[tuple[str, str]]:
    settings = application.settings.passkeys
    for problem in settings.problems():
        yield "warning", problem
    try:
        made_for = application.get(Passkeys).rp_ids()
    except Unavailable as error:
        yield "error", f"{application.store.common_name} does not answer: {reason_of(error)}"
        return
    for rp_id, many in sorted(made_for.items()):
        if rp_id != settings.rp_id:
            yield (
                "warning",
                f"PASSKEY_RP_ID is {settings.rp_id}, but {many} passkeys were made for {rp_id}: they are worthless now",
            )


def _redis(application: Application) -> Iterator[tuple[str, str]]:
    try:
        application.get(RedisServer).ping()
    except Unavailable as error:
        yield "error", f"it does not answer: {reason_of(error)}"


def _keys(application: Application) -> Iterator[tuple[str, str]]:
    keys = application.get(KeyService)
    try:
        keys.signing_key()
        kinds = sorted(application.get(SealedKinds).kinds, key=lambda kind: kind.what)
        sealed_by = {kind.what: Counter(kind.wrapped_by()) for kind in kinds}
    except Unavailable as error:
        sealed = isinstance(error.__cause__, SealedError)
        remedy = "; set the former SECRET_KEY in SECRET_KEY_FALLBACKS" if sealed else ""
        yield "error", reason_of(error) + remedy
        return
    tokens, leaked = application.settings.tokens, keys.leaked()
    for position, secret in enumerate(tokens.secret_key_fallbacks, 1):
        name = RootKey(secret.get_secret_value()).name
        fallback = f"number {position} of SECRET_KEY_FALLBACKS ({name})"
        if name == application.get(SecretKeys).current_name:
            yield "note", f"{fallback} is SECRET_KEY itself: drop it"
        elif name in leaked:
            yield "warning", f"{fallback} leaked, and nothing made with it is trusted: drop it"
        elif needs_it := [f"{found[name]} of the {what}" for what, found in sealed_by.items() if found[name]]:
            yield "warning", f"{fallback} is still needed: it seals {' and '.join(needs_it)}; a start reseals them"
        else:
            *others, last = (f"none of the {what}" for what in sealed_by)
            nothing = f"{', '.join(others)} and {last}" if others else last
            days = math.ceil(tokens.refresh_idle_seconds / timedelta(days=1).total_seconds())
            yield "note", f"{fallback} seals {nothing}: drop it {days} days after it was last SECRET_KEY"


def _addresses(application: Application) -> Iterator[tuple[str, str]]:
    server, monitoring = application.settings.server, application.settings.monitoring
    if any(map(_is_everybody, server.trusted_proxies)):
        yield "warning", "TRUSTED_PROXIES names everyone: any client can choose the address under which it is counted"
    if any(map(_is_everybody, monitoring.metrics_allow)):
        yield "warning", "METRICS_ALLOW names everyone: anyone who reaches the service can read its metrics"
    if application.settings.profile != "production":
        return
    if not server.public_url_is_set:
        yield "warning", f"PUBLIC_URL is not set: links and tokens name {server.public_url}"
    elif server.public_url.startswith("http:"):
        yield "warning", "PUBLIC_URL is not https: passwords and tokens cross the network unencrypted"
    if not server.trusted_proxies:
        yield "warning", "TRUSTED_PROXIES is empty: behind a proxy every client has the proxy's address"


def _browsers(application: Application) -> Iterator[tuple[str, str]]:
    public_url = application.settings.server.public_url
    public = urlsplit(public_url)
    if public.scheme == "http" and not is_loopback(public.hostname or ""):
        yield "warning", "AUTH_COOKIES is on, but PUBLIC_URL is not https: browsers drop the cookie, which demands it"
    for origin in application.settings.browsers.cors_origins:
        if is_other_site(origin, public_url):
            yield (
                "warning",
                f"CORS_ORIGINS: to browsers, {origin} is another site than {public_url}, so its pages get no cookie",
            )


def _secret(application: Application) -> Iterator[tuple[str, str]]:
    if application.settings.tokens.secret_key is None:
        yield "warning", f"SECRET_KEY is read from {secret_file.SECRET_FILE}: keep a copy of it with the database"


def _is_everybody(network: Network) -> bool:
    return network.prefixlen < _NARROWEST_FOR_EVERYBODY


def _hashing_memory(application: Application) -> Iterator[tuple[str, str]]:
    if wrong := memory.too_little(application.settings):
        yield "warning", wrong


def _breaches(application: Application) -> Iterator[tuple[str, str]]:
    check = application.get(BreachCheck)
    if wrong := check.check():
        if check.is_local:
            yield "error", f"BREACHED_PASSWORDS_FILE: {wrong}: make it again with flask passwords load"
        else:
            yield "warning", f"PASSWORD_BREACH_CHECK: {wrong}; new passwords are not looked up"


def _tracing(application: Application) -> Iterator[tuple[str, str]]:
    endpoint = application.settings.monitoring.otlp_endpoint
    if endpoint is not None and (wrong := within(lambda: collector(endpoint))):
        yield "warning", f"OTEL_EXPORTER_OTLP_ENDPOINT: {wrong}; traces are lost"


def _smtp(url: str, sender: Address) -> str | None:
    """What is wrong with the mail server; None if nothing is."""
    try:
        SmtpMailer(url, sender, timeout=PATIENCE, deadline=PATIENCE).check()
    except (MailFailedError, MailRefusedError) as error:
        return str(error)
    return None


def _mail(application: Application) -> Iterator[tuple[str, str]]:
    settings = application.settings
    smtp = settings.mail.smtp_url
    if smtp is not None and (wrong := _smtp(smtp.get_secret_value(), settings.mail.sender)):
        yield "error", f"SMTP_URL: {wrong}"
    if settings.profile != "production" or settings.mail.smtp_url is not None:
        return
    yield "note", "SMTP_URL is not set: no mail is sent, so nobody can verify an address or reset a password"
    if settings.accounts.hide_accounts:
        yield "warning", "HIDE_ACCOUNTS is on without SMTP_URL: nobody can register"
    if settings.accounts.require_verified_email:
        yield "warning", "REQUIRE_VERIFIED_EMAIL is on without SMTP_URL: new users cannot log in"
    if settings.accounts.factor_recovery_hours:
        yield "warning", "FACTOR_RECOVERY_HOURS is set without SMTP_URL: nobody can be warned, so nobody can recover"
    if settings.accounts.login_by_mail:
        yield "warning", "LOGIN_BY_MAIL is on without SMTP_URL: nobody gets a code"
