"""The second factors of a user: shown, added, replaced and removed.

Each change is one write of the account: the list of factors, the mail, the event, and the epoch that ends the other
sessions. The secret of an authenticator app is stored before the write that lists it, and deleted after the one that
drops it, so that a crash in between leaves a secret that nobody can use.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from app.accounts.factors import ENROLMENT_LIVES, ListedTotp, open_recovery_of
from app.factors.listing import confirmed_totp_of, pending_totp_of, with_confirmed_totp, with_pending_totp, without_totp
from app.factors.recovery_codes import new_codes
from app.factors.totp import TotpParameters
from app.platform.errors import InvalidCode, NotFound, SessionEnded, Unavailable
from app.platform.identifiers import new_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from app.accounts.account import Account
    from app.accounts.factors import FactorRecovery
    from app.accounts.model import User
    from app.accounts.principal import Principal
    from app.accounts.service import Accounts
    from app.factors.passkeys.vault import PasskeyVault, ShownPasskey
    from app.factors.totp import TotpVault
    from app.platform.devices import Device


@dataclass(frozen=True, slots=True)
class TotpState:
    """The authenticator app of a user. One that is not confirmed is not asked for."""

    confirmed: bool
    created_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class FactorState:
    """The second factors of a user; `codes_left` is None if they have no recovery codes. `recovery` is that of lost
    factors, if one is under way."""

    totp: TotpState | None
    codes_left: int | None
    passkeys: Sequence[ShownPasskey] = ()
    recovery: FactorRecovery | None = None


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What an authenticator app needs: the secret in base 32, and the URI that its QR code holds."""

    secret: str = field(repr=False)
    uri: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class FactorService:
    """Shows and changes second factors; `product` is the issuer that authenticator apps show."""

    accounts: Accounts
    vault: TotpVault
    passkeys: PasskeyVault
    product: str

    def state_of(self, user_id: str) -> FactorState:
        """The factors of a user, without secrets. Raises SessionEnded if there is no such user."""
        account = self.account_of(user_id)
        now = self.accounts.clock()
        listed = confirmed_totp_of(account) or pending_totp_of(account, now)
        codes = account.recovery_codes
        left, passkeys = sum(code.used_at is None for code in codes) if codes else None, self.passkeys.shown(account)
        recovery = open_recovery_of(account, now)
        if account.imported_totp:
            totp = TotpState(confirmed=True, created_at=account.user.created_at, last_used_at=None)
            return FactorState(totp, left, passkeys, recovery)
        if listed is None:
            return FactorState(None, left, passkeys, recovery)
        used_at = self.vault.last_used_at(listed.id)
        totp = TotpState(listed.is_confirmed, listed.created_at, used_at)
        return FactorState(totp, left, passkeys, recovery)

    def begin_totp(self, principal: Principal) -> Enrolment:
        """Make a secret for an authenticator app, which is asked for from `confirm_totp` on; one that the user has
        goes on until then. A former secret that was not confirmed is void."""
        user, now, parameters = principal.user, self.accounts.clock(), TotpParameters.new()
        listed = ListedTotp(new_id(), now, now + ENROLMENT_LIVES)
        self.vault.seal(listed.id, user.id, parameters, expires_at=listed.expires_at)
        self.accounts.change(user.id, lambda account: with_pending_totp(account, listed), by=principal)
        return Enrolment(parameters.secret, parameters.uri(self.product, shown_name(user)))

    def confirm_totp(self, principal: Principal, code: str, device: Device) -> tuple[str, ...] | None:
        """Make the pending authenticator app the one that is asked for.

        Returns recovery codes for a user who has none, who did not have a second factor then; else None. Raises
        InvalidCode if there is none to confirm, or the code is not of it; the code is used up.
        """
        pending = pending_totp_of(self.account_of(principal.user.id), self.accounts.clock())
        if pending is None:
            raise InvalidCode
        self.vault.spend(pending.id, code)

        def confirmed(account: Account) -> Account:
            return with_confirmed_totp(account, pending.id, self.accounts.clock())

        return self.add(principal, confirmed, "totp", device)

    def remove_totp(self, principal: Principal, device: Device) -> None:
        """Remove the authenticator app; without another factor the recovery codes go, too. Raises NotFound."""
        self.change(principal, without_totp, "totp", "removed", device)

    def renew_codes(self, principal: Principal, device: Device) -> tuple[str, ...]:
        """New recovery codes; the old ones are void. Raises NotFound for a user without a second factor."""
        shown, kept = new_codes()

        def renewed(account: Account) -> Account:
            if not account.factors:
                raise NotFound("There is no second factor that recovery codes could stand in for.")
            return replace(account, recovery_codes=kept)

        self.change(principal, renewed, "recovery_codes", "made", device)
        return shown

    def account_of(self, user_id: str) -> Account:
        """The account of a user; raises SessionEnded if there is no such user."""
        account = self.accounts.users.account(user_id)
        if account is None:
            raise SessionEnded
        return account

    def add(
        self,
        principal: Principal,
        step: Callable[[Account], Account],
        what: str,
        device: Device,
        *,
        details: Mapping[str, str] | None = None,
        **told: str,
    ) -> tuple[str, ...] | None:
        """Add a factor, as `change` does. Returns recovery codes for a user who did not have one; else None."""
        shown, kept = new_codes()
        gives = False

        def added(account: Account) -> Account:
            nonlocal gives
            gives = not account.factors
            return replace(step(account), recovery_codes=kept) if gives else step(account)

        self.change(principal, added, what, "added", device, details=details, **told)
        return shown if gives else None

    def change(
        self,
        principal: Principal,
        step: Callable[[Account], Account],
        what: str,
        how: str,
        device: Device,
        *,
        details: Mapping[str, str] | None = None,
        **told: str,
    ) -> None:
        """Change the factors in one write with a mail, an event and the end of the other sessions.

        The mail shows what is `told`, the event has these `details`.
        """
        before: Account | None = None

        def changed(account: Account) -> Account:
            nonlocal before
            before = account
            warned = self.accounts.with_warning(step(account), f"{what}_{how}", device, by=None, code_id=None, **told)
            return warned.in_new_epoch(keep=principal.session_id)

        user_id, actions = principal.user.id, [f"{what}.{how}"]
        saved = self.accounts.change(user_id, changed, by=principal, actions=actions, details=details, device=device)
        self.forget_dropped(before, saved)

    def forget_dropped(self, before: Account | None, saved: Account) -> None:
        """Delete the secrets and credentials that a saved change has dropped. If that fails, they stay until the user
        is deleted: nothing lists them."""
        if before is None:
            return
        with suppress(Unavailable):
            for gone in {each.id for each in before.totp} - {each.id for each in saved.totp}:
                self.vault.kept.remove(gone)
            for gone in {each.id for each in before.passkeys} - {each.id for each in saved.passkeys}:
                self.passkeys.kept.remove(gone)


def shown_name(user: User) -> str:
    """The name of a user that tells accounts apart in an authenticator app."""
    return user.email or user.username or user.id
