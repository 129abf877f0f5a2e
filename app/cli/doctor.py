"""`flask doctor`: whether this installation is well."""

from __future__ import annotations

import math
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

import click
from flask.cli import with_appcontext

from app import wiring
from app.cli.common import is_note, wired
from app.errors import Unavailable
from app.log import reason_of
from app.models.store import UnusableStoreError
from app.security.keyring import KeyringSealedError
from app.security.secret_keys import RootKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@click.command("doctor")
@with_appcontext
def doctor() -> None:
    """Check the store, its indexes or migrations, the signing keys, the secret, mail, Redis, the clock and the proxies.

    Ends with 1 if something has to be mended; warnings and notes alone end with 0.
    """
    application = wired()
    checks: tuple[tuple[str, Callable[[wiring.Wired], Iterator[tuple[str, str]]]], ...] = (
        ("addresses", _addresses),
        ("secret", _secret),
        ("mail", _mail),
        ("store", _store),
        ("signing keys", _keys),
    )
    if application.redis is not None:
        checks = (*checks, ("redis", _redis))
    broken = False
    for name, check in checks:
        if broken:  # a store that is not right has no keys to be looked at
            break
        findings = list(check(application))
        broken |= any(severity == "error" for severity, _ in findings)
        for severity, text in findings or [("ok", "")]:
            click.echo(f"{severity:8}{name}{': ' if text else ''}{text}")
    raise SystemExit(int(broken))


def _store(application: wiring.Wired) -> Iterator[tuple[str, str]]:
    try:
        application.store.ping()
        for problem in application.store.problems():
            yield "note" if is_note(problem) else "error", problem.removeprefix("note:").strip()
    except Unavailable as error:
        yield "error", f"{application.store.product} does not answer: {reason_of(error)}"
    except UnusableStoreError as error:
        yield "error", f"{application.store.product}: {error}"


def _redis(application: wiring.Wired) -> Iterator[tuple[str, str]]:
    try:
        if application.redis is not None:
            application.redis.ping()
    except Unavailable as error:
        yield "error", f"it does not answer: {reason_of(error)}"


def _keys(application: wiring.Wired) -> Iterator[tuple[str, str]]:
    keys = application.services.keys
    try:
        keys.signing_key()
        sealed_by = Counter(key.wrapped_by for key in keys.stored())
    except Unavailable as error:
        sealed = isinstance(error.__cause__, KeyringSealedError)
        remedy = "; set the former SECRET_KEY in SECRET_KEY_FALLBACKS" if sealed else ""
        yield "error", reason_of(error) + remedy
        return
    tokens = application.settings.tokens
    for position, secret in enumerate(tokens.secret_key_fallbacks, 1):
        name = RootKey(secret.get_secret_value()).name
        fallback = f"number {position} of SECRET_KEY_FALLBACKS ({name})"
        if name == wiring.make_secrets(application.settings).current.name:
            yield "note", f"{fallback} is SECRET_KEY itself: drop it"
        elif sealed_by[name]:
            yield "warning", f"{fallback} is still needed, it seals {sealed_by[name]}: a start seals them anew"
        else:
            days = math.ceil(tokens.refresh_idle_seconds / timedelta(days=1).total_seconds())
            yield "note", f"{fallback} seals none: drop it when it has not been SECRET_KEY for {days} days"


def _addresses(application: wiring.Wired) -> Iterator[tuple[str, str]]:
    server = application.settings.server
    if application.settings.profile != "production":
        return
    if not server.public_url_is_set:
        yield "warning", f"PUBLIC_URL is not set: links and tokens name {server.public_url}"
    elif server.public_url.startswith("http:"):
        yield "warning", "PUBLIC_URL is not https: passwords and tokens cross the network in clear"
    if not server.trusted_proxies:
        yield "warning", "TRUSTED_PROXIES is empty: behind a proxy every client has the proxy's address"


def _secret(application: wiring.Wired) -> Iterator[tuple[str, str]]:
    if application.settings.tokens.secret_key is None:
        yield "warning", f"SECRET_KEY is the one in {wiring.SECRET_FILE}: keep a copy of it with the database"


def _mail(application: wiring.Wired) -> Iterator[tuple[str, str]]:
    settings = application.settings
    if settings.profile != "production" or settings.mail.smtp_url is not None:
        return
    yield "note", "SMTP_URL is not set: no mail is sent, so nobody can verify an address or reset a password"
    if settings.accounts.hide_accounts:
        yield "warning", "HIDE_ACCOUNTS is on without SMTP_URL: nobody can register"
    if settings.accounts.require_verified_email:
        yield "warning", "REQUIRE_VERIFIED_EMAIL is on without SMTP_URL: nobody new can log in"
