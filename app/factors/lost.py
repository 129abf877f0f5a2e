"""Recovery of lost factors: a user who has their first factor alone asks, is warned by mail, and waits.

After `FACTOR_RECOVERY_HOURS` the factors are gone: from the next login on, and else by the entry that waits in the
outbox of the account. Until then whoever reads the mail of the account, or of a former address that can take it back,
has a link that cancels it; so does a session of the user, and a login with a factor, which is not lost then.

What is asked for begins by one write of the account, and ends by one: of a cancellation and the end of the factors at
the same moment exactly one happens. What voids it is said in `app.accounts.factors.recovery_of`. It takes effect
only if a mail server took the warning (`app.recovery.mailroom`): whoever fills the mailbox of an owner, or its
allowance, wins nothing by it.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from app.accounts.factors import (
    FACTOR_RECOVERY,
    FactorRecovery,
    open_recovery_of,
    recovery_of,
    with_recovery,
    without_recovery,
)
from app.factors.listing import without_factors
from app.mail.mail_templates import in_words
from app.platform.errors import Forbidden, InvalidCode, InvalidLoginToken, NotFound, SessionEnded
from app.platform.identifiers import email_key, new_id

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from app.accounts.account import Account
    from app.accounts.model import Credentials
    from app.accounts.principal import Principal
    from app.accounts.service import Accounts
    from app.factors.service import FactorService
    from app.outbox.model import Entry
    from app.platform.devices import Device
    from app.platform.errors import Failure
    from app.recovery.mailed_codes import MailedCodes
    from app.sessions.proof import Proof

_CANCELLED: Final = "factors.recovery_cancelled"


@dataclass(frozen=True, slots=True)
class LostFactors:
    """Begins recoveries, cancels them, and removes the factors when their time has come; with 0 `hours` that is off."""

    accounts: Accounts
    factors: FactorService
    codes: MailedCodes
    hours: int

    def ask(self, first: Account, device: Device) -> FactorRecovery:
        """Begin a recovery for a user who proved a first factor of the account `first`, and warn its owner.

        One that is under way keeps its time; its warning is mailed again. Raises Forbidden if this is off, or nobody
        could be warned; InvalidLoginToken if the account has changed since.
        """
        if not self.hours:
            raise Forbidden("Recovery of lost factors is off. The operator turns it on with FACTOR_RECOVERY_HOURS.")
        actions: list[str] = []
        found: list[FactorRecovery] = []

        def asked(account: Account) -> Account:
            if account.auth_epoch != first.auth_epoch:
                raise InvalidLoginToken
            now = self.accounts.clock()
            recovery, is_new = recovery_of(account, now), False
            if recovery is None:
                recovery, is_new = self._new(account, now), True
                account = with_recovery(account, recovery, now)
            actions[:] = ["factors.recovery_asked"] if is_new else []
            found[:] = [recovery]
            return self._with_warnings(account, recovery, device, now)

        self.accounts.change(first.user.id, asked, missing=InvalidLoginToken, actions=actions, device=device)
        return found[0]

    def cancel_by_mail(self, token: str, device: Device) -> None:
        """Cancel the recovery whose warning carried this token. Raises InvalidCode if it is over, or was none."""
        link = self.codes.of_token(token, "factor_recovery")
        self._cancel(link.owner_id, device, InvalidCode, recovery_id=link.code_id)

    def cancel(self, principal: Principal, device: Device) -> None:
        """Cancel the recovery of the user's own account. Raises NotFound if there is none, or its time has come."""
        self._cancel(principal.user.id, device, NotFound, by=principal)

    def settle(self, proof: Proof, device: Device) -> Proof:
        """What a login does first (`app.sessions.gate.Settling`): it is asked for no factor that is gone by now.

        A login with two factors cancels a recovery: nothing is lost. Factors that were proven before it was asked for
        do not, when a client gets a session because of them.
        """
        credentials = proof.credentials
        if not credentials.is_recovering:
            return proof
        with suppress(SessionEnded):  # deleted or disabled, which the login finds out itself
            if proof.authentication.has_two_factors:
                self._keep(credentials, proof.authentication.at, device)
            elif (present := self._effective(credentials, device)) is not None:
                return replace(proof, credentials=present)
        return proof

    def take_up(self, account: Account, entry: Entry) -> None:
        """Do the entry of a recovery whose time has come: remove the factors, or what is left of one that is void."""
        with suppress(SessionEnded):
            self._remove(account.user.id, lambda present: self._is_meant(present, entry.id), None)

    def _new(self, account: Account, now: datetime) -> FactorRecovery:
        """A recovery that begins now. Raises Forbidden if the owner cannot be warned."""
        email = account.user.email
        if email is None or not account.user.email_verified or not self.accounts.mailing:
            raise Forbidden("The factors of this account cannot be recovered by mail. Ask an administrator.")
        return FactorRecovery(new_id(), email, account.auth_epoch, now, now + timedelta(hours=self.hours))

    def _with_warnings(self, account: Account, recovery: FactorRecovery, device: Device, now: datetime) -> Account:
        """The account with a mail to each address that may cancel the recovery, unless one waits to be sent there."""
        waiting = {notice.to for notice in account.notices if notice.code_id == recovery.id}
        for email, is_proven in _told(account, now):
            if email not in waiting:
                facts = {"ip": device.ip, "effective_at": in_words(recovery.effective_at)}
                if is_proven:  # text of others goes to proven addresses only
                    facts["device"] = device.name
                account = self.accounts.with_notice(account, FACTOR_RECOVERY, email, code_id=recovery.id, **facts)
        return account

    def _with_news(self, account: Account, kind: str, device: Device | None = None) -> Account:
        """The account with a mail to each of these addresses that says what came of it."""
        for email, is_proven in _told(account, self.accounts.clock()):
            facts = {}
            if device is not None:
                facts = {"ip": device.ip} | ({"device": device.name} if is_proven else {})
            account = self.accounts.with_notice(account, kind, email, **facts)
        return account

    def _cancel(
        self,
        user_id: str,
        device: Device,
        missing: type[Failure],
        *,
        recovery_id: str | None = None,
        by: Principal | None = None,
    ) -> None:
        """Cancel the recovery of a user: this one, if one is named. Raises `missing` if it is not open."""

        def cancelled(account: Account) -> Account:
            found = open_recovery_of(account, self.accounts.clock())
            if found is None or recovery_id not in {None, found.id}:
                raise missing
            return self._cancelled(account, device)

        self.accounts.change(
            user_id,
            cancelled,
            by=by,
            missing=missing if by is None else SessionEnded,
            actions=[_CANCELLED],
            device=device,
        )

    def _keep(self, credentials: Credentials, proven_at: datetime, device: Device) -> None:
        """Cancel the recovery of a user who has used a second factor since it was asked for, even if it is due."""
        actions: list[str] = []

        def kept(account: Account) -> Account:
            found = recovery_of(account, self.accounts.clock())
            is_same = account.auth_epoch == credentials.auth_epoch
            is_since = found is not None and proven_at >= found.asked_at
            actions[:] = [_CANCELLED] if is_since and is_same else []
            return self._cancelled(account, device) if actions else account

        self.accounts.change(credentials.user.id, kept, actions=actions, device=device)

    def _cancelled(self, account: Account, device: Device) -> Account:
        """The account without its recovery, and with a mail that says so to all who were warned of it."""
        return self._with_news(without_recovery(account), "factor_recovery_cancelled", device)

    def _effective(self, credentials: Credentials, device: Device) -> Credentials | None:
        """The credentials of a user whose factors a due recovery has removed; None if it has not.

        Somebody else may have removed them at the same moment: then nothing but that has changed since.
        """
        present = self._remove(
            credentials.user.id, lambda account: account.auth_epoch == credentials.auth_epoch, device
        ).credentials
        is_next = present.auth_epoch == credentials.auth_epoch + 1 and not present.factors
        return present if is_next and present.password_hash == credentials.password_hash else None

    def _remove(self, user_id: str, meant: Callable[[Account], bool], device: Device | None) -> Account:
        """Remove the factors of a user whose recovery is due, if the account is the one that is meant.

        Their sessions end, and they are told. Raises SessionEnded if there is no such user.
        """
        before: Account | None = None
        actions: list[str] = []

        def removed(account: Account) -> Account:
            nonlocal before
            before, actions[:] = None, []
            if not meant(account):
                return account
            now = self.accounts.clock()
            found = recovery_of(account, now)
            if found is None:
                return without_recovery(account) if account.factor_recovery else account
            if now < found.effective_at:
                return account
            if not self.hours:  # turned off meanwhile
                actions[:] = [_CANCELLED]
                return self._with_news(without_recovery(account), "factor_recovery_cancelled")
            before, actions[:] = account, ["factors.recovered"]
            changed = without_factors(without_recovery(account)).in_new_epoch()
            return self._with_news(changed, "factors_recovered")

        saved = self.accounts.change(user_id, removed, actions=actions, device=device)
        self.factors.forget_dropped(before, saved)
        return saved

    @staticmethod
    def _is_meant(account: Account, recovery_id: str) -> bool:
        return account.factor_recovery is not None and account.factor_recovery.id == recovery_id


def _told(account: Account, now: datetime) -> list[tuple[str, bool]]:
    """The addresses that are told of a recovery, and whether each is proven: former ones that can take the account
    back, and last the present one, whose mail is not to be dropped for those of the others."""
    present = account.user.email
    known = {email_key(present)} if present else set()
    told: list[tuple[str, bool]] = []
    for offer in account.open_offers(now):
        if email_key(offer.email) not in known:
            known.add(email_key(offer.email))
            told.append((offer.email, offer.proven))
    return [*told, *([(present, account.user.email_verified)] if present else [])]
