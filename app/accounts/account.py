"""The account: a user together with everything that has to change in the same write.

It is stored and replaced as a whole (`Users.save`), on condition that no other write replaced it meanwhile. So each
rule about an account is a function from one `Account` to the next, for every store. The rules that need nothing but the
account are its methods: the time, and each new identifier, is passed in. What needs a store as well is in the services.

What changes at every login or request is no part of it: that is an entity with an operation of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping  # noqa: TC003 - the codec reads the annotation
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from app.accounts.factors import FactorRecovery, ListedPasskey, ListedTotp, RecoveryCode, marked, usable
from app.accounts.imported import Imported  # noqa: TC001 - the codec reads the annotation
from app.accounts.model import Credentials, listed_status
from app.outbox.model import CLAIMED_FOR, LONGEST_RETRY, Entry
from app.platform.errors import (
    InvalidCode,
    LastCredential,
    NotFound,
    TooManyApiKeys,
    TooManyIdentities,
    TooManyPasskeys,
    TooManyRequests,
)
from app.platform.identifiers import comparable_email, email_key, masked_email, name_key, username_key

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from app.accounts.imported import SealedTotp
    from app.accounts.model import User

CodePurpose = Literal["verify", "reset", "rescue", "invitation"]

RESET_LIVES: Final = timedelta(minutes=30)
VERIFICATION_LIVES: Final = timedelta(hours=24)
UNDO_LIVES: Final = timedelta(days=7)
INVITATION_LIVES: Final = timedelta(days=7)
RESCUE_LIVES: Final = timedelta(hours=1)
MAIL: Final = "mail"
"""The kind of the entries that are mail to send."""
ERASE: Final = "erase"
"""The kind of the entry that a deleted account implies: all that belongs to it has to go."""
FACTOR_RECOVERY: Final = "factor_recovery"
"""The kind of the entry that is due when a recovery of lost factors takes effect, and of the mail that warns of it."""
WAYS_BACK: Final = frozenset({"email_changed", "deletion_undo"})
"""Mails to a former address that carry its offer to undo the change."""
MOST_NOTICES: Final = 20
"""Mails of an account that wait to be sent; beyond this number the oldest are dropped."""
ATTACK_TOLD_EVERY: Final = timedelta(days=1)
"""At most this often an owner is told that somebody guesses the password."""
MOST_OFFERS: Final = 20
"""Former addresses with an undo offer. A further change is refused, so that none of their owners loses their offer."""
_LIVES: Final[Mapping[CodePurpose, timedelta]] = {
    "reset": RESET_LIVES,
    "rescue": RESCUE_LIVES,
    "verify": VERIFICATION_LIVES,
    "invitation": INVITATION_LIVES,
}


@dataclass(frozen=True, slots=True)
class LiveCode:
    """A mailed token and code that can be redeemed once. Token and code are computed, never stored.

    `purpose` is a CodePurpose, or one that only a newer version knows.
    """

    id: str
    purpose: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class PendingEmail:
    """An address that the user wants to have, until it is proven; `id` is that of the code mailed to it."""

    id: str
    email: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class UndoOffer:
    """A former address whose owner may undo the change; the `id` of a later change sorts later.

    Only a `proven` address is held meanwhile; any other is free to be claimed.
    """

    id: str
    email: str
    expires_at: datetime
    proven: bool = True


@dataclass(frozen=True, slots=True)
class Notice:
    """A mail that has not been sent yet: its content (`kind`, `facts`) and recipient, but no token.

    `code_id` names the code, pending address or undo offer that the mail carries. In the account it is an entry of the
    outbox, of the kind MAIL.
    """

    id: str
    kind: str
    to: str
    queued_at: datetime
    facts: Mapping[str, str] = field(default_factory=dict)
    code_id: str | None = None
    attempts: int = 0

    @classmethod
    def from_entry(cls, entry: Entry) -> Self:
        """The mail that is in an entry."""
        found = entry.payload
        queued_at = datetime.fromisoformat(found["queued_at"])
        return cls(
            entry.id, found["letter"], found["to"], queued_at, found["facts"], found.get("code_id"), entry.attempts
        )

    def entry(self, due_at: datetime | None = None) -> Entry:
        """The entry with this mail, due as soon as it is queued unless `due_at` is given."""
        payload = {
            "letter": self.kind,
            "to": self.to,
            "queued_at": self.queued_at.isoformat(timespec="milliseconds"),
            "facts": dict(self.facts),
            **({} if self.code_id is None else {"code_id": self.code_id}),
        }
        return Entry(self.id, MAIL, payload, due_at or self.queued_at, self.attempts)


@dataclass(frozen=True, slots=True)
class ListedKey:
    """An API key that the account has: what is not listed here does not work, whatever else the store holds of it."""

    id: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class ListedIdentity:
    """An account at a provider that leads to this account (`app.social.identities`): what is not listed does not."""

    id: str
    provider: str


@dataclass(frozen=True, slots=True)
class Impersonation:
    """An administrator acts for the user of the account: something like a session, which is never renewed.

    It is in effect only in the epoch of its beginning, and only as long as the session of the administrator in which it
    began, which is for `app.sessions.live` to see. It is kept here, and not with the sessions, so that it begins and
    ends by a write of the account; and so that a former version, which does not know it, admits nobody by it.
    """

    id: str
    actor_id: str
    actor_session_id: str
    reason: str
    began_at: datetime
    expires_at: datetime
    auth_epoch: int
    actor_demotions: int = 0
    """How often the administrator had lost a role (`UnderWay.demotions`) when it began."""
    roles_version: int = 0
    """The version of the roles when the administrator was let in to begin it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderWay:
    """What is under way in an account, and empty in most: rarely written, and read only together with all of it.

    SQL keeps it in one column, as JSON. So a new field needs no migration, but a default.
    """

    codes: tuple[LiveCode, ...] = ()
    pending_email: PendingEmail | None = None
    undo_offers: tuple[UndoOffer, ...] = ()
    outbox: tuple[Entry, ...] = ()
    listed_keys: tuple[ListedKey, ...] = ()
    impersonations: tuple[Impersonation, ...] = ()
    returns_as: str | None = None
    """The status that comes back, by enabling or by the undo of a deletion; None is active."""
    given_email: bool | None = None
    """True if an administrator gave the account its address, or took its proof away."""
    imported: Imported | None = None
    attack_told_at: datetime | None = None
    """When the owner was last told that somebody guesses the password."""
    demotions: int | None = None
    """How often the user lost a role; None is never. What they may do for others ends with the write that raises it."""
    breach_told_in: int | None = None
    """The epoch in which the user was told that the password is known from a breach; a new password begins another."""
    totp: tuple[ListedTotp, ...] = ()
    recovery_codes: tuple[RecoveryCode, ...] = ()
    passkeys: tuple[ListedPasskey, ...] = ()
    user_handle: str | None = None
    """What passkeys know the user by (WebAuthn Level 3 section 5.4.3): 32 random bytes in base64url, made with the
    first passkey and kept as long as the account."""
    factor_recovery: FactorRecovery | None = None
    identities: tuple[ListedIdentity, ...] = ()

    @property
    def imported_totp(self) -> tuple[SealedTotp, ...]:
        """The authenticator apps that a former version imported and never asked for; none once the user has one that
        is asked for."""
        return self.imported.totp if self.imported and not any(each.is_confirmed for each in self.totp) else ()

    @property
    def factors(self) -> tuple[str, ...]:
        """The methods by which a second factor can be proven; empty if the account has none."""
        return usable(self.passkeys, (*self.totp, *self.imported_totp), self.recovery_codes)


