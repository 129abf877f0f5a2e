"""API keys as JSON: never with their secret, but once."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads the annotation
from typing import TYPE_CHECKING

from pydantic import Field

from app.api_keys.key_format import beginning
from app.web.cursors import cursor_behind
from app.web.view import View

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.api_keys.model import ApiKey, FoundKey
    from app.api_keys.service import CreatedKey, KeyPage

_ID = "019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7a"
_BEGINNING = "lk_02TMM9Dz"


class ApiKeyView(View):
    """An API key."""

    id: str = Field(examples=[_ID])
    name: str = Field(examples=["Nightly backup"])
    prefix: str = Field(description="How the key begins, to recognise it by.", examples=[_BEGINNING])
    permissions: list[str] = Field(
        description="What it allows, as far as its owner may do it, too.", examples=[["users:read"]]
    )
    created_at: datetime = Field(examples=["2026-01-31T12:00:00.000000Z"])
    expires_at: datetime = Field(examples=["2026-05-01T12:00:00.000000Z"])
    last_used_at: datetime | None = Field(description="Accurate to the minute.", examples=[None])

    @classmethod
    def of(cls, key: ApiKey) -> ApiKeyView:
        """The view of a key."""
        return cls(
            id=key.id,
            name=key.name,
            prefix=beginning(key.id),
            permissions=list(key.permissions),
            created_at=key.created_at,
            expires_at=key.expires_at,
            last_used_at=key.last_used_at,
        )


class CreatedApiKey(View):
    """A new API key, and the key itself: this is the only reply that shows it."""

    api_key: ApiKeyView
    key: str = Field(description="Keep it like a password.", examples=[f"{_BEGINNING}..."])

    @classmethod
    def of(cls, created: CreatedKey) -> CreatedApiKey:
        """The data of the reply that shows a new key."""
        return cls(api_key=ApiKeyView.of(created.key), key=created.text)


class ApiKeyList(View):
    """The API keys of a user."""

    api_keys: list[ApiKeyView]
    next: str | None = Field(default=None, examples=[None], description="Always null: a user has few keys.")

    @classmethod
    def of(cls, keys: Sequence[ApiKey]) -> ApiKeyList:
        """The data of a reply with these keys."""
        return cls(api_keys=[ApiKeyView.of(key) for key in keys])


class OwnedApiKeyView(ApiKeyView):
    """An API key, and whose it is."""

    user_id: str = Field(examples=[_ID])
    username: str | None = Field(examples=["ann"])
    service_account: str | None = Field(description="Its name, if it belongs to one.", examples=[None])

    @classmethod
    def of_found(cls, found: FoundKey) -> OwnedApiKeyView:
        """The view of a key with its owner."""
        owner = found.user
        return cls(
            **ApiKeyView.of(found.key).model_dump(),
            user_id=owner.id,
            username=owner.username,
            service_account=owner.name if owner.kind == "service" else None,
        )


class AllApiKeys(View):
    """A page of the API keys of all users."""

    api_keys: list[OwnedApiKeyView]
    next: str | None = Field(description="The `cursor` of the next page; null at the end.", examples=[None])

    @classmethod
    def of(cls, page: KeyPage) -> AllApiKeys:
        """The data of a reply with a page of keys."""
        return cls(api_keys=[OwnedApiKeyView.of_found(each) for each in page.found], next=cursor_behind(page.next))
