"""Creates, lists and ends API keys."""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from app.accounts.under_way import ListedKey
from app.api_keys import key_format
from app.api_keys.authenticator import digest_of, genuine
from app.api_keys.keepers import Keepers
from app.api_keys.listing import has_api_key, with_api_key, without_api_key
from app.api_keys.model import ApiKey
from app.platform import pieces
from app.platform.errors import Failure, FieldError, NotFound, SessionEnded, Unavailable, ValidationFailed
from app.platform.identifiers import new_id
from app.roles.authority import require_authority

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from app.accounts.account import Account
    from app.accounts.model import Status
    from app.accounts.principal import Principal
    from app.accounts.service import Accounts
    from app.api_keys.model import ApiKeys, FoundKey
    from app.platform.devices import Device
    from app.roles.service import Roles

_THERE: Final[tuple[Status, ...]] = ("active", "disabled", "invited")


@dataclass(frozen=True, slots=True)
class KeyRules:
    """How many days a key lives, if its owner does not say (`days`) and at most; and the most keys of a user."""

    days: int
    most_days: int
    most: int


@dataclass(frozen=True, slots=True)
class NewKey:
    """The description of a key, validated by `inputs`; `days` is how long it lives, None for the default."""

    name: str
    permissions: tuple[str, ...]
    days: int | None = None


@dataclass(frozen=True, slots=True)
class CreatedKey:
    """A new key, and the text that is shown once."""

    key: ApiKey
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeyPage:
    """Some keys of all users, oldest first; the next page starts after the identifier `next`, None at the end."""

    found: Sequence[FoundKey]
    next: str | None


@dataclass(frozen=True, slots=True)
class ApiKeyService:
    """Creates, lists and ends API keys.

    A key is stored before the account lists it, and ends when the account does not: so each is one write of the
    account, with its event and its mail, and of any number at once none gets past the most that there may be.
    """

    keys: ApiKeys
    accounts: Accounts
    roles: Roles
    rules: KeyRules

    def create(
        self,
        owner_id: str,
        new: NewKey,
        device: Device,
        *,
        by: Principal,
        check: Callable[[Account], None] | None = None,
    ) -> CreatedKey:
        """Make a key of an active user, who is told by mail; `check` raises to refuse an account.

        Raises ValidationFailed, Forbidden for a permission that `by` or the owner does not hold, TooManyApiKeys, and
        SessionEnded, or NotFound if the owner is another user.
        """
        self._require_known(new)
        now, secret = self.accounts.clock(), secrets.token_bytes(key_format.SECRET_BYTES)
        key = ApiKey(
            id=new_id(),
            user_id=owner_id,
            digest=digest_of(secret),
            name=new.name,
            permissions=new.permissions,
            created_at=now,
            expires_at=now + timedelta(days=new.days or self.rules.days),
        )

        def with_key(account: Account) -> Account:
            if check is not None:
                check(account)
            held = by.permissions & self.roles.permissions_of(account.user.roles)
            require_authority(held, frozenset(key.permissions))
            listed = with_api_key(account, ListedKey(key.id, key.expires_at), most=self.rules.most, now=now)
            return self.accounts.with_warning(listed, "api_key_created", device, key=key.name)

        missing = SessionEnded if owner_id == by.user.id else NotFound
        if not self.keys.add(key):
            raise missing
        try:
            self.accounts.change(
                owner_id,
                with_key,
                by=by,
                missing=missing,
                actions=["api_key.created"],
                details={"key": key.id},
                device=device,
                services=True,
            )
        except Unavailable:  # it may be listed by now, for the owner to delete
            raise
        except Failure:
            self._forget(key.id)
            raise
        return CreatedKey(key, key_format.make(key.id, secret))

    def list_of(self, owner_id: str) -> list[ApiKey]:
        """The keys of a user, oldest first: those that have expired until the next one is made."""
        account = self.accounts.users.account(owner_id)
        return self.keys.some([key.id for key in account.listed_keys]) if account else []

    def list_all(self, *, after: str | None, limit: int) -> KeyPage:
        """Up to `limit` keys of all users after `after`; fewer, if some of these have ended."""
        found = self.keys.page(after=after, limit=limit + 1)
        page = found[:limit]
        there = [each for each in page if each.listed and each.user.status != "deleted"]
        return KeyPage(there, page[-1].key.id if len(found) > limit else None)

    def delete(
        self,
        owner_id: str,
        key_id: str,
        device: Device | None,
        *,
        by: Principal | None,
        check: Callable[[Account], None] | None = None,
    ) -> None:
        """End a key of this user; `check` raises to refuse an account. Raises NotFound, and SessionEnded for `by`."""

        def without_key(account: Account) -> Account:
            if check is not None:
                check(account)
            return without_api_key(account, key_id)

        self.accounts.change(
            owner_id,
            without_key,
            by=by,
            missing=NotFound,
            among=_THERE,
            actions=["api_key.deleted"],
            details={"key": key_id},
            device=device,
            services=True,
        )
        self._forget(key_id)

    def report_leaked(self, text: str) -> None:
        """End the key that this text is, and tell its owner; for any other text, do nothing, after the same look.

        A service account has no address: then its `Keepers` are told.
        Whoever sends a whole key could use it as well: so that it worked tells them nothing.
        """
        found = genuine(self.keys, text)
        if found is None:
            return
        key, actions = found.key, list[str]()

        def ended(account: Account) -> Account:
            actions[:] = ["api_key.leaked"] if has_api_key(account, key.id) else []
            if not actions:  # reported at the same time
                return account
            told = {"key": key.name} if account.user.email_verified else {}
            left = without_api_key(account, key.id)
            return self.accounts.with_notice(left, "api_key_leaked", account.user.email, **told)

        with suppress(SessionEnded):  # deleted, and so are its keys
            account = self.accounts.change(
                found.user.id, ended, among=_THERE, actions=actions, details={"key": key.id}, services=True
            )
            if actions and account.user.kind == "service":
                Keepers(self.accounts, self.roles).tell(account.user, key)
        self._forget(key.id)

    def erase(self, user_id: str) -> Iterator[None]:
        """Delete all keys of a user who is deleted, a piece at each step; idempotent."""
        return pieces.in_pieces(lambda limit: self.keys.remove_some_of(user_id, limit))

    def _require_known(self, new: NewKey) -> None:
        """Raises ValidationFailed for a permission that does not exist, or a life that is too long."""
        unknown = sorted(set(new.permissions) - self.roles.declared)
        errors = [
            FieldError("permissions", "unknown_permission", f"There is no permission {name}.") for name in unknown
        ]
        if new.days is not None and new.days > self.rules.most_days:
            message = f"An API key lives for at most {self.rules.most_days} days here."
            errors.append(FieldError("expires_in_days", "too_large", message))
        if errors:
            raise ValidationFailed(fields=tuple(errors))

    def _forget(self, key_id: str) -> None:
        """Delete what is stored of a key that no account lists. If that fails, it is deleted when it expires."""
        with suppress(Unavailable):
            self.keys.remove(key_id)
