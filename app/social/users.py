"""To which user an account at a provider leads, and how it comes to that.

An identity is issuer and subject; an address alone never links.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from app.platform import pieces
from app.platform.errors import (
    AccountDisabled,
    EmailTaken,
    Failure,
    IdentityNotLinked,
    IdentityTaken,
    SessionEnded,
    Unavailable,
)
from app.platform.identifiers import comparable_email
from app.social.identities.model import digest_of
from app.social.identities.rows import ChangedError, Linked
from app.social.listing import (
    has_identity,
    has_imported_identity,
    with_identity,
    without_identity,
    without_imported_identity,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from app.accounts.account import Account
    from app.accounts.principal import Principal
    from app.accounts.service import Accounts
    from app.accounts.under_way import ListedIdentity
    from app.platform.devices import Device
    from app.social.identities.model import Identities, Identity
    from app.social.identities.rows import IdentityRows
    from app.social.provider import Claims, Provider
    from app.social.registration import SocialRegistration

MOST: Final = 20
"""Accounts of providers that lead to one user."""
_STALE_AFTER: Final = timedelta(minutes=2)
"""After this time no request is about to list an identity any more: its row is left from a change that failed."""
_ATTEMPTS: Final = 10
_LINKED: Final = "identity.linked"
_INVITED: Final = "You are invited here: answer the invitation that was mailed to you, and link the provider then."


@dataclass(frozen=True, slots=True)
class SocialUsers:
    """Finds and links users, and has those registered who are new. `providers` are those that there are, by their
    identifiers."""

    identities: Identities
    rows: IdentityRows
    accounts: Accounts
    registration: SocialRegistration
    providers: Mapping[str, Provider]

    def user_of(self, provider: Provider, claims: Claims, device: Device) -> Linked:
        """Whom an identity leads to; somebody new is registered, or linked by an address that the provider proves.

        Raises IdentityNotLinked if that address belongs to a user who has not linked it; RegistrationRefused;
        EmailNotVerified if the provider proves no address, and one is needed; EmailTaken for an address that is held
        for its former owner; AccountDisabled.
        """
        for _ in range(_ATTEMPTS):
            try:
                return self._known(claims) or self._new(provider, claims, device)
            except ChangedError:
                continue
        raise Unavailable

    def link(self, provider: Provider, claims: Claims, principal: Principal, device: Device) -> Linked:
        """Link an identity to the user of this session; again is harmless.

        Raises IdentityTaken if it leads to another user, TooManyIdentities, and SessionEnded.
        """

        def linked(account: Account, listed: ListedIdentity) -> Account:
            told = self.accounts.with_warning(account, "identity_linked", device, provider=provider.name)
            return with_identity(told, listed, most=MOST)

        for _ in range(_ATTEMPTS):
            known = self._known(claims)
            if known is not None:
                if known.account.user.id != principal.user.id:
                    raise IdentityTaken
                return known
            with suppress(ChangedError):
                return self._change(provider, claims, principal.user.id, linked, device, by=principal)
        raise Unavailable

    def unlink(self, principal: Principal, identity_id: str, device: Device) -> None:
        """Remove an identity; all other sessions end, since it may have opened them. Raises NotFound, LastCredential,
        and SessionEnded."""
        found = next((each for each in self.identities.of_user(principal.user.id) if each.id == identity_id), None)
        provider = found.provider if found else ""
        known = self.providers.get(provider)

        def unlinked(account: Account) -> Account:
            left = without_identity(account, identity_id, self.providers)
            if found is not None:  # or it would be linked again
                left = without_imported_identity(left, found.subject)
            told = self.accounts.with_warning(
                left, "identity_unlinked", device, provider=known.name if known else provider
            )
            return told.in_new_epoch(keep=principal.session_id)

        self.accounts.change(
            principal.user.id,
            unlinked,
            by=principal,
            actions=["identity.unlinked"],
            details={"provider": provider},
            device=device,
        )
        with suppress(Unavailable):  # nothing lists it
            self.identities.remove(identity_id)

    def list_of(self, user_id: str) -> list[Identity]:
        """The identities of a user, the oldest first. Raises SessionEnded if there is no such user."""
        account = self.accounts.users.account(user_id)
        if account is None:
            raise SessionEnded
        listed = {each.id for each in account.identities}
        return [each for each in self.identities.of_user(user_id) if each.id in listed] if listed else []

    def erase(self, user_id: str) -> Iterator[None]:
        """Delete the identities of a user who is deleted, a piece at each step; idempotent."""
        return pieces.in_pieces(lambda limit: self.identities.remove_some_of(user_id, limit))

    # Whom it leads to

    def _known(self, claims: Claims) -> Linked | None:
        """The account that lists the identity; None if none does. A row that none lists is removed, once no request can
        be about to list it. Raises Unavailable until then."""
        found = self.identities.find(digest_of(claims.issuer, claims.subject))
        if found is None:
            return None
        account = self.accounts.users.account(found.user_id)
        if account is not None and has_identity(account, found.id):
            return Linked(account, found)
        if found.created_at > self.accounts.clock() - _STALE_AFTER:
            raise Unavailable(_BEING_LINKED, retry_after=1)
        self.identities.remove(found.id)
        return None

    def _new(self, provider: Provider, claims: Claims, device: Device) -> Linked:
        """Somebody who was never here by this identity. Raises ChangedError if that is not so any more."""
        email = claims.usable_email
        if (imported := self._of_imported(provider, claims, email, device)) is not None:
            return imported
        proven = email if email is not None and claims.email_verified and provider.proves(email) else None
        holder = self.accounts.users.account_by_email(comparable_email(proven)) if proven else None
        if proven is not None and holder is not None and not holder.waits_for_proof:
            return self._of_holder(provider, claims, proven, holder, device)
        return self.registration.register(provider, claims, email, proven, device)

    def _of_imported(self, provider: Provider, claims: Claims, email: str | None, device: Device) -> Linked | None:
        """Somebody who had this very identity linked where they were imported from; None for others.

        The address finds the account, proven or not. The issuer and the subject decide. An address that nobody has
        proven is left to whoever proves it.
        """
        if email is None or not provider.imported_as:
            return None
        found = self.accounts.users.account_by_email(comparable_email(email))
        if found is None or not found.user.email_verified or not _had(found, provider, claims):
            return None

        def linked(account: Account, listed: ListedIdentity) -> Account:
            if not _had(account, provider, claims):
                raise ChangedError
            told = self.accounts.with_warning(account, "identity_linked", device, provider=provider.name)
            return with_identity(told, listed, most=MOST)

        return self._change(provider, claims, found.user.id, linked, device)

    def _of_holder(self, provider: Provider, claims: Claims, email: str, holder: Account, device: Device) -> Linked:
        """Somebody whose proven address an account has."""
        if self.identities.find(digest_of(claims.issuer, claims.subject)) is not None:
            raise ChangedError  # the account may be that which another request has just made for this identity
        user = holder.user
        if user.status == "invited":
            raise IdentityNotLinked(_INVITED)
        if user.email_verified and provider.link != "verified":
            raise IdentityNotLinked
        if not user.email_verified and provider.link == "never":
            return self.registration.register(provider, claims, email, email, device)
        if user.status != "active":
            raise AccountDisabled

        def linked(account: Account, listed: ListedIdentity) -> Account:
            if (account.user.email, account.user.email_verified) != (user.email, user.email_verified):
                raise ChangedError
            if not user.email_verified:
                if account.waits_for_proof or self.accounts.is_held(comparable_email(email), user.id):
                    raise EmailTaken
                return account.taken_over_by(listed, email)
            told = self.accounts.with_warning(account, "identity_linked", device, provider=provider.name)
            return with_identity(told, listed, most=MOST)

        actions = (_LINKED,) if user.email_verified else ("identity.took_over",)
        return self._change(provider, claims, user.id, linked, device, actions=actions)

    def _change(
        self,
        provider: Provider,
        claims: Claims,
        user_id: str,
        step: Callable[[Account, ListedIdentity], Account],
        device: Device,
        *,
        by: Principal | None = None,
        actions: tuple[str, ...] = (_LINKED,),
    ) -> Linked:
        """Store the identity, then the account that lists it. Raises ChangedError if another request was first."""
        identity, listed = self.rows.claim(provider, claims, user_id)
        try:
            account = self.accounts.change(
                user_id,
                lambda account: step(account, listed),
                by=by,
                missing=AccountDisabled if by is None else SessionEnded,
                actions=actions,
                details={"provider": provider.id},
                device=device,
            )
        except Unavailable:  # the account may list it
            raise
        except (Failure, ChangedError):
            self.rows.give_up(identity)
            raise
        return Linked(account, identity)


_BEING_LINKED: Final = "This account of the provider is being linked at the moment. Try again."


def _had(account: Account, provider: Provider, claims: Claims) -> bool:
    return has_imported_identity(account, provider.imported_as, claims.subject)
