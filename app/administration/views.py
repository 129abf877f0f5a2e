"""Users and signing keys as administrators see them."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads the annotation
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from app.accounts.views import UserView
from app.administration.search import ListedStatus  # noqa: TC001 - pydantic reads the annotation
from app.web.view import View

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from app.accounts.model import User
    from app.administration.search import FoundPage
    from app.administration.signing_keys import ListedKey


class AdministeredUser(UserView):
    """A user, as shown to administrators."""

    status: ListedStatus = Field(examples=["active"])

    @classmethod
    def of(cls, user: User, permissions: frozenset[str]) -> AdministeredUser:
        """The view of a user, who has these permissions once they are active."""
        return cls.model_validate({**UserView.of(user, permissions).model_dump(), "status": user.status})


class AdministeredUserData(View):
    """One user."""

    user: AdministeredUser

    @classmethod
    def of(cls, user: User, permissions: frozenset[str]) -> AdministeredUserData:
        """The data of a reply about one user."""
        return cls(user=AdministeredUser.of(user, permissions))


class FoundUsers(View):
    """A page of users. It may be shorter than `limit`, and even empty, and still have a next one."""

    users: list[AdministeredUser]
    next: str | None = Field(description="The `cursor` of the next page; null at the end.", examples=[None])

    @classmethod
    def of(cls, page: FoundPage, permissions_of: Callable[[tuple[str, ...]], frozenset[str]]) -> FoundUsers:
        """The data of a reply with a page of users; `permissions_of` gives the permissions of roles."""
        users = [AdministeredUser.of(user, permissions_of(user.roles)) for user in page.users]
        return cls(users=users, next=page.next)


class SigningKeyView(View):
    """A key that signs access tokens, without the key itself."""

    kid: str = Field(examples=["5Om_FZ8kqHyoLqBE"])
    alg: str = Field(examples=["ES256"])
    state: Literal["waiting", "signing", "verifying"] = Field(
        description="`waiting` is published and signs later; `verifying` was replaced, and its tokens are still valid.",
        examples=["signing"],
    )
    created_at: datetime = Field(examples=["2026-01-31T12:00:00.000000Z"])
    signs_from: datetime = Field(examples=["2026-01-31T13:06:00.000000Z"])

    @classmethod
    def of(cls, key: ListedKey) -> SigningKeyView:
        """The view of a key."""
        stored = key.stored
        return cls(
            kid=stored.kid,
            alg=stored.alg,
            state=key.state,
            created_at=stored.created_at,
            signs_from=stored.signs_from,
        )


class SigningKeyData(View):
    """One signing key."""

    key: SigningKeyView

    @classmethod
    def of(cls, key: ListedKey) -> SigningKeyData:
        """The data of a reply about one key."""
        return cls(key=SigningKeyView.of(key))


class SigningKeyList(View):
    """A page of signing keys, the oldest first."""

    keys: list[SigningKeyView]
    next: str | None = Field(description="The `cursor` of the next page; null at the end.", examples=[None])

    @classmethod
    def of(cls, keys: Iterable[ListedKey], after: str | None) -> SigningKeyList:
        """The data of a reply with some keys; `after` is the cursor of the next ones."""
        return cls(keys=[SigningKeyView.of(key) for key in keys], next=after)
