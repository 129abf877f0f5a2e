"""Makes users of what other systems know of theirs: each by one write, and none a second time."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from app.accounts.account import Account
from app.accounts.credentials import counted_names
from app.accounts.factors import ListedTotp
from app.accounts.fields import Email, Name, Username
from app.accounts.imported import Imported
from app.accounts.model import AlreadyThereError, User
from app.accounts.publisher import Change
from app.accounts.registration import RESERVED
from app.factors.totp import TotpParameters
from app.platform.errors import EmailTaken, Unavailable, UsernameTaken
from app.platform.identifiers import comparable_email, email_key, is_identifier, new_id, parsing_once, username_key
from app.roles.model import ADMINISTRATOR
from app.security import foreign_hashes
from app.security.foreign_hashes import LONGEST
from app.transfer.incoming import FastDigest, Incoming, RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from app.accounts.passwords import PasswordService
    from app.accounts.service import Accounts
    from app.factors.totp import TotpVault
    from app.security.secret_keys import RootKey, SecretKeys
    from app.throttle.service import PasswordThrottle
    from app.transfer.incoming import Totp

    UnknownRoles = Callable[[Iterable[str]], Iterable[str]]
    """Those of these roles that do not exist."""

Outcome = Literal["imported", "skipped"]
"""Skipped is a user who is here already, or who was imported and has been deleted since."""

_TAKEN_BACK: Final = "user.taken_back"
_MOST_LINKED: Final = 50
_LONGEST_EXTERNAL: Final = 255
_TOTP_BYTES: Final = range(10, 129)
_TOTP_ALGORITHMS: Final = frozenset({"SHA1", "SHA256", "SHA512"})
_TOTP_DIGITS: Final = range(6, 9)
_TOTP_PERIODS: Final = range(15, 121)
_EMAIL: Final = TypeAdapter[str](Email)
_USERNAME: Final = TypeAdapter[str](Username)
_NAME: Final = TypeAdapter[str](Name)


@dataclass(frozen=True, slots=True)
class ImportRules:
    """How users are imported; `source` names their system."""

    source: str
    is_one_of_many: bool = False
    """Whether the log does without a line for each user: then whoever imports them says how many there were."""
    dry_run: bool = False
    wrap: bool = False
    """Whether a digest that is too fast gets a hash of ours around it, which takes the time of a login."""
    drop_hashes: bool = False
    """Whether users whose hash cannot be taken come without a password, if they have an address to set one by."""
    drop_usernames: bool = False
    """Whether users whose user name cannot be taken come without one, if they have an address."""
    with_admins: bool = False


@dataclass(frozen=True, slots=True)
class ImportService:
    """Imports users."""

    accounts: Accounts
    passwords: PasswordService
    throttle: PasswordThrottle
    secrets: SecretKeys
    vault: TotpVault
    default_roles: tuple[str, ...]
    unknown_roles: UnknownRoles

    def add(self, incoming: Incoming, rules: ImportRules) -> Outcome:
        """Import one user, unless they are here. Raises RefusedError, and Unavailable.

        Of concurrent imports of one user exactly one succeeds, and the others skip them. An account is never given to a
        user because the address is the same: whoever has the address there need not have it here.
        """
        with parsing_once():
            return self._added(incoming, rules)

    def _added(self, incoming: Incoming, rules: ImportRules) -> Outcome:
        external = self._external_id(incoming)
        user_ids = self._user_ids(rules.source, external)
        if any(map(self._was_here, user_ids)):
            return "skipped"
        user = self._user(incoming, rules, user_ids[0])
        stored = self._hash(incoming, rules, user)
        if stored is None and user.email is None and not incoming.identities and not incoming.native:
            raise RefusedError("no_way_in")
        if user.email is not None and self.accounts.is_held(comparable_email(user.email), user.id):
            raise RefusedError("email_taken", "email")
        if rules.dry_run:
            self._require_free(user)
            return "imported"
        if isinstance(stored, FastDigest):
            stored = self._wrapped(stored)
        imported = self._imported(incoming, rules.source, external)
        apps = tuple(map(_parameters, incoming.totp))  # logins ask for them, so nobody has to enrol again
        totp = tuple(ListedTotp(new_id(), self.accounts.clock()) for _ in apps)
        try:
            self._add(Account(user, stored, imported=imported, totp=totp), tells=not rules.is_one_of_many)
        except AlreadyThereError:
            return "skipped"
        self._seal(user, totp, apps)
        self.throttle.clear(counted_names(user), user.id)
        return "imported"

    def _external_id(self, incoming: Incoming) -> str:
        """The identifier of a user in the other system; what names them there, if it has none."""
        found = incoming.id
        if found is None:
            found = f"email:{comparable_email(incoming.email)}" if incoming.email else f"name:{incoming.username}"
            if incoming.email is None and incoming.username is None:
                raise RefusedError("no_name")
        if len(found) > _LONGEST_EXTERNAL:
            raise RefusedError("too_long", "id")
        return found

    def _user_ids(self, source: str, external: str) -> list[str]:
        """What this user is or may be called here.

        A UUID is kept, so that what other services store of a user goes on to be theirs. Any other identifier gives
        one that tells nothing of it. It was made under SECRET_KEY of that time, so the former ones count, too.
        """
        if is_identifier(external.lower()):
            return [external.lower()]
        return [_user_id(root, source, external) for root in (self.secrets.current, *self._former())]

    def _former(self) -> list[RootKey]:
        return [root for root in self.secrets if root.name != self.secrets.current_name]

    def _was_here(self, user_id: str) -> bool:
        """Whether there is such a user, or was one: of a deleted user some event is left.

        One whose import was taken back was none.
        """
        if self.accounts.users.account(user_id) is not None:
            return True
        latest = self.accounts.audit.events_of(user_id, before=None, limit=1).events
        return any(event.action != _TAKEN_BACK for event in latest)

    def _user(self, incoming: Incoming, rules: ImportRules, user_id: str) -> User:
        email = _valid(_EMAIL, incoming.email, "email")
        username = self._username(incoming, rules, email)
        if email is None and username is None:
            raise RefusedError("no_name")
        now = self.accounts.clock()
        return User(
            id=user_id,
            email=email,
            email_verified=email is not None and incoming.email_verified,
            username=username,
            name=_valid(_NAME, incoming.name, "name"),
            roles=self._roles(incoming, rules),
            status=incoming.status,
            created_at=min(now, incoming.created_at or now),
            last_login_at=incoming.last_login_at and min(now, incoming.last_login_at),
        )

    def _username(self, incoming: Incoming, rules: ImportRules, email: str | None) -> str | None:
        given = incoming.username
        if given is None or (email is not None and email_key(given) == email_key(email)):  # Keycloak's, say
            return None
        try:
            return _valid_username(given)
        except RefusedError:
            if rules.drop_usernames and email is not None:
                return None
            raise

    def _roles(self, incoming: Incoming, rules: ImportRules) -> tuple[str, ...]:
        if incoming.roles is None:
            return self.default_roles
        roles = tuple(dict.fromkeys(incoming.roles))
        if ADMINISTRATOR in roles and not rules.with_admins:
            raise RefusedError("needs_admins", "roles")
        if list(self.unknown_roles(roles)):
            raise RefusedError("unknown_role", "roles")
        return roles

    def _hash(self, incoming: Incoming, rules: ImportRules, user: User) -> str | FastDigest | None:
        found = incoming.hash
        if isinstance(found, FastDigest) and not rules.wrap:
            found = RefusedError("needs_wrap")
        if not isinstance(found, RefusedError):
            return found
        if rules.drop_hashes and user.email is not None:
            return None
        raise found

    def _require_free(self, user: User) -> None:
        """Raises RefusedError if others have a name of this user. Where it is written, the write tells that."""
        users = self.accounts.users
        if user.email and users.credentials_by_email(comparable_email(user.email)) is not None:
            raise RefusedError("email_taken", "email")
        if user.username and users.credentials_by_username(username_key(user.username) or "") is not None:
            raise RefusedError("username_taken", "username")

    def _wrapped(self, found: FastDigest) -> str:
        inner = self.passwords.hash(base64.b64encode(found.digest).decode())
        stored = foreign_hashes.wrapped(found.scheme, found.before, found.after, inner)
        if len(stored) > LONGEST:
            raise RefusedError("unsupported_hash")
        return stored

    def _imported(self, incoming: Incoming, source: str, external: str) -> Imported | None:
        known = incoming.imported
        if len(incoming.totp) + len(incoming.identities) > _MOST_LINKED:
            raise RefusedError("too_many")
        if incoming.native and (known is not None or not incoming.totp):
            return known
        return Imported(external, source, incoming.identities)

    def _seal(self, user: User, listed: tuple[ListedTotp, ...], apps: tuple[TotpParameters, ...]) -> None:
        """Store the secrets of the apps that the new account lists. If that fails, the user is taken back: nobody could
        log in to an account whose factor is missing."""
        try:
            for each, parameters in zip(listed, apps, strict=True):
                self.vault.seal(each.id, user.id, parameters, expires_at=None)
        except Unavailable:
            self._take_back(user)
            raise

    def _add(self, account: Account, *, tells: bool) -> None:
        user, audit = account.user, self.accounts.audit
        details = {"by": "import"}
        events = [audit.event(user.id, "user.created", None, **details)]
        try:
            announced = self.accounts.announced(Change(["user.created"], None, account, details=details))
            self.accounts.users.add(announced, events)
        except EmailTaken:
            raise RefusedError("email_taken", "email") from None
        except UsernameTaken:
            raise RefusedError("username_taken", "username") from None
        # After the claim, since an address is held before it is given up: see `RegistrationService.register`.
        if user.email is not None and self.accounts.is_held(comparable_email(user.email), user.id):
            self._take_back(user)
            raise RefusedError("email_taken", "email")
        # Likewise a role is retired before its users are looked for: see `RoleEditor.delete`. The default ones stay.
        if user.roles != self.default_roles and list(self.unknown_roles(user.roles)):
            self._take_back(user)
            raise RefusedError("unknown_role", "roles")
        self.accounts.note_new(user)
        if tells:
            audit.tell(events)

    def _take_back(self, user: User) -> None:
        """Remove a user who should not have been added; a later import adds them.

        The event of their creation stays as it is: it says nothing of them but the identifier.
        """
        self.accounts.audit.record(user.id, _TAKEN_BACK, None, by="import")
        self.accounts.users.remove(user.id)


def _parameters(totp: Totp) -> TotpParameters:
    try:
        key = base64.b32decode(totp.secret + "=" * (-len(totp.secret) % 8))
    except (binascii.Error, ValueError):
        raise RefusedError("invalid_totp") from None
    if not (
        len(key) in _TOTP_BYTES
        and totp.algorithm in _TOTP_ALGORITHMS
        and totp.digits in _TOTP_DIGITS
        and totp.period in _TOTP_PERIODS
    ):
        raise RefusedError("invalid_totp")
    return TotpParameters(totp.secret, totp.algorithm, totp.digits, totp.period)


def _user_id(root: RootKey, source: str, external: str) -> str:
    """A UUID of version 8 (RFC 9562): the same each time, and nobody without the secret can check a guess at it."""
    digest = hmac.digest(root.derive("latchkey imported user"), json.dumps([source, external]).encode(), "sha256")
    number = int.from_bytes(digest[:16])
    number = number & ~(0xF << 76) | 8 << 76
    number = number & ~(0b11 << 62) | 0b10 << 62
    return str(UUID(int=number))


def _valid(kind: TypeAdapter[str], given: str | None, field: str) -> str | None:
    """The value as a registration would take it; blank is none. Raises RefusedError."""
    if given is None or not given.strip():
        return None
    try:
        return kind.validate_python(given)
    except ValidationError as error:
        reason = error.errors(include_input=False, include_url=False)[0]["type"]
    raise RefusedError(reason, field)


def _valid_username(given: str) -> str | None:
    if username_key(given) in RESERVED:
        raise RefusedError("reserved", "username")
    return _valid(_USERNAME, given, "username")
