"""Lazy migration: at the first login of a user, the system that they come from says whether the password is right.

The operator puts a small endpoint before that system, and names it in LEGACY_LOGIN_URL. It gets a request signed by
Standard Webhooks (https://www.standardwebhooks.com): whoever verifies it knows that this service asks, and can answer
others with nothing.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from http import HTTPStatus
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Final

import structlog

from app.platform import deadline
from app.platform.errors import MalformedJson, Overloaded, Unavailable
from app.platform.identifiers import email_key, new_id, username_key
from app.platform.strict_json import parse_json
from app.security import standard_webhooks
from app.security.egress import EgressError
from app.transfer.formats.fields import Fields
from app.transfer.importing import ImportRules
from app.transfer.incoming import Incoming, RefusedError

if TYPE_CHECKING:
    from app.accounts.login_name import LoginName
    from app.accounts.model import Credentials, Users
    from app.accounts.passwords import PasswordService
    from app.platform.clock import Clock
    from app.security.egress import Egress
    from app.transfer.importing import ImportService

SECONDS: Final = 5.0
"""How long an answer may take."""
AT_ONCE: Final = 16
"""Logins that wait for the former system at a time, in each worker; more would keep other requests from a thread."""
_RULES: Final = ImportRules(source="legacy", drop_usernames=True)
_log = structlog.get_logger("latchkey.transfer")


@dataclass(frozen=True, slots=True)
class FormerSystemOverHttp:
    """See `app.accounts.former_system.FormerSystem`."""

    url: str
    key: bytes = field(repr=False)
    users: Users
    passwords: PasswordService
    imports: ImportService
    egress: Egress
    clock: Clock
    places: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(AT_ONCE))

    def take_over(self, name: LoginName, password: str, *, is_known: bool) -> Credentials | None:
        """See the Protocol."""
        # A password that is wrong here may be the right one elsewhere, so it stays here.
        asked = secrets.token_urlsafe(len(password.encode()))[: len(password.encode())] if is_known else password
        found = self._ask(name.text.strip(), asked)
        if is_known or found is None or not self._is_named(found, name):
            return None
        try:
            incoming = self._incoming(found, self.passwords.hash(password))
            self.imports.add(incoming, _RULES)
        except RefusedError as refused:
            _log.warning("a user of the former system was refused", reason=refused.reason, field=refused.field)
            return None
        # Whoever was made meanwhile may be another: by another login at the same time, or by a registration.
        credentials = self._find(name)
        return credentials if credentials and self.passwords.verify(password, credentials) else None

    def _ask(self, identifier: str, password: str) -> Fields | None:
        """What the former system says of the user with this name and password; None if it knows no such."""
        body = json.dumps({"identifier": identifier, "password": password}).encode()
        if not self.places.acquire(blocking=False):
            raise Overloaded
        try:
            with deadline.paused():
                reply = self.egress.request("POST", self.url, body=body, headers=self._signed(body), seconds=SECONDS)
        except EgressError as error:
            raise _no_answer(str(error)) from None
        finally:
            self.places.release()
        if reply.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND}:
            return None
        if reply.status != HTTPStatus.OK:
            raise _no_answer(f"status {reply.status}")
        try:
            found = parse_json(reply.body)
        except MalformedJson:
            found = None
        if not isinstance(found, dict):
            raise _no_answer("the reply is no JSON object")
        return Fields(found)

    def _signed(self, body: bytes) -> dict[str, str]:
        """The headers of Standard Webhooks."""
        return standard_webhooks.signed_headers([self.key], new_id(), body.decode(), self.clock())

    def _is_named(self, found: Fields, name: LoginName) -> bool:
        """Whether the user has the name that was asked for: any other one may be anybody's here."""
        try:
            email, username = found.text("email"), found.text("username")
        except RefusedError:
            return False
        key = email_key(email or "") if name.kind == "email" else username_key(username or "")
        if name.key is not None and key == name.key:
            return True
        _log.warning("the former system named another user than was asked for")
        return False

    def _incoming(self, found: Fields, password_hash: str) -> Incoming:
        return Incoming(
            id=found.text("id"),
            email=found.text("email"),
            email_verified=found.flag("email_verified") or False,
            username=found.text("username"),
            name=found.text("name"),
            created_at=found.moment("created_at"),
            hash=password_hash,
        )

    def _find(self, name: LoginName) -> Credentials | None:
        if name.key is None:
            return None
        if name.kind == "email":
            return self.users.credentials_by_email(name.key)
        return self.users.credentials_by_username(name.key)


def _no_answer(reason: str) -> Unavailable:
    _log.warning("the former system gives no answer", cause=reason)
    return Unavailable("Logins cannot be checked now. Try again later.")
