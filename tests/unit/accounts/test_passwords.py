"""Passwords are checked in the pool, at the same cost for nobody, and their hashes kept up to date."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from app.accounts.passwords import BREACHED
from app.platform.errors import FieldError, InvalidCredentials, Overloaded, ValidationFailed
from app.security.blocklist import TOO_COMMON, TOO_EASY
from app.security.breaches import BreachedPasswords
from app.security.hash_pool import HashPool
from app.security.passwords import PasswordHasher
from app.sessions.login import LoginService
from tests.api.service import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.accounts.passwords import PasswordService
    from tests.unit.instance import Instance


def hash_of(instance: Instance) -> str:
    credentials = instance.store.users.credentials_by_username("ann")
    assert credentials is not None
    assert credentials.password_hash is not None
    return credentials.password_hash


def test_a_login_replaces_a_hash_of_a_lower_cost(start: Callable[..., Instance]) -> None:
    start().register("ann")
    dearer = start(BCRYPT_COST="5")

    dearer.login("ann")

    assert hash_of(dearer).startswith("$2b$05$")
    dearer.login("ann")


def test_a_login_replaces_a_hash_of_other_software(instance: Instance, change_user: Callable[..., None]) -> None:
    foreign = PasswordHasher("argon2id").hash(PASSWORD)
    change_user(instance.register("ann"), password_hash=foreign)

    instance.login("ann")

    assert hash_of(instance).startswith("$2b$04$")


def test_a_hash_that_is_up_to_date_stays(instance: Instance) -> None:
    instance.register("ann")
    before = hash_of(instance)

    instance.login("ann")

    assert hash_of(instance) == before


def test_a_wrong_password_replaces_nothing(start: Callable[..., Instance]) -> None:
    start().register("ann")
    dearer = start(BCRYPT_COST="5")

    with pytest.raises(InvalidCredentials):
        dearer.login("ann", PASSWORD + "!")

    assert hash_of(dearer).startswith("$2b$04$")


def test_a_password_without_an_account_is_wrong(instance: Instance) -> None:
    verify = instance.wired.get(LoginService).passwords.verify

    assert verify(PASSWORD, None) is False


def test_a_pool_that_takes_nothing_more_refuses_both_hashing_and_checking(instance: Instance) -> None:
    instance.register("ann")
    instance.wired.get(HashPool).close()

    with pytest.raises(Overloaded):
        instance.login("ann")
    with pytest.raises(Overloaded):
        instance.register("bob")


KNOWN = "gravel-tandem-otter-41"
"""A password that the range service of these tests knows."""


class Ranges(BaseHTTPRequestHandler):
    """Knows one password, and answers alike whatever it is asked."""

    def do_GET(self) -> None:
        digest = hashlib.sha1(KNOWN.encode()).hexdigest().upper()  # noqa: S324 - what the range service counts by
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"{digest[5:]}:7\r\n".encode())

    def log_message(self, *_: object) -> None:
        """Nothing: the lines would go to standard error."""


@pytest.fixture
def ranges() -> Iterator[str]:
    """The URL of a range service."""
    with HTTPServer(("127.0.0.1", 0), Ranges) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def passwords(instance: Instance) -> PasswordService:
    """One that looks nothing up."""
    return replace(instance.wired.get(LoginService).passwords, breaches=None)


def refusal(passwords: PasswordService, password: str, *words: str | None) -> FieldError:
    with pytest.raises(ValidationFailed) as refused:
        passwords.check_new(password, words, "new_password")
    (field,) = refused.value.fields
    return field


def test_a_new_password_made_of_the_accounts_words_or_the_products_name_is_refused(passwords: PasswordService) -> None:
    for password in ("ann.keller@example.com", "Keller1984", "Acme Login 26"):
        error = refusal(passwords, password, "ann.keller@example.com", None, "Acme Login")
        assert error == FieldError("new_password", "too_easy", TOO_EASY)


def test_a_new_password_that_is_known_from_a_breach_is_refused(passwords: PasswordService, ranges: str) -> None:
    looking_up = replace(passwords, breaches=BreachedPasswords(ranges, 60))

    assert refusal(looking_up, KNOWN, "ann") == FieldError("new_password", "breached", BREACHED)


def test_other_new_passwords_are_accepted(passwords: PasswordService, ranges: str) -> None:
    for service in (passwords, replace(passwords, breaches=BreachedPasswords(ranges, 60))):
        service.check_new(PASSWORD, ("ann.keller@example.com", None, "Acme Login"), "password")


def test_without_a_range_service_nothing_is_looked_up(passwords: PasswordService) -> None:
    passwords.check_new(KNOWN, (None, "ann"), "password")


def test_each_refusal_says_another_reason() -> None:
    assert "own e-mail address or name" in TOO_EASY
    assert "breach" in BREACHED
    assert TOO_COMMON not in {TOO_EASY, BREACHED}
