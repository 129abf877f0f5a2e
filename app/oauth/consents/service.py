"""What users let clients have: asked for once, listed, and taken away again."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

from app.oauth.consents import former_owner
from app.oauth.consents.model import Consent
from app.platform import pieces
from app.platform.errors import NotFound, SessionEnded, Unavailable
from app.platform.identifiers import new_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from app.accounts.account import Account
    from app.accounts.model import User
    from app.accounts.principal import Principal
    from app.accounts.service import Accounts
    from app.oauth.consents.model import Consents
    from app.outbox.model import Entry
    from app.platform.devices import Device
    from app.sessions.service import SessionService

MOST: Final = 100
"""The most consents of a user, so that their list and their export stay small."""
_ATTEMPTS: Final = 10


class Named(Protocol):
    """A client, as a consent names it."""

    @property
    def id(self) -> str:
        """Its identifier."""

    @property
    def name(self) -> str:
        """Its name, as users know it."""


class Wanted(Protocol):
    """What a client asks for: an authorization request that was checked."""

    @property
    def client(self) -> Named:
        """Who asks."""

    @property
    def scopes(self) -> Sequence[str]:
        """The scopes."""

    @property
    def resources(self) -> Sequence[str]:
        """The resources that tokens are for (RFC 8707)."""


@dataclass(frozen=True, slots=True)
class ConsentService:
    """Keeps what users let clients have. Without it no code of a client opens a session."""

    consents: Consents
    sessions: SessionService
    accounts: Accounts

    def covers(self, user_id: str, authorization: Wanted) -> bool:
        """Whether the user lets this client have all that it asks for; whether to ask nevertheless is not said here."""
        found = self.consents.find(user_id, authorization.client.id)
        if found is None or not found.covers(authorization.scopes, authorization.resources):
            return False
        return _is_of_owner(found, self._owned_since(user_id))

    def allow(self, principal: Principal, authorization: Wanted, device: Device) -> None:
        """Keep that the user lets this client have what it asks for, besides what it has already.

        Only what is new is an event. Raises SessionEnded if the session of `principal` has ended. Whoever has MOST
        consents loses the one that was used least recently, with the sessions of its client.
        """
        user_id, client_id = principal.user.id, authorization.client.id
        now, scopes, resources = self.accounts.clock(), tuple(authorization.scopes), tuple(authorization.resources)
        name = authorization.client.name
        consent = Consent(new_id(), user_id, client_id, name, scopes, resources, now, last_used_at=now)
        if (since := self._owned_since(user_id)) is not None:
            self._forget(user_id, since)  # or it would be widened
        events = []
        if not self.holds(user_id, client_id, scopes, resources):
            told = {"client": client_id, "scopes": " ".join(scopes)}
            if resources:
                told["resources"] = " ".join(resources)
            events.append(self.accounts.audit.event(user_id, "grant.allowed", device, **told))
        for _ in range(_ATTEMPTS):
            match self.consents.allow(consent, principal.session_id, events, most=MOST):
                case "kept":
                    self.accounts.audit.tell(events)
                    return
                case "ended":
                    raise SessionEnded
            self._make_room(principal, device)
        raise Unavailable

    def still_holds(self, user_id: str, client_id: str, scopes: Sequence[str], resources: Sequence[str]) -> bool:
        """Whether the user lets this client have all of this; records that the client makes use of it now.

        Asked behind the opening of a session: so of a session that is opened while the consent is revoked, either this
        finds no consent, or `revoke` finds the session.
        """
        held = self.holds(user_id, client_id, scopes, resources)
        return held and self.consents.touch(user_id, client_id, self.accounts.clock())

    def holds(self, user_id: str, client_id: str, scopes: Sequence[str], resources: Sequence[str]) -> bool:
        """Whether the user lets this client have all of this; nothing is recorded."""
        found = self.consents.find(user_id, client_id)
        return found is not None and found.covers(scopes, resources)

    def list_of(self, user: User) -> list[Consent]:
        """Those of a user, oldest first. What a live session of the client does is a use, too."""
        since = self._owned_since(user.id)
        used: dict[str | None, datetime] = {}
        for session in self.sessions.list_of(user):
            used[session.client_id] = max(session.last_used_at, used.get(session.client_id, session.last_used_at))
        return [
            _used(consent, used.get(consent.client_id))
            for consent in self.consents.of_user(user.id)
            if _is_of_owner(consent, since)
        ]

    def revoke(self, principal: Principal, client_id: str, device: Device) -> None:
        """Take away what the user let a client have, and end its sessions of this user; raises NotFound.

        If the store fails in between, the consent is gone, and another try ends the sessions.
        """
        event = self.accounts.audit.event(principal.user.id, "grant.revoked", device, client=client_id)
        removed = self.consents.remove(principal.user.id, client_id, [event])
        if removed:
            self.accounts.audit.tell([event])
        if not self._end_sessions(principal, client_id, device) and not removed:
            raise NotFound

    def forget_former(self, account: Account, entry: Entry) -> None:
        """Delete the consents of a former owner of the account; idempotent. Handles `former_owner.KIND`."""
        self._forget(account.user.id, former_owner.until(entry))

    def erase(self, user_id: str) -> Iterator[None]:
        """Delete all consents of a user who is deleted, a piece at each step; idempotent."""
        return pieces.in_pieces(lambda limit: self.consents.remove_some_of(user_id, limit))

    def _forget(self, user_id: str, until: datetime) -> None:
        for consent in self.consents.of_user(user_id):
            if not _is_of_owner(consent, until):
                event = self.accounts.audit.event(user_id, "grant.revoked", None, client=consent.client_id)
                if self.consents.remove(user_id, consent.client_id, [event]):
                    self.accounts.audit.tell([event])

    def _owned_since(self, user_id: str) -> datetime | None:
        """When the account came to its owner, as long as the courier has not deleted what was consented to before; None
        if nothing waits for it."""
        account = self.accounts.users.account(user_id)
        entries = () if account is None else account.outbox
        return max((former_owner.until(entry) for entry in entries if entry.kind == former_owner.KIND), default=None)

    def _make_room(self, principal: Principal, device: Device) -> None:
        found = self.consents.of_user(principal.user.id)
        if len(found) >= MOST:
            least = min(found, key=lambda consent: consent.last_used_at or consent.created_at)
            self.revoke(principal, least.client_id, device)

    def _end_sessions(self, principal: Principal, client_id: str, device: Device) -> int:
        """End those that the client has of this user; returns how many."""
        ended = 0
        for session in self.sessions.list_of(principal.user):
            if session.client_id == client_id:
                with suppress(NotFound):  # it ended by itself meanwhile
                    self.sessions.end(session.id, principal.user, device)
                    ended += 1
        return ended


def _is_of_owner(consent: Consent, since: datetime | None) -> bool:
    return since is None or consent.created_at > since


def _used(consent: Consent, at: datetime | None) -> Consent:
    """The consent, used at this time, if that is later than what it says."""
    if at is None or (consent.last_used_at is not None and consent.last_used_at >= at):
        return consent
    return replace(consent, last_used_at=at)
