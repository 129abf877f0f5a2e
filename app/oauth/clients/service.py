"""What administrators do with clients."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import structlog

from app.oauth.catalogue.model import STANDARD
from app.oauth.client_documents.model import id_of
from app.oauth.clients.checks import wrong_fields
from app.oauth.clients.model import OF_SIGNERS, SECRETS_AT_ONCE, Client, ClientSecret
from app.oauth.clients.permissions import TRUST, WRITE
from app.oauth.clients.secret_text import CLIENT, new_text
from app.platform import pieces
from app.platform.errors import FieldError, NotFound, TooManySecrets, Unavailable, ValidationFailed
from app.platform.identifiers import digest_of_token, new_id
from app.roles.authority import require_permission

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from app.accounts.principal import Principal
    from app.audit.service import Audit
    from app.oauth.catalogue.service import Catalogue
    from app.oauth.client_documents.model import ClientDocuments
    from app.oauth.clients.model import ClientFields, Clients
    from app.platform.clock import Clock
    from app.platform.devices import Device
    from app.roles.authority import Authority
    from app.security.egress import Egress

_ATTEMPTS: Final = 50
_log = structlog.get_logger("latchkey.oauth")


@dataclass(frozen=True, slots=True)
class CreatedClient:
    """A new client, and its secret, which nobody sees again; None if it has none."""

    client: Client
    secret: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class CreatedSecret:
    """A new secret of a client: what is kept of it, and its text, which nobody sees again."""

    secret: ClientSecret
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ClientPage:
    """Some clients, oldest first; the next page starts after the identifier `next`, None at the end."""

    clients: list[Client]
    next: str | None


@dataclass(frozen=True, slots=True)
class ClientService:
    """Makes, changes and deletes clients.

    `by` is the caller, None for the operator. All that changes something raises SessionEnded or Forbidden if the caller
    may not do it any more, right before the write. `sessions_end` and `consents_end` delete up to so many
    of those of a client, and return how many.
    """

    clients: Clients
    catalogue: Catalogue
    authority: Authority
    audit: Audit
    egress: Egress
    clock: Clock
    sessions_end: Callable[[str, int], int]
    consents_end: Callable[[str, int], int]
    documents: ClientDocuments
    audience: str
    """That of our own API."""

    def listed(self, *, after: str | None, limit: int) -> ClientPage:
        """Up to `limit` clients behind `after`, oldest first."""
        found = self.clients.page(after=after, limit=limit + 1)
        return ClientPage(found[:limit], found[limit - 1].id if len(found) > limit else None)

    def find(self, client_id: str) -> Client:
        """The client of this identifier. Raises NotFound."""
        client = self.clients.find(client_id)
        if client is None:
            raise NotFound
        return client

    def create(self, said: ClientFields, by: Principal | None, device: Device | None) -> CreatedClient:
        """Make a client, with a secret unless it is public, or proves itself by what it signs.

        One with users gets the standard scopes, if it names none. Raises ValidationFailed for scopes and resources that
        do not exist, and for a URL that nothing may be sent to.
        """
        client = Client.of(said, new_id(), self.clock(), created_by=_responsible(by))
        if client.scopes is None:
            client = replace(client, scopes=() if client.kind == "service" else tuple(STANDARD))
        self._check(client, ("scopes", "resources", "backchannel_logout_uri", "token_exchange", *OF_SIGNERS))
        made, client = self._with_first_secret(client)
        self._require(by, client)
        self.clients.add(client)
        self._record(by, "client.created", device, client=client.id, kind=client.kind, **_trust(client))
        return CreatedClient(client, made)

    def register(self, said: ClientFields, token_id: str) -> CreatedClient:
        """Make the client that describes itself, with an initial access token that was used for it.

        It is trusted by nobody, and has no list of scopes or resources of its own, whatever it says: that is for
        administrators to say. Raises ValidationFailed for an address of its keys that nothing may be asked at.
        """
        said = replace(said, scopes=None, resources=None, first_party=False, token_exchange=False)
        client = Client.of(said, new_id(), self.clock(), registered_with=token_id)
        self._check(client, OF_SIGNERS)
        made, client = self._with_first_secret(client)
        self.clients.add(client)
        _log.info("event", action="client.registered", client=client.id, kind=client.kind, token=token_id[:8])
        return CreatedClient(client, made)

    def change(self, client_id: str, changes: Mapping[str, Any], by: Principal | None, device: Device | None) -> Client:
        """Change some of the fields of a client, but not its kind. Raises NotFound, and ValidationFailed as `create`.

        If it may do less than before, its sessions end: what they were given would stay with them.
        """
        self._check(replace(self.find(client_id), **changes), changes)
        narrowed: list[bool] = []

        def changed(client: Client) -> Client:
            after = replace(client, **changes)
            narrowed[:] = [_narrowed(client, after)]
            return after

        client = self._save(client_id, changed, by)
        ended = self._end(client_id, self.sessions_end) if narrowed[0] else 0
        told = {"sessions_ended": str(ended)} if narrowed[0] else {}
        self._record(by, "client.changed", device, client=client_id, fields=",".join(sorted(changes)), **told)
        return client

    def delete(self, client_id: str, by: Principal | None, device: Device | None) -> None:
        """Delete a client, and end its sessions and its users' consents. Raises NotFound.

        The client goes first: whoever opens a session of it meanwhile looks at it again afterwards.
        """
        client = self.find(client_id)
        self._require(by, client)
        if not self.clients.remove(client_id):
            raise NotFound
        self._record(by, "client.deleted", device, client=client_id, **_trust(client))
        self._end(client_id, self.consents_end)
        self._end(client_id, self.sessions_end)

    def end_described(self, url: str) -> None:
        """End the sessions and the users' consents of a client that describes itself, and forget its document.

        It may come again, and its users are asked again then; CIMD_ALLOW keeps it away. Raises NotFound if it has
        nothing here.
        """
        forgotten = self.documents.remove(id_of(url))
        ended = self._end(url, self.consents_end) + self._end(url, self.sessions_end)
        if not forgotten and not ended:
            raise NotFound
        self._record(None, "client.deleted", None, client=url)

    def add_secret(
        self, client_id: str, days: int | None, by: Principal | None, device: Device | None
    ) -> CreatedSecret:
        """Give a client another secret, for `days` or for good; the others stay. Expired ones go.

        Raises NotFound, TooManySecrets, and ValidationFailed for a public client.
        """
        now, text = self.clock(), new_text(CLIENT)
        secret = ClientSecret(
            new_id(), digest_of_token(text), now, None if days is None else now + timedelta(days=days)
        )

        def with_secret(client: Client) -> Client:
            if not client.has_secrets:
                raise ValidationFailed(fields=(FieldError("kind", "public", "A public client has no secrets."),))
            live = tuple(each for each in client.secrets if each.is_live(now))
            if len(live) >= SECRETS_AT_ONCE:
                raise TooManySecrets
            return replace(client, secrets=(*live, secret))

        self._save(client_id, with_secret, by)
        self._record(by, "client.secret_created", device, client=client_id, secret=secret.id)
        return CreatedSecret(secret, text)

    def delete_secret(self, client_id: str, secret_id: str, by: Principal | None, device: Device | None) -> None:
        """Delete a secret of a client: it proves nothing from now on. Raises NotFound."""

        def without(client: Client) -> Client:
            left = tuple(each for each in client.secrets if each.id != secret_id)
            if left == client.secrets:
                raise NotFound
            return replace(client, secrets=left)

        self._save(client_id, without, by)
        self._record(by, "client.secret_deleted", device, client=client_id, secret=secret_id)

    def _save(self, client_id: str, step: Callable[[Client], Client], by: Principal | None) -> Client:
        """Replace a client with the result of `step`, which may be called again; it raises to refuse."""
        for _ in range(_ATTEMPTS):
            client = self.find(client_id)
            after = replace(step(client), revision=client.revision + 1)
            self._require(by, client, after)
            if self.clients.save(after):
                return after
        raise Unavailable("The client changes too often.", retry_after=1)

    def _with_first_secret(self, client: Client) -> tuple[str | None, Client]:
        if not client.has_secrets or client.signs:
            return None, client
        text = new_text(CLIENT)
        return text, replace(client, secrets=(ClientSecret(new_id(), digest_of_token(text), client.created_at),))

    def _check(self, client: Client, names: Collection[str]) -> None:
        """Raise ValidationFailed with all that is wrong in these fields of a client."""
        if wrong := wrong_fields(client, names, self.catalogue, self.egress, own=self.audience):
            raise ValidationFailed(fields=wrong)

    def _require(self, by: Principal | None, *clients: Client) -> None:
        if by is None:
            return
        held = self.authority.held_by(by)
        require_permission(held, WRITE)
        if any(client.is_trusted for client in clients):
            require_permission(held, TRUST)

    def _end(self, client_id: str, some: Callable[[str, int], int]) -> int:
        """End all that a client holds, a piece at a time; returns how many."""
        ended = 0
        while piece := some(client_id, pieces.AT_ONCE):
            ended += piece
            if piece < pieces.AT_ONCE:
                break
        return ended

    def _record(self, by: Principal | None, action: str, device: Device | None, **details: str) -> None:
        """An act about no user is recorded under who did it; one of the operator, in the log alone."""
        responsible = _responsible(by)
        if responsible is None:
            _log.info("event", action=action, **details)
        else:
            self.audit.record(responsible, action, device, **details)


def _responsible(by: Principal | None) -> str | None:
    return None if by is None else by.actor_id or by.user.id


def _trust(client: Client) -> dict[str, str]:
    return {name: "yes" for name in ("first_party", "token_exchange") if getattr(client, name)}


def _narrowed(before: Client, after: Client) -> bool:
    """Whether a client may do less than before: then its sessions may hold what it has lost."""
    return not after.still_grants(
        first_party=before.first_party, scopes=before.scopes or (), resources=before.resources or ()
    ) or any(getattr(before, name) is None and getattr(after, name) is not None for name in ("scopes", "resources"))
