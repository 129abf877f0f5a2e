"""What administrators do with webhooks."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import structlog

from app.platform import pieces
from app.platform.errors import FieldError, Forbidden, InvalidRequest, NotFound, Unavailable, ValidationFailed
from app.platform.identifiers import new_id
from app.security.egress import EgressRefusedError
from app.security.secret_keys import SealedError
from app.webhooks.book import change_book, change_webhook
from app.webhooks.model import Webhook
from app.webhooks.signing import new_secret, resealed, sealed_secret, signs_too

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.accounts.principal import Principal
    from app.accounts.service import Accounts
    from app.platform.devices import Device
    from app.security.egress import Egress
    from app.security.secret_keys import SecretKeys
    from app.webhooks.deliveries import DeliveryService
    from app.webhooks.model import Delivery, WebhookBooks

WRITE: Final = "webhooks:write"
"""The permission for all of this. Webhooks are told of all users."""
MOST: Final = 50
"""Webhooks that there may be: each change of an account reads them."""
BOTH_SIGN_FOR: Final = timedelta(days=1)
"""How long the former secret signs, too."""
_WITH_THE_REPLY: Final = 8
"""Batches of deliveries that go before the reply when their webhook is deleted; the others expire."""
_log = structlog.get_logger("latchkey.webhooks")


@dataclass(frozen=True, slots=True)
class NewWebhook:
    """The input for a new webhook; `events` are names of events, or ALL_EVENTS alone."""

    url: str
    events: tuple[str, ...]
    description: str | None = None


@dataclass(frozen=True, slots=True)
class WithSecret:
    """A webhook and the secret that it signs with from now on: nobody sees it again."""

    webhook: Webhook
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """Some deliveries, the newest first; the next page starts after the identifier `next`, None at the end."""

    deliveries: list[Delivery]
    next: str | None


@dataclass(frozen=True, slots=True)
class WebhookService:
    """Makes, changes and deletes webhooks, and has them tested and replayed.

    `by` is the caller, None for the operator. All that changes something raises SessionEnded or Forbidden if the caller
    may not do it any more, right before the write.
    """

    books: WebhookBooks
    deliveries: DeliveryService
    accounts: Accounts
    secrets: SecretKeys
    egress: Egress

    def listed(self) -> tuple[Webhook, ...]:
        """All webhooks, the oldest first."""
        return self.books.load().webhooks

    def find(self, webhook_id: str) -> Webhook:
        """The webhook of this identifier. Raises NotFound."""
        webhook = self.books.load().find(webhook_id)
        if webhook is None:
            raise NotFound
        return webhook

    def create(self, new: NewWebhook, by: Principal | None, device: Device | None) -> WithSecret:
        """Make a webhook.

        Raises ValidationFailed for a URL that nothing may be sent to, and InvalidRequest if there are MOST already.
        """
        self._check(new.url)
        webhook_id, secret, now = new_id(), new_secret(), self.accounts.clock()
        webhook = Webhook(
            webhook_id,
            new.url,
            new.events,
            now,
            sealed_secret(secret, webhook_id, self.secrets),
            new.description,
            owner_id=None if by is None else by.actor_id or by.user.id,
        )

        def added(webhooks: tuple[Webhook, ...]) -> tuple[Webhook, ...]:
            self._require(by)
            if len(webhooks) >= MOST:
                raise InvalidRequest(f"There are {MOST} webhooks, which is the most: delete one first.")
            return (*webhooks, webhook)

        change_book(self.books, added)
        self._record("webhook.created", webhook_id, by, device)
        return WithSecret(webhook, secret)

    def change(
        self, webhook_id: str, changes: Mapping[str, Any], by: Principal | None, device: Device | None
    ) -> Webhook:
        """Change some of url, events, description and enabled. Raises NotFound, and ValidationFailed as `create`.

        One that is enabled, or has another URL, begins anew: what failed before does not count.
        """
        if "url" in changes and changes["url"] != self.find(webhook_id).url:
            self._check(changes["url"])

        def changed(webhook: Webhook) -> Webhook:
            self._require(by)
            anew = replace(webhook, **changes)
            if anew.enabled and not webhook.enabled:
                anew = replace(anew, disabled_for=None, untold=False)
            begins = anew.url != webhook.url or anew.enabled != webhook.enabled
            return replace(anew, failing_since=None) if begins else anew

        webhook = change_webhook(self.books, webhook_id, changed)
        self._record("webhook.changed", webhook_id, by, device)
        return webhook

    def rotate_secret(self, webhook_id: str, by: Principal | None, device: Device | None) -> WithSecret:
        """Give a webhook another secret; the former signs, too, for BOTH_SIGN_FOR. Raises NotFound."""
        secret = new_secret()
        sealed, now = sealed_secret(secret, webhook_id, self.secrets), self.accounts.clock()

        def rotated(webhook: Webhook) -> Webhook:
            self._require(by)
            return replace(webhook, secret=sealed, former=webhook.secret, former_until=now + BOTH_SIGN_FOR)

        webhook = change_webhook(self.books, webhook_id, rotated)
        self._record("webhook.changed", webhook_id, by, device)
        return WithSecret(webhook, secret)

    def delete(self, webhook_id: str, by: Principal | None, device: Device | None) -> None:
        """Delete a webhook with its deliveries. Raises NotFound."""

        def without(webhooks: tuple[Webhook, ...]) -> tuple[Webhook, ...]:
            left = tuple(webhook for webhook in webhooks if webhook.id != webhook_id)
            if left == webhooks:
                raise NotFound
            self._require(by)
            return left

        change_book(self.books, without)
        self._record("webhook.deleted", webhook_id, by, device)
        with suppress(Unavailable):
            for _ in range(_WITH_THE_REPLY):
                if self.deliveries.deliveries.remove_some_of(webhook_id, pieces.AT_ONCE) < pieces.AT_ONCE:
                    break

    def deliveries_of(self, webhook_id: str, *, before: str | None, limit: int) -> DeliveryPage:
        """Up to `limit` deliveries of a webhook that are older than `before`. Raises NotFound."""
        self.find(webhook_id)
        found = self.deliveries.deliveries.page_of(webhook_id, before=before, limit=limit + 1)
        return DeliveryPage(found[:limit], found[limit - 1].id if len(found) > limit else None)

    def test(self, webhook_id: str, by: Principal | None) -> Delivery:
        """Have a test posted. Raises NotFound."""
        webhook = self.find(webhook_id)
        self._require(by)
        return self.deliveries.test(webhook)

    def replay(self, webhook_id: str, delivery_id: str, by: Principal | None) -> Delivery:
        """Have a delivery posted once more. Raises NotFound, or InvalidRequest while the webhook is disabled."""
        webhook = self.find(webhook_id)
        self._require(by)
        return self.deliveries.replay(webhook, delivery_id)

    def secrets_wrapped_by(self) -> list[str]:
        """For each secret that signs, the name of the SECRET_KEY that seals it."""
        now = self.accounts.clock()
        signing = (
            (webhook.secret, *([webhook.former] if webhook.former and signs_too(webhook, now) else []))
            for webhook in self.books.load().webhooks
        )
        return [secret.wrapped_by for secrets in signing for secret in secrets]

    def reseal(self) -> int:
        """Seal all secrets under the current SECRET_KEY, so that former ones can go; returns how many webhooks changed.

        One that no secret opens stays: it cannot sign until its secret is rotated.
        """
        before = self.books.load().webhooks

        def sealed_anew(webhook: Webhook) -> Webhook:
            try:
                return resealed(webhook, self.secrets, self.accounts.clock())
            except SealedError as error:
                _log.warning("webhook cannot sign", webhook=webhook.id, cause=str(error))
                return webhook

        after = change_book(self.books, lambda webhooks: tuple(map(sealed_anew, webhooks))).webhooks
        return len(set(after) - set(before))

    def _check(self, url: str) -> None:
        try:
            self.egress.check(url)
        except EgressRefusedError as error:
            raise ValidationFailed(fields=(FieldError("url", "refused_url", f"The URL {error}."),)) from None

    def _require(self, by: Principal | None) -> None:
        if by is not None and WRITE not in self.accounts.require_live(by).permissions:
            raise Forbidden(f"This needs the permission {WRITE}.")

    def _record(self, action: str, webhook_id: str, by: Principal | None, device: Device | None) -> None:
        """An act about no user is recorded under who did it; one of the operator, in the log alone."""
        if by is None:
            _log.info("event", action=action, webhook=webhook_id)
        else:
            self.accounts.audit.record(by.actor_id or by.user.id, action, device, webhook=webhook_id)
