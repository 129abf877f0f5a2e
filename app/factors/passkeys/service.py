"""The passkeys of a user: added, shown, renamed and removed; and what authenticators are asked.

What verifies a passkey is stored before the write that lists it, and deleted after the one that drops it, so that a
crash in between leaves a credential that opens nothing.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from app.accounts.factors import ListedPasskey
from app.factors.ceremonies.service import WRONG
from app.factors.listing import name_of_passkey, passkey_of, with_passkey, with_renamed_passkey, without_passkey
from app.factors.passkeys.model import Passkey
from app.factors.passkeys.providers import provider_of
from app.factors.passkeys.vault import ShownPasskey
from app.factors.passkeys.verification import NotProvenError, new_credential
from app.platform.errors import FactorExists, Failure, InvalidCode, NotFound, SessionEnded, TooManyPasskeys, Unavailable
from app.platform.identifiers import digest_of_token, new_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.accounts.account import Account
    from app.accounts.principal import Principal
    from app.accounts.provider_ids import ProviderIds
    from app.accounts.service import Accounts
    from app.factors.ceremonies.service import Begun, CeremonyService
    from app.factors.passkeys.vault import PasskeyVault
    from app.factors.passkeys.verification import NewCredential
    from app.factors.service import FactorService
    from app.platform.devices import Device
    from app.sessions.gate import LoginGate

MOST: Final = 20
_HANDLE_BYTES: Final = 32
_STALE_AFTER: Final = timedelta(hours=1)
"""After this time nobody is about to list a credential any more: it is left from a change that failed."""
_PLAIN_NAME: Final = "Passkey"


@dataclass(frozen=True, slots=True)
class Asked:
    """What an authenticator is asked: a ceremony, and the passkeys that the user has; none where nobody is known."""

    begun: Begun
    passkeys: Sequence[Passkey] = ()


@dataclass(frozen=True, slots=True)
class PasskeyList:
    """The passkeys of a user, the oldest first, and by what authenticators know the user."""

    passkeys: Sequence[ShownPasskey]
    rp_id: str
    user_handle: str | None


@dataclass(frozen=True, slots=True)
class PasskeyService:
    """Shows and changes the passkeys of a user, and begins the ceremonies that use them."""

    accounts: Accounts
    factors: FactorService
    vault: PasskeyVault
    ceremonies: CeremonyService
    gate: LoginGate
    providers: ProviderIds

    def list_of(self, user_id: str) -> PasskeyList:
        """The passkeys of a user. Raises SessionEnded if there is no such user."""
        account = self.factors.account_of(user_id)
        return PasskeyList(self.vault.shown(account), self.vault.party.id, account.user_handle)

    # Ceremonies

    def ask_for_new(self, principal: Principal) -> tuple[Account, Asked]:
        """Begin to make a passkey; gives the account, too. Raises TooManyPasskeys."""

        def prepared(account: Account) -> Account:
            if len(account.passkeys) >= MOST:
                raise TooManyPasskeys
            return replace(account, user_handle=account.user_handle or secrets.token_urlsafe(_HANDLE_BYTES))

        account = self.accounts.change(principal.user.id, prepared, by=principal)
        begun = self.ceremonies.begin("register", owner=principal.session_id, user_id=principal.user.id)
        return account, Asked(begun, self.vault.usable(account))

    def ask_for_any(self) -> Asked:
        """Begin a login with a passkey of whomever."""
        return Asked(self.ceremonies.begin("login"))

    def ask_at_login(self, login_token: str) -> Asked:
        """Begin to prove the second factor of a login. Raises InvalidLoginToken."""
        login_id, account = self.gate.pending_of(login_token)
        begun = self.ceremonies.begin("second_factor", owner=login_id, user_id=account.user.id)
        return Asked(begun, self.vault.usable(account))

    def ask_in_session(self, principal: Principal) -> Asked:
        """Begin to prove that the user is still there."""
        account = self.factors.account_of(principal.user.id)
        begun = self.ceremonies.begin("step_up", owner=principal.session_id, user_id=account.user.id)
        return Asked(begun, self.vault.usable(account))

    # Changes

    def add(
        self, principal: Principal, token: str, credential: Mapping[str, Any], name: str | None, device: Device
    ) -> tuple[ShownPasskey, tuple[str, ...] | None]:
        """Add the passkey that was made in a ceremony of this session.

        Returns recovery codes, too, for a user who did not have a second factor; else None. Raises InvalidCode if the
        ceremony or the credential proves nothing; FactorExists; TooManyPasskeys.
        """
        ceremony = self.ceremonies.take(token, "register", owner=principal.session_id)
        try:
            made = new_credential(credential, ceremony, self.vault.party)
        except NotProvenError:
            raise InvalidCode(WRONG) from None
        transports = tuple(dict.fromkeys(credential["response"].get("transports", ())))
        passkey = self._passkey(principal.user.id, made, transports)
        listed = ListedPasskey(passkey.id, name or provider_of(made.aaguid) or _PLAIN_NAME)
        self._store(passkey)
        try:
            codes = self.factors.add(
                principal,
                lambda account: with_passkey(account, listed, most=MOST),
                "passkey",
                device,
                details={"passkey": passkey.id},
                passkey=listed.name,
            )
        except Unavailable:  # the account may list it
            raise
        except Failure:
            with suppress(Unavailable):
                self.vault.kept.remove(passkey.id)
            raise
        return ShownPasskey(listed.name, passkey), codes

    def rename(self, principal: Principal, passkey_id: str, name: str, device: Device) -> ShownPasskey:
        """Give a passkey another name; nobody is logged out by that. Raises NotFound."""

        def renamed(account: Account) -> Account:
            former = name_of_passkey(account, passkey_id)
            told = self.accounts.with_warning(account, "passkey_renamed", device, passkey=name, former_passkey=former)
            return with_renamed_passkey(told, passkey_id, name)

        saved = self.accounts.change(
            principal.user.id,
            renamed,
            by=principal,
            actions=["passkey.renamed"],
            details={"passkey": passkey_id},
            device=device,
        )
        for shown in self.vault.shown(saved):
            if shown.passkey.id == passkey_id:
                return shown
        raise NotFound  # removed meanwhile

    def remove(self, principal: Principal, passkey_id: str, device: Device) -> None:
        """Remove a passkey; without another factor the recovery codes go, too. Raises NotFound."""
        name = name_of_passkey(self.factors.account_of(principal.user.id), passkey_id)
        self.factors.change(
            principal,
            lambda account: without_passkey(account, passkey_id, self.providers.known),
            "passkey",
            "removed",
            device,
            details={"passkey": passkey_id},
            passkey=name,
        )

    def _passkey(self, user_id: str, made: NewCredential, transports: tuple[str, ...]) -> Passkey:
        return Passkey(
            id=new_id(),
            user_id=user_id,
            credential_id=made.credential_id,
            credential_digest=digest_of_token(made.credential_id),
            public_key=made.public_key,
            rp_id=self.vault.party.id,
            aaguid=made.aaguid,
            transports=transports,
            backup_eligible=made.backup_eligible,
            backed_up=made.backed_up,
            sign_count=made.sign_count,
            created_at=self.accounts.clock(),
        )

    def _store(self, passkey: Passkey) -> None:
        """Store a new one; raises FactorExists if an account has it, and SessionEnded if the user is gone."""
        kept = self.vault.kept
        if kept.add(passkey):
            return
        other = kept.find(passkey.credential_digest)
        if other is None:
            raise SessionEnded
        account = self.accounts.users.account(other.user_id)
        is_listed = account is not None and passkey_of(account, other.id) is not None
        if is_listed or other.created_at > passkey.created_at - _STALE_AFTER:
            raise FactorExists
        kept.remove(other.id)
        if not kept.add(passkey):
            raise FactorExists
