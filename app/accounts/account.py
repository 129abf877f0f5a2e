"""The account: a user together with everything that has to change in the same write.

It is stored and replaced as a whole (`Users.save`), on condition that no other write replaced it meanwhile. So each
rule about an account is a function from one `Account` to the next, for every store: the time, and each new identifier,
is passed in. Those that concern several features are methods here. Those of one feature are in that feature: what it
lists in the account comes and goes in its `listing.py`. What needs a store as well is in the services.

What changes at every login or request is no part of an account: that is an entity with an operation of its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from app.accounts.factors import FACTOR_RECOVERY
from app.accounts.model import Credentials
from app.accounts.notices import MAIL, MOST_NOTICES, WAYS_BACK, Notice
from app.accounts.under_way import CODE_LIVES, UNDO_LIVES, LiveCode, PendingEmail, UnderWay, UndoOffer
from app.outbox.model import CLAIMED_FOR, LONGEST_RETRY, Entry
from app.platform.errors import (
    InvalidCode,
    LastCredential,
    TooManyRequests,
)
from app.platform.identifiers import comparable_email, email_key, masked_email

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from app.accounts.model import User
    from app.accounts.under_way import CodePurpose, ListedIdentity

MOST_OFFERS: Final = 20
"""Former addresses with an undo offer. A further change is refused, so that none of their owners loses their offer."""


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

    # User and sessions

    def with_user(self, **changes: Any) -> Account:  # noqa: ANN401 - the fields of User
        """The account with these fields of its user changed; it counts if they lose a role."""
        user = replace(self.user, **changes)
        loses = not set(self.user.roles) <= set(user.roles)
        return replace(self, user=user, demotions=(self.demotions or 0) + 1 if loses else self.demotions)

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
        is_theirs = self.user.email_verified or self.waits_for_proof
        kept = self if is_theirs else self._without_ways_in()
        proven = kept.in_new_epoch().with_user(email_verified=True)
        return replace(proven, password_hash=password_hash, codes=(), pending_email=None)

    def with_rescued_password(self, password_hash: str) -> Account:
        """The account with a password that was set by the link of a rescue; all sessions end. It proves no address."""
        return replace(self.in_new_epoch(), password_hash=password_hash, codes=(), pending_email=None)

    # Ways in

    def require_way_in(self, providers: Collection[str]) -> None:
        """Raises LastCredential if there is no way in: a password and a name to go with it, a passkey, or an account at
        one of these `providers`, which are those that there still are.

        A mail is none: whoever reads it sets a password.
        """
        by_password = self.password_hash and (self.user.email or self.user.username)
        by_provider = any(listed.provider in providers for listed in self.identities)
        if not (by_password or self.passkeys or by_provider):
            raise LastCredential

    def taken_over_by(self, listed: ListedIdentity, email: str) -> Account:
        """The account whose address its owner has proven by a provider, which nobody had before ("proof beats claim").

        All that is in it may be someone else's: the password is void, all sessions end, and codes, undo offers, API
        keys, second factors and other providers go.
        """
        proven = self._without_ways_in().in_new_epoch().with_user(email=email, email_verified=True)
        return replace(proven, password_hash=None, codes=(), pending_email=None, identities=(listed,), given_email=None)

    def _without_ways_in(self) -> Account:
        """The account without all that could let in, or bring back, whoever had it before its address was proven.

        Password, sessions and codes go with every proof, and are for the callers.
        """
        return replace(
            self,
            undo_offers=(),
            listed_keys=(),
            totp=(),
            recovery_codes=(),
            passkeys=(),
            identities=(),
            imported=self.imported and replace(self.imported, totp=(), identities=()),
        )

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

    # Codes

    def with_code(self, purpose: CodePurpose, *, code_id: str, now: datetime) -> tuple[Account, LiveCode]:
        """The account with a live code for this purpose, its present one or a new one named `code_id`; and that code.

        Codes that have expired go.
        """
        live = tuple(code for code in self.codes if code.expires_at > now)
        known = next((code for code in live if code.purpose == purpose), None)
        if known is not None:
            return self, known
        code = LiveCode(code_id, purpose, now + CODE_LIVES[purpose])
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
            known = PendingEmail(code_id, email, now + CODE_LIVES["verify"])
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
        nobody = replace(
            self.user,
            email=None,
            email_verified=False,
            username=None,
            name=None,
            roles=roles if offers else (),
            status="deleted",
            last_login_at=None,
        )
        return Account(
            nobody,
            password_hash=None,
            auth_epoch=self.auth_epoch + 1,
            undo_offers=offers,
            returns_as="disabled" if self.user.status == "disabled" else None,
            outbox=tuple(entry for entry in self.outbox if entry.kind not in {MAIL, FACTOR_RECOVERY}),
            due_at=claimed_until,
            revision=self.revision,
            unknown=self.unknown,
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
