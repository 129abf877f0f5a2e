"""The list of users shows as much as its reader may see."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.accounts.directory import DirectoryService
from app.accounts.registration import NewAccount, RegistrationService
from app.platform.errors import Forbidden
from tests.api.service import PASSWORD
from tests.unit.instance import session_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.accounts.directory import UserPage
    from app.accounts.model import User
    from tests.unit.instance import Instance


def an_admin(instance: Instance) -> User:
    account = NewAccount(password=PASSWORD, username="boss")
    return instance.get(RegistrationService).register(account, roles=("admin",)).user


def page(instance: Instance, viewer: User, after: str | None = None, limit: int = 50) -> UserPage:
    """What somebody sees who is logged in."""
    return instance.get(DirectoryService).list_users(session_of(instance.wired, viewer.id), after=after, limit=limit)


def all_pages(instance: Instance, viewer: User, limit: int) -> list[UserPage]:
    pages = [page(instance, viewer, limit=limit)]
    while pages[-1].next:
        pages.append(page(instance, viewer, pages[-1].next, limit))
    return pages


@pytest.mark.parametrize(("limit", "sizes"), [(1, [1, 1, 1, 1]), (2, [2, 2]), (3, [3, 1]), (4, [4]), (200, [4])])
def test_pages_hold_every_user_once_in_the_order_of_registration(
    limit: int, sizes: list[int], instance: Instance
) -> None:
    admin = an_admin(instance)
    ids = [admin.id, *(instance.register(name) for name in ("ann", "bob", "eve"))]

    pages = all_pages(instance, admin, limit)

    assert [len(each.users) for each in pages] == sizes
    assert [user.id for each in pages for user in each.users] == ids


def test_members_see_only_active_users_and_administrators_see_all_in_full(
    instance: Instance, change_user: Callable[..., None]
) -> None:
    admin, member = an_admin(instance), instance.login_of("ann").user
    disabled = instance.register("bob")
    change_user(disabled, status="disabled")

    seen_by_admin = page(instance, admin)
    seen_by_member = page(instance, member)

    assert (seen_by_admin.whole, seen_by_member.whole) == (True, False)
    assert [user.id for user in seen_by_admin.users] == [admin.id, member.id, disabled]
    assert [user.id for user in seen_by_member.users] == [admin.id, member.id]


def test_a_directory_of_the_administrators_is_closed_to_members(start: Callable[..., Instance]) -> None:
    instance = start(USER_DIRECTORY="admins")
    admin, member = an_admin(instance), instance.login_of("ann").user

    assert len(page(instance, admin).users) == 2
    with pytest.raises(Forbidden, match="users:read"):
        page(instance, member)