@dataclass(frozen=True, slots=True)
class Account(UnderWay):
    """A user, their credentials, and what is under way.

    `due_at` is when background work is due: an entry of the outbox or, once the status is deleted, an erasure or the
    expiry of an undo offer; None when there is none. `revision` counts the replacements. `unknown` is what a newer
    version keeps in the account (`app.store.codec`).
    """

    user: User
    password_hash: str | None = field(repr=False)
    auth_epoch: int = 0
    kept_session: str | None = None
    due_at: datetime | None = None
    revision: int = 0
    unknown: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def credentials(self) -> Credentials:
        """What a login knows of the account."""
        is_recovering = self.factor_recovery is not None
        return Credentials(self.user, self.password_hash, self.auth_epoch, self.factors, is_recovering)

    def with_under_way(self, found: UnderWay, unknown: Mapping[str, Any]) -> Account:
        """The account with what is under way in it, as a store keeps it."""
        return replace(self, **{each.name: getattr(found, each.name) for each in fields(UnderWay)}, unknown=unknown)

    def stored_fields(self) -> dict[str, Any]:
        """What every store writes at each replacement, besides what is under way; a field without a value is None.

        A `..._key` is the form in which addresses or user names are compared.
        """
        user, pending = self.user, self.pending_email
        return {
            "email": user.email,
            "email_key": user.email and email_key(user.email),
            "email_verified": user.email_verified,
            "username": user.username,
            "username_key": user.username and username_key(user.username),
            "name": user.name,
            "name_key": user.name and name_key(user.name),
            "roles": user.roles,
            "status": user.status,
            "kind": user.kind,
            "listed_status": listed_status(user.status),
            "password_hash": marked(self.password_hash, self.factors),
            "auth_epoch": self.auth_epoch,
            "kept_session": self.kept_session,
            "pending_email_key": pending and email_key(pending.email),
            "due_at": self.due_at,
        }

    # User and sessions

    def with_user(self, **changes: Any) -> Account:  # noqa: ANN401 - the fields of User
        """The account with these fields of its user changed; it counts if they lose a role."""
        user = replace(self.user, **changes)
        loses = not set(self.user.roles) <= set(user.roles)
        return replace(self, user=user, demotions=(self.demotions or 0) + 1 if loses else self.demotions)

    def with_role_replaced(self, role: str, by: str) -> Account:
        """The account with the role `by` in the place of `role`."""
        return self.with_user(roles=tuple(by if each == role else each for each in self.user.roles))

    def in_new_epoch(self, *, keep: str | None = None) -> Account:
        """The account with all sessions ended except `keep`."""
        return replace(self, auth_epoch=self.auth_epoch + 1, kept_session=keep)

    def with_password(self, password_hash: str, *, keep: str) -> Account:
        """The account with a password that its owner changed in the session `keep`, the only one that goes on.

        Mailed codes for a new password are void, and so is a pending address: an intruder may have asked for either.
        """
        codes = tuple(code for code in self.codes if code.purpose not in {"reset", "rescue"})
        return replace(self.in_new_epoch(keep=keep), password_hash=password_hash, codes=codes, pending_email=None)

    def with_reset_password(self, password_hash: str) -> Account:
        """The account with a password that was set by mail, which also proves the address; all sessions end.

        If the address was not proven before, everything in the account may be someone else's: undo offers, API keys and
        second factors go, too. Not so if an administrator gave it to the account.
        """
        ours = self.user.email_verified or self.waits_for_proof
        return replace(
            self.in_new_epoch().with_user(email_verified=True),
            password_hash=password_hash,
            codes=(),
            pending_email=None,
            undo_offers=self.undo_offers if ours else (),
            listed_keys=self.listed_keys if ours else (),
            totp=self.totp if ours else (),
            recovery_codes=self.recovery_codes if ours else (),
            passkeys=self.passkeys if ours else (),
            identities=self.identities if ours else (),
            imported=self.imported if ours else self._imported_without_ways_in,
        )

    def with_breach_told(self) -> Account:
        """The account, whose user is told that the present password is known from a breach."""
        return replace(self, breach_told_in=self.auth_epoch)

    def with_rescue(self, *, code_id: str, now: datetime) -> Account:
        """The account with a code that the operator hands over, named `code_id`, for a new password. A former one is
        void."""
        others = tuple(code for code in self.codes if code.purpose != "rescue")
        return replace(self, codes=others).with_code("rescue", code_id=code_id, now=now)[0]

    def with_rescued_password(self, password_hash: str) -> Account:
        """The account with a password that was set by the link of a rescue; all sessions end. It proves no address."""
        return replace(self.in_new_epoch(), password_hash=password_hash, codes=(), pending_email=None)

    def with_attack_told(self, now: datetime) -> Account:
        """The account whose owner is told now that somebody guesses the password; the same account if they were told
        within `ATTACK_TOLD_EVERY`."""
        told = self.attack_told_at
        return self if told is not None and now < told + ATTACK_TOLD_EVERY else replace(self, attack_told_at=now)

    # The status

    def disabled(self) -> Account:
        """The account, disabled. What could let anyone in ends for good, so nothing of it is back once it is enabled.

        Undo offers stay: an undo gives a disabled account back to its owner, and leaves it disabled.
        """
        if self.user.status == "disabled":
            return self
        ended = replace(self.in_new_epoch(), codes=(), pending_email=None, listed_keys=())
        returns_as = "invited" if self.user.status == "invited" else None
        return replace(ended.with_user(status="disabled"), returns_as=returns_as)

    def enabled(self) -> Account:
        """The account, as it was before it was disabled: active, or invited."""
        if self.user.status != "disabled":
            return self
        status = "invited" if self.returns_as == "invited" else "active"
        return replace(self.with_user(status=status), returns_as=None)

    # API keys

    def with_api_key(self, key: ListedKey, *, most: int, now: datetime) -> Account:
        """The account with one more API key, and without those that have expired.

        Raises TooManyApiKeys if it has `most` already.
        """
        live = tuple(each for each in self.listed_keys if each.expires_at > now)
        if len(live) >= most:
            raise TooManyApiKeys
        return replace(self, listed_keys=(*live, key))

    def has_api_key(self, key_id: str) -> bool:
        """Whether the account has this API key."""
        return any(key.id == key_id for key in self.listed_keys)

    def without_api_key(self, key_id: str) -> Account:
        """The account without this API key; raises NotFound if it has no such key."""
        if not self.has_api_key(key_id):
            raise NotFound
        return replace(self, listed_keys=tuple(key for key in self.listed_keys if key.id != key_id))

    # Second factors

    @property
    def confirmed_totp(self) -> ListedTotp | None:
        """The authenticator app that is asked for; None if there is none."""
        return next((each for each in self.totp if each.is_confirmed), None)

    def pending_totp(self, now: datetime) -> ListedTotp | None:
        """The authenticator app that can be confirmed; None if there is none."""
        return next((each for each in self.totp if each.expires_at is not None and each.expires_at > now), None)

    def with_pending_totp(self, listed: ListedTotp) -> Account:
        """The account with an authenticator app to confirm, the only one."""
        return replace(self, totp=(*(each for each in self.totp if each.is_confirmed), listed))

    def with_confirmed_totp(self, totp_id: str, now: datetime) -> Account:
        """The account whose authenticator app is this one, in place of a former one; raises InvalidCode if it cannot
        be confirmed any more."""
        pending = self.pending_totp(now)
        if pending is None or pending.id != totp_id:
            raise InvalidCode
        return replace(self, totp=(replace(pending, expires_at=None),), imported=self._imported_without_totp)

    def without_totp(self) -> Account:
        """The account without its authenticator app, and, if that was the last factor, without recovery codes; raises
        NotFound if it has none."""
        if self.confirmed_totp is None and not self.imported_totp:
            raise NotFound
        return replace(self, totp=(), imported=self._imported_without_totp).without_idle_codes()

    def with_user_handle(self, handle: str) -> Account:
        """The account with this user handle, unless it has one."""
        return self if self.user_handle else replace(self, user_handle=handle)

    def with_passkey(self, listed: ListedPasskey, *, most: int) -> Account:
        """The account with one more passkey; raises TooManyPasskeys if it has `most` already."""
        if len(self.passkeys) >= most:
            raise TooManyPasskeys
        return replace(self, passkeys=(*self.passkeys, listed))

    def has_passkey(self, passkey_id: str) -> bool:
        """Whether the account has this passkey."""
        return any(listed.id == passkey_id for listed in self.passkeys)

    def required_passkey(self, passkey_id: str) -> ListedPasskey:
        """The passkey of this identifier; raises NotFound if the account has no such passkey."""
        for listed in self.passkeys:
            if listed.id == passkey_id:
                return listed
        raise NotFound

    def with_renamed_passkey(self, passkey_id: str, name: str) -> Account:
        """The account with another name of a passkey; raises NotFound if it has no such passkey."""
        self.required_passkey(passkey_id)
        renamed = (replace(each, name=name) if each.id == passkey_id else each for each in self.passkeys)
        return replace(self, passkeys=tuple(renamed))

    def without_passkey(self, passkey_id: str, providers: Collection[str]) -> Account:
        """The account without a passkey, and, if that was the last factor, without recovery codes; raises NotFound if
        it has no such passkey, and LastCredential if nobody could log in any more, by one of these `providers`."""
        gone = self.required_passkey(passkey_id)
        left = replace(self, passkeys=tuple(each for each in self.passkeys if each != gone)).without_idle_codes()
        return left.with_way_in(providers)

    def without_idle_codes(self) -> Account:
        """The account without recovery codes, if there is no factor that they could stand in for."""
        return self if self.factors else replace(self, recovery_codes=())

    def with_recovery_codes(self, codes: tuple[RecoveryCode, ...]) -> Account:
        """The account with these recovery codes; former ones are void."""
        return replace(self, recovery_codes=codes)

    def with_used_code(self, code_id: str, now: datetime) -> Account:
        """The account with this recovery code used."""
        used = tuple(replace(code, used_at=now) if code.id == code_id else code for code in self.recovery_codes)
        return replace(self, recovery_codes=used)

    def without_factors(self) -> Account:
        """The account without any second factor."""
        return replace(self, totp=(), recovery_codes=(), passkeys=(), imported=self._imported_without_totp)

    def with_adopted_totp(self, listed: tuple[ListedTotp, ...]) -> Account:
        """The account that lists the apps of `imported_totp` as its own; one that is to be confirmed stays."""
        return replace(self, totp=(*listed, *self.totp), imported=self._imported_without_totp)

    @property
    def _imported_without_totp(self) -> Imported | None:
        return self.imported and replace(self.imported, totp=())

    @property
    def _imported_without_ways_in(self) -> Imported | None:
        return self.imported and replace(self.imported, totp=(), identities=())

    # Accounts at providers

    def identity(self, identity_id: str) -> ListedIdentity | None:
        """The linked account of a provider that has this identifier; None if there is none."""
        return next((listed for listed in self.identities if listed.id == identity_id), None)

    def with_identity(self, listed: ListedIdentity, *, most: int) -> Account:
        """The account with one more account of a provider; raises TooManyIdentities if it has `most` already."""
        if len(self.identities) >= most:
            raise TooManyIdentities
        return replace(self, identities=(*self.identities, listed))

    def without_identity(self, identity_id: str, providers: Collection[str]) -> Account:
        """The account without an account of a provider; raises NotFound if it has no such one, and LastCredential if
        nobody could log in any more, by one of these `providers`."""
        if self.identity(identity_id) is None:
            raise NotFound
        left = tuple(listed for listed in self.identities if listed.id != identity_id)
        return replace(self, identities=left).with_way_in(providers)

    def has_imported_identity(self, names: Collection[str], subject: str) -> bool:
        """Whether this account of a provider was linked where the user came from; `names` are those of the provider
        there."""
        known = self.imported.identities if self.imported else ()
        return any(each.provider in names and each.subject == subject for each in known)

    def without_imported_identity(self, subject: str) -> Account:
        """The account without what was imported about an account of a provider: it was unlinked here."""
        if self.imported is None:
            return self
        left = tuple(each for each in self.imported.identities if each.subject != subject)
        return replace(self, imported=replace(self.imported, identities=left))

    def with_way_in(self, providers: Collection[str]) -> Account:
        """The same account; raises LastCredential if there is no way in: a password and a name to go with it, a
        passkey, or an account at one of these `providers`, which are those that there still are.

        A mail is none: whoever reads it sets a password.
        """
        by_password = self.password_hash and (self.user.email or self.user.username)
        by_provider = any(listed.provider in providers for listed in self.identities)
        if not (by_password or self.passkeys or by_provider):
            raise LastCredential
        return self

    def taken_over_by(self, listed: ListedIdentity, email: str) -> Account:
        """The account whose address its owner has proven by a provider, which nobody had before ("proof beats claim").

        All that is in it may be someone else's: the password is void, all sessions end, and codes, undo offers, API
        keys, second factors and other providers go.
        """
        return replace(
            self.in_new_epoch().with_user(email=email, email_verified=True),
            password_hash=None,
            codes=(),
            pending_email=None,
            undo_offers=(),
            listed_keys=(),
            totp=(),
            recovery_codes=(),
            passkeys=(),
            identities=(listed,),
            imported=self._imported_without_ways_in,
            given_email=None,
        )

    # Recovery of lost factors

    def recovery(self, now: datetime) -> FactorRecovery | None:
        """The recovery that is under way, or due; None if there is none, or it is void.

        What begins a new epoch voids it: a new password, a change of factors, the undo of an address, the end of all
        sessions. So does another address, and a warning that nobody took. A former version need not know of any of it.
        """
        found, user = self.factor_recovery, self.user
        if found is None or not self.factors or user.status != "active":
            return None
        is_of_now = found.auth_epoch == self.auth_epoch and user.email_verified and user.email == found.email
        return found if is_of_now and found.is_told_in_time(now) else None

    def open_recovery(self, now: datetime) -> FactorRecovery | None:
        """The recovery that is under way and can still be cancelled; None if there is none."""
        found = self.recovery(now)
        return found if found is not None and now < found.effective_at else None

    def due_recovery(self, now: datetime) -> FactorRecovery | None:
        """The recovery whose time has come; None if there is none."""
        found = self.recovery(now)
        return found if found is not None and found.effective_at <= now else None

    def with_recovery(self, recovery: FactorRecovery, now: datetime) -> Account:
        """The account with this recovery, and the entry that is due when it takes effect."""
        entry = Entry(recovery.id, FACTOR_RECOVERY, {}, recovery.effective_at)
        return replace(self.without_recovery(), factor_recovery=recovery).with_entries([entry], now)

    def with_recovery_told(self, recovery_id: str | None, to: str, now: datetime) -> Account:
        """The account whose owner was warned of this recovery, by mail to this address; the same account if they knew,
        or it is no address of theirs."""
        found = self.recovery(now)
        if found is None or found.told_at is not None or (found.id, found.email) != (recovery_id, to):
            return self
        return replace(self, factor_recovery=replace(found, told_at=now))

    def without_recovery(self) -> Account:
        """The account without a recovery, whether one is under way or void."""
        left = tuple(entry for entry in self.outbox if entry.kind != FACTOR_RECOVERY)
        return replace(self, factor_recovery=None, outbox=left)

    # Impersonations

    def open_impersonations(self, now: datetime) -> tuple[Impersonation, ...]:
        """The impersonations that the account itself still allows: the user is active, and nothing ended their sessions
        meanwhile."""
        if self.user.status != "active":
            return ()
        return tuple(
            each for each in self.impersonations if each.auth_epoch == self.auth_epoch and each.expires_at > now
        )

    def with_impersonation(self, begun: Impersonation, *, most: int, now: datetime) -> Account:
        """The account with one more impersonation, in its present epoch; those that have ended go.

        Raises TooManyRequests if `most` are open already.
        """
        is_open = self.open_impersonations(now)
        if len(is_open) >= most:
            ends = min(each.expires_at for each in is_open)
            raise TooManyRequests(retry_after=math.ceil((ends - now).total_seconds()))
        return replace(self, impersonations=(*is_open, replace(begun, auth_epoch=self.auth_epoch)))

    def without_impersonation(self, impersonation_id: str) -> Account:
        """The account without this impersonation; the same account if it has none of this identifier."""
        left = tuple(each for each in self.impersonations if each.id != impersonation_id)
        return self if left == self.impersonations else replace(self, impersonations=left)

    # Codes

    def with_code(self, purpose: CodePurpose, *, code_id: str, now: datetime) -> tuple[Account, LiveCode]:
        """The account with a live code for this purpose, its present one or a new one named `code_id`; and that code.

        Codes that have expired go.
        """
        live = tuple(code for code in self.codes if code.expires_at > now)
        known = next((code for code in live if code.purpose == purpose), None)
        if known is not None:
            return self, known
        code = LiveCode(code_id, purpose, now + _LIVES[purpose])
        return replace(self, codes=(*live, code)), code

    def require_code(self, purpose: CodePurpose, code_id: str, now: datetime) -> None:
        """Raises InvalidCode if the account has no such live code."""
        if not any(code.id == code_id and code.purpose == purpose and code.expires_at > now for code in self.codes):
            raise InvalidCode

    def without_code(self, purpose: CodePurpose, code_id: str, now: datetime) -> Account:
        """The account without the codes of this purpose, one of which is redeemed; raises InvalidCode if it is dead."""
        self.require_code(purpose, code_id, now)
        return replace(self, codes=tuple(code for code in self.codes if code.purpose != purpose))

    def expiry_of(self, code_id: str | None) -> datetime | None:
        """When the code, pending address, undo offer or recovery of factors of this identifier expires; None if the
        account has none."""
        pending = (self.pending_email,) if self.pending_email else ()
        carried = (*self.codes, *pending, *self.undo_offers)
        recovery = self.factor_recovery
        if recovery is not None and recovery.id == code_id:
            return recovery.effective_at
        return next((one.expires_at for one in carried if one.id == code_id), None)

    # Invitations

    def with_invitation(self, *, code_id: str, now: datetime) -> tuple[Account, LiveCode]:
        """The account with a live invitation, its present one or a new one named `code_id`; and that code.

        If the address belongs to an account that has not proven it, it is the pending address of this one, and the
        invitation proves it.
        """
        account, code = self.with_code("invitation", code_id=code_id, now=now)
        if account.pending_email is not None:
            pending = replace(account.pending_email, id=code.id, expires_at=code.expires_at)
            account = replace(account, pending_email=pending)
        return account, code

    @property
    def invited_email(self) -> str | None:
        """The address of an invited user: theirs, or the one that they will have proven by their answer."""
        return self.user.email or (self.pending_email.email if self.pending_email else None)

    def accepted(self, code_id: str, now: datetime, *, password_hash: str, **names: str | None) -> Account:
        """The account of an invited user who answered: active, with a password and these `names`.

        The address counts as proven: the invitation was mailed there, or the operator, who handed it over, vouches for
        it. Raises InvalidCode if the invitation is dead.
        """
        email = self.invited_email
        account = self.without_code("invitation", code_id, now).in_new_epoch()
        account = account.with_user(email=email, email_verified=email is not None, status="active", **names)
        return replace(account, password_hash=password_hash, codes=(), pending_email=None, given_email=None)

    # The address and its changes

    @property
    def waits_for_proof(self) -> bool:
        """Whether an administrator gave the account its address, and it is not proven yet.

        Until then the address does not lead into the account, in case it is misspelt and someone else's: no reset is
        mailed to it on request, no undo is offered to it, and whoever denies it takes the address, not the account.
        """
        return bool(self.given_email) and self.user.email is not None and not self.user.email_verified

    def require_room_for_offer(self, now: datetime) -> None:
        """Raises TooManyRequests while as many undo offers are open as there may be."""
        ends = sorted(offer.expires_at for offer in self.open_offers(now))
        if len(ends) >= MOST_OFFERS:
            raise TooManyRequests(retry_after=math.ceil((ends[0] - now).total_seconds()))

    def with_pending_email(self, email: str, *, code_id: str, now: datetime) -> tuple[Account, PendingEmail]:
        """The account with this pending address, the present one if it is the same; and the pending address.

        Raises TooManyRequests while as many undo offers are open as there may be.
        """
        self.require_room_for_offer(now)
        known = self.pending_email
        if known is None or email_key(known.email) != email_key(email) or known.expires_at <= now:
            known = PendingEmail(code_id, email, now + VERIFICATION_LIVES)
        return replace(self, pending_email=known), known

    def required_pending_email(self, code_id: str, now: datetime) -> PendingEmail:
        """The pending address that this code proves; raises InvalidCode if there is none, or it has expired."""
        pending = self.pending_email
        if pending is None or pending.id != code_id or pending.expires_at <= now:
            raise InvalidCode
        return pending

    def without_pending_email(self, code_id: str) -> Account:
        """The account without the pending address of this code, expired or not; raises InvalidCode if it has none."""
        if self.pending_email is None or self.pending_email.id != code_id:
            raise InvalidCode
        return replace(self, pending_email=None)

    def offer_of_present_email(self, offer_id: str, now: datetime) -> UndoOffer | None:
        """The undo offer for the present address, should the account move to another.

        None if it has no address, or one that `waits_for_proof`.
        """
        if self.user.email is None or self.waits_for_proof:
            return None
        return UndoOffer(offer_id, self.user.email, now + UNDO_LIVES, self.user.email_verified)

    def moved_to(self, email: str, offer: UndoOffer | None, now: datetime) -> Account:
        """The account with another address, now proven, and with the undo offer of the former one.

        Codes that were mailed to the former address are void.
        """
        offers = (*self.open_offers(now), *([offer] if offer else []))
        moved = self.with_user(email=email, email_verified=True)
        return replace(moved, codes=(), pending_email=None, undo_offers=offers, given_email=None)

    def with_given_email(self, email: str, offer: UndoOffer | None, now: datetime) -> Account:
        """The same as `moved_to`, but the address is an administrator's, and not proven yet."""
        return self.moved_to(email, offer, now).with_unproven_email()

    def with_unproven_email(self) -> Account:
        """The account with its present address, which has to be proven again; codes mailed to it are void."""
        return replace(self.with_user(email_verified=False), codes=(), given_email=True)

    def without_email(self) -> Account:
        """The account without its address, which someone else has proven: everything mailed to that address is void."""
        left = self.without_mail_to(self.user.email)
        return replace(left.with_user(email=None, email_verified=False), codes=())

    # Undo offers

    def open_offers(self, now: datetime) -> tuple[UndoOffer, ...]:
        """The undo offers that have not expired, the earliest change first."""
        return tuple(offer for offer in self.undo_offers if offer.expires_at > now)

    def required_offer(self, offer_id: str, now: datetime) -> UndoOffer:
        """The undo offer of this identifier; raises InvalidCode if there is none, or it has expired."""
        for offer in self.open_offers(now):
            if offer.id == offer_id:
                return offer
        raise InvalidCode

    def former_addresses(self, now: datetime) -> tuple[str, ...]:
        """The former addresses that can take the account back, the latest first, masked."""
        return tuple(dict.fromkeys(masked_email(offer.email) for offer in reversed(self.open_offers(now))))

    def has_proven(self, key: str) -> bool:
        """Whether the account gave up the address of this `comparable_email` after it was proven."""
        return any(offer.proven and comparable_email(offer.email) == key for offer in self.undo_offers)

    def may_take_back(self, key: str, now: datetime) -> bool:
        """Whether the account gave up the address of this `email_key` after it was proven, and may still take it back.

        The undo offer decides whether a hold on an address counts: an unproven address is never held.
        """
        return any(offer.proven and email_key(offer.email) == key for offer in self.open_offers(now))

    def given_back(self, offer: UndoOffer, now: datetime) -> Account:
        """The account given back to the owner of a former address; a deleted one is active or disabled, as it was.

        All sessions and API keys end, since an intruder may have made them, the password becomes void, pending changes
        and this and all later offers are cancelled, and what was to be mailed to the present address is dropped. So are
        second factors from after the change; earlier ones are the owner's, and stay.
        """
        account = self._brought_back(now) if self.user.status == "deleted" else self
        return replace(
            account.without_mail_to(self.user.email).in_new_epoch().with_user(email=offer.email, email_verified=True),
            password_hash=None,
            codes=(),
            pending_email=None,
            undo_offers=tuple(other for other in self.undo_offers if other.id < offer.id),
            listed_keys=(),
            totp=tuple(listed for listed in account.totp if listed.id < offer.id),
            recovery_codes=tuple(code for code in account.recovery_codes if code.id < offer.id),
            passkeys=tuple(listed for listed in account.passkeys if listed.id < offer.id),
            identities=tuple(listed for listed in account.identities if listed.id < offer.id),
        )

    def _brought_back(self, now: datetime) -> Account:
        """A deleted account without the mails about its deletion; earlier owners still get theirs about the change."""
        left = tuple(
            entry if entry.kind != MAIL else replace(entry, payload={**entry.payload, "letter": "email_changed"})
            for entry in self.outbox
            if entry.kind != MAIL or Notice.from_entry(entry).kind in WAYS_BACK
        )
        # `due_at` may only be the expiry of an offer, which no longer counts; the claim of a worker stays.
        claimed = self.due_at is not None and self.due_at <= now + CLAIMED_FOR
        due_at = self.due_at if claimed else min((entry.due_at for entry in left), default=None)
        status = "disabled" if self.returns_as == "disabled" else "active"
        return replace(self.with_user(status=status), outbox=left, due_at=due_at, returns_as=None)

    # Deletion

    def deleted(self, *, roles: tuple[str, ...], claimed_until: datetime, now: datetime) -> Account:
        """What is left of the account once it is deleted: its identifier, and what the undo of a change needs.

        Offers of proven addresses stay open; while there is one, `roles` stay as well. What waited to be mailed
        concerns an account that is gone. Mail waits until `claimed_until` for the erasure, so that it takes
        nothing from a user who returns.
        """
        offers = tuple(offer for offer in self.open_offers(now) if offer.proven)
        nobody = self.with_user(
            email=None,
            email_verified=False,
            username=None,
            name=None,
            roles=roles if offers else (),
            status="deleted",
            last_login_at=None,
        )
        return replace(
            nobody.in_new_epoch(),
            password_hash=None,
            codes=(),
            pending_email=None,
            impersonations=(),
            demotions=None,
            undo_offers=offers,
            outbox=tuple(entry for entry in self.outbox if entry.kind not in {MAIL, FACTOR_RECOVERY}),
            imported=None,
            attack_told_at=None,
            totp=(),
            recovery_codes=(),
            passkeys=(),
            identities=(),
            user_handle=None,
            factor_recovery=None,
            due_at=claimed_until,
            listed_keys=(),
            returns_as="disabled" if self.user.status == "disabled" else None,
        )

    # The outbox

    @property
    def notices(self) -> tuple[Notice, ...]:
        """The mails that wait to be sent, the oldest first."""
        return tuple(Notice.from_entry(entry) for entry in self.outbox if entry.kind == MAIL)

    def with_notice(self, notice: Notice, now: datetime) -> Account:
        """The account with one more mail to send.

        Beyond MOST_NOTICES the oldest is dropped, but never one with an undo offer, or an attacker who took the account
        could keep it from being sent. There are at most as many of those as undo offers.
        """
        waiting, surplus = self.notices, None
        if len(waiting) >= MOST_NOTICES:
            surplus = next((each.id for each in waiting if each.kind not in WAYS_BACK), None)
        left = tuple(entry for entry in self.outbox if entry.id != surplus)
        return replace(self, outbox=left).with_entries([notice.entry(now)], now)

    def with_entries(self, entries: Sequence[Entry], now: datetime) -> Account:
        """The account with more to do, which is due now; an entry that waits already is not added again."""
        waiting = {entry.id for entry in self.outbox}
        added = [entry for entry in entries if entry.id not in waiting]
        # While a worker is sending, `due_at` is the end of its claim, and that worker finds what is added itself. What
        # is further off is no claim: mail does not wait for an entry whose handler wants to be called tomorrow.
        due_at = self.due_at if self.due_at is not None and self.due_at <= now + LONGEST_RETRY else now
        return replace(self, outbox=(*self.outbox, *added), due_at=due_at)

    def without_mail_to(self, email: str | None) -> Account:
        """The account without the mails that wait to be sent to an address."""
        left = tuple(entry for entry in self.outbox if entry.kind != MAIL or Notice.from_entry(entry).to != email)
        return replace(self, outbox=left)

    def due_entries(self, now: datetime) -> tuple[Entry, ...]:
        """The entries that are to be done now."""
        return tuple(entry for entry in self.outbox if entry.due_at <= now)

    def implied_entries(self, now: datetime) -> tuple[Entry, ...]:
        """What has to be done first, whatever is in the outbox: everything of a deleted account is erased.

        Mail about a deletion waits for that, so that an owner who restores the account loses nothing.
        """
        return (Entry(self.user.id, ERASE, {}, now),) if self.user.status == "deleted" else ()

    def settled(self, outcomes: Mapping[str, Entry | None], *, claimed_until: datetime, now: datetime) -> Account:
        """The account after a worker tried the entries in `outcomes`, whose claim ended at `claimed_until`.

        `outcomes` says how each is to wait, None if it is done and goes.
        """
        waiting = ((entry, outcomes.get(entry.id, entry)) for entry in self.outbox)
        # Its time alone is changed: the rest may have been replaced since the worker read it.
        remaining = tuple(
            replace(entry, due_at=left.due_at, attempts=left.attempts) for entry, left in waiting if left is not None
        )
        times, offers = [entry.due_at for entry in remaining], self.undo_offers
        if self.user.status == "deleted":
            offers = self.open_offers(now)
            if self.user.id not in outcomes:  # nobody began to erase it
                times = [now]
            elif failed := outcomes[self.user.id]:  # it was not erased, and nothing else is begun before
                times = [failed.due_at]
            else:
                # The last offer goes by a write of its own: without an offer nobody can restore the account. What is
                # left of the outbox is waited for, or its worker would come back at once, over and over.
                times = [*times, *(offer.expires_at for offer in offers)] or [now]
        # The claim may have expired and belong to another worker by now, which does the rest.
        due_at = min(times, default=None) if self.due_at == claimed_until else self.due_at
        return replace(self, outbox=remaining, undo_offers=offers, due_at=due_at)

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do for a deleted account, and nobody can bring it back."""
        return self.user.status == "deleted" and not self.outbox and not self.undo_offers
