"""Changes the webhooks: each change is a function from one book to the next, saved if no other write came first."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from app.platform.errors import NotFound, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.webhooks.model import Webhook, WebhookBook, WebhookBooks

_ATTEMPTS: Final = 50


def change_book(books: WebhookBooks, step: Callable[[tuple[Webhook, ...]], tuple[Webhook, ...]]) -> WebhookBook:
    """Replace the webhooks with the result of `step`, which may be called again; it raises to refuse.

    Returns the book as it is stored now. Raises Unavailable.
    """
    for _ in range(_ATTEMPTS):
        book = books.load()
        webhooks = step(book.webhooks)
        changed = replace(book, version=book.version + 1, webhooks=webhooks)
        if webhooks == book.webhooks:
            return book
        if books.save(changed):
            return changed
    raise Unavailable("The webhooks change too often.")


def change_webhook(books: WebhookBooks, webhook_id: str, step: Callable[[Webhook], Webhook]) -> Webhook:
    """Replace one webhook with the result of `step`; returns it as it is stored now. Raises NotFound."""

    def changed(webhooks: tuple[Webhook, ...]) -> tuple[Webhook, ...]:
        if not any(webhook.id == webhook_id for webhook in webhooks):
            raise NotFound
        return tuple(step(webhook) if webhook.id == webhook_id else webhook for webhook in webhooks)

    found = change_book(books, changed).find(webhook_id)
    if found is None:
        raise NotFound
    return found
