"""What administrators, and commands of the operator, do to users.

Nobody does anything to a user who holds permissions that they lack themselves. That is asked last, right before the
write, of the account that is replaced by it (`app.accounts.authority`). An act is an event of the user it is about, in
the same write. Acts that a client may repeat, not knowing whether the first one came through, change nothing then.

`by` is the caller who asks for it; None for the operator, who may do everything. Each act raises NotFound if there is
no such user or they are deleted, Forbidden if they hold permissions that `by` lacks, and SessionEnded if `by` has ended
by the time of the write.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

from app.accounts.credentials import counted_names
from app.accounts.registration import RESERVED
from app.administration.addresses import ACTOR
from app.platform.errors import CannotBeMailed, Forbidden, NotFound, UsernameTaken
from app.platform.identifiers import username_key
from app.roles.authority import require_power
from app.roles.model import ADMINISTRATOR

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from app.accounts.account import Account
    from app.accounts.deletion import DeletionService
    from app.accounts.model import Status, User
    from app.accounts.principal import Principal
    from app.accounts.service import Accounts
    from app.administration.addresses import AddressChange
    from app.platform.devices import Device
    from app.roles.authority import Authority
    from app.roles.service import Roles
    from app.throttle.guesses import Guesses
    from app.throttle.service import PasswordThrottle

WRITE_USERS: Final = "users:write"
_THERE: Final[tuple[Status, ...]] = ("active", "disabled", "invited")


class Invitations(Protocol):
    """Invites users: implemented by the feature of invitations."""

    def mail_again(self, account: Account) -> Account:
        """The account of an invited user with the mail of its invitation: the live one, or a new one."""


@dataclass(frozen=True, slots=True)
class UserChanges:
    """The requested changes; None leaves a field as it is, and `name` counts only if `renames` is set."""

    email: str | None = None
    email_verified: bool | None = None
    username: str | None = None
    name: str | None = None
    renames: bool = False


@dataclass(frozen=True, slots=True)
class UserAdministration:
    """Administers users."""

    accounts: Accounts
    addresses: AddressChange
    deletion: DeletionService
    roles: Roles
    authority: Authority
    throttle: PasswordThrottle
    guesses: Guesses
    invitations: Invitations

    def user(self, user_id: str) -> User:
        """The user of this identifier, who is no service account; raises NotFound."""
        account = self.accounts.users.account(user_id)
        if account is None or account.user.kind is not None or account.user.status not in _THERE:
            raise NotFound
        return account.user

    def update(self, user_id: str, changes: UserChanges, by: Principal | None, device: Device | None) -> User:
        """Change address and names; no session ends.

        A new address is not proven, unless the changes say so: then it is taken from an account that never proved it.
        Raises EmailTaken, UsernameTaken; ValidationFailed for the proof of no address; TooManyRequests for too many
        changes of the address within 7 days.
        """
        actions: list[str] = []
        details: dict[str, str] = {}

        def updated(account: Account) -> Account:
            # First as well: a changed address may be taken from another account.
            self._require_authority(by, account.user)
            changed = self.addresses.applied(
                account,
                email=changes.email,
                verified=changes.email_verified,
                require_authority=lambda other: self._require_authority(by, other),
            )
            if changed.user.email != account.user.email and account.user.status == "invited":
                changed = self._invited_again(changed)
            changed = self._with_names(account, changed, changes)
            fields = ("email", "email_verified", "username", "name")
            told = [name for name in fields if getattr(changed.user, name) != getattr(account.user, name)]
            actions[:] = ["user.updated"] if told else []
            details["fields"] = ",".join(told)
            return changed

        return self._change(user_id, updated, by, device, actions=actions, details=details).user

    def disable(self, user_id: str, by: Principal | None, device: Device | None) -> User:
        """Shut a user out, at once and everywhere; what could let anyone in ends for good. Raises LastAdmin."""
        actions: list[str] = []

        def disabled(account: Account) -> Account:
            changed = account.disabled()
            actions[:] = ["user.disabled"] if changed is not account else []
            return self._with_notice(account, changed, "account_disabled") if actions else account

        return self._change(user_id, disabled, by, device, actions=actions).user

    def enable(self, user_id: str, by: Principal | None, device: Device | None) -> User:
        """Let a disabled user in again; one who was invited is invited again."""
        actions: list[str] = []

        def enabled(account: Account) -> Account:
            changed = account.enabled()
            actions[:] = ["user.enabled"] if changed is not account else []
            return self._with_notice(account, changed, "account_enabled") if actions else account

        return self._change(user_id, enabled, by, device, actions=actions).user

    def log_out(self, user_id: str, by: Principal | None, device: Device | None) -> User:
        """End all sessions of a user."""
        return self._change(
            user_id, lambda account: account.in_new_epoch(), by, device, actions=["user.logged_out"]
        ).user

    def start_reset(
        self, user_id: str, by: Principal | None, device: Device | None, *, end_sessions: bool = False
    ) -> User:
        """Mail a user the code for a new password; an invited one gets their invitation again.

        The present password stays until then, but their sessions may end at once. Raises CannotBeMailed.
        """
        actions = ["user.reset_started", *(["user.logged_out"] if end_sessions else [])]

        def started(account: Account) -> Account:
            email = self._require_mail_to(account)
            changed = account.in_new_epoch() if end_sessions else account
            if account.user.status == "invited":
                return self._invited_again(changed)
            self.guesses.replace_dead(email, "reset")
            return self.accounts.with_reset_mail(changed, email)

        return self._change(user_id, started, by, device, actions=actions).user

    def unlock(self, user_id: str, by: Principal | None, device: Device | None) -> User:
        """Forget the wrong passwords of a user, and let their address have codes again."""
        account = self._change(user_id, lambda account: account, by, device, actions=["user.unlocked"])
        user, pending = account.user, account.pending_email
        self.throttle.clear(counted_names(user), user.id)
        for address in filter(None, (user.email, pending.email if pending else None)):
            self.guesses.replace_dead(address, "reset", however_many=True)
            self.guesses.replace_dead(address, "verify", however_many=True)
            self.guesses.replace_dead(address, "invitation", however_many=True)
        return user

    def delete(self, user_id: str, by: Principal | None, device: Device | None) -> None:
        """Delete a user, as they could do themselves. Raises LastAdmin, and Forbidden for oneself."""
        del device  # nothing but identifiers is kept of a deleted user
        if by is not None and by.user.id == user_id:
            if ADMINISTRATOR in by.user.roles and by.user.kind is None:
                self.accounts.administrators.require_another(user_id)
            raise Forbidden("This is your own account: delete it with DELETE /auth/me, which asks for your password.")

        def permitted(account: Account) -> Account:
            self._require_authority(by, account.user)
            return self._with_notice(account, account, "account_deleted")

        self.deletion.delete_if(user_id, permitted, None, action="user.deleted", by=by, missing=NotFound, among=_THERE)

    def _change(
        self,
        user_id: str,
        step: Callable[[Account], Account],
        by: Principal | None,
        device: Device | None,
        *,
        actions: Sequence[str],
        details: Mapping[str, str] | None = None,
        among: Collection[Status] = _THERE,
    ) -> Account:
        def permitted(account: Account) -> Account:
            changed = step(account)
            self._require_authority(by, account.user)  # last: right before the write
            return changed

        return self.accounts.change(
            user_id,
            permitted,
            by=by,
            missing=NotFound,
            among=among,
            actions=actions,
            details=details,
            device=device,
        )

    def _require_authority(self, by: Principal | None, user: User) -> None:
        if by is not None:
            require_power(self.authority, self.roles, by, WRITE_USERS, over=user.roles)

    def _with_names(self, before: Account, account: Account, changes: UserChanges) -> Account:
        """The account with new names, and the mail that tells its owner at the address `before`."""
        user = account.user
        if changes.username is not None:
            if username_key(changes.username) in RESERVED:
                raise UsernameTaken
            user = replace(user, username=changes.username)
        if changes.renames:
            user = replace(user, name=changes.name)
        if user.username != account.user.username:
            account = self._with_notice(before, account, "username_changed", username=user.username or "")
        elif user.name != account.user.name:
            account = self._with_notice(before, account, "profile_changed")
        return replace(account, user=user)

    def _with_notice(self, before: Account, account: Account, kind: str, **told: str) -> Account:
        """The account with a mail to the address that it had `before`; an invited user is no user yet.

        User text goes to verified addresses only.
        """
        user = before.user
        if user.status == "invited" or before.returns_as == "invited":
            return account
        facts = told if user.email_verified else {}
        return self.accounts.with_notice(account, kind, user.email, actor=ACTOR, **facts)

    def _invited_again(self, account: Account) -> Account:
        return self.invitations.mail_again(account)

    def _require_mail_to(self, account: Account) -> str:
        """The address to which mail may go that leads into the account; raises CannotBeMailed."""
        if account.user.status == "disabled":
            raise CannotBeMailed("This user is disabled: enable them first.")
        email = account.invited_email if account.user.status == "invited" else account.user.email
        if email is None:
            raise CannotBeMailed("This user has no e-mail address: give them one with PATCH /admin/users/<user_id>.")
        if not self.accounts.mailing:
            raise CannotBeMailed("This service sends no mail: set SMTP_URL.")
        return email
