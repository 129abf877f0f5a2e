"""The list of users: GET /auth/users."""

from base64 import urlsafe_b64encode
from typing import Any

import pytest

from tests.api.service import Account, Reply, Service, Start

COUNT = 7


@pytest.fixture(scope="module")
def administrator(service: Service) -> Account:
    return service.administrator()


@pytest.fixture(scope="module")
def members(service: Service, administrator: Account) -> list[Account]:
    """They registered one after the other; the administrator came first."""
    assert administrator.id
    return [service.register() for _ in range(COUNT)]


def page(service: Service, account: Account, **query: Any) -> dict[str, Any]:
    response = service.get("/auth/users", token=account.token, query="&".join(f"{k}={v}" for k, v in query.items()))
    assert response.status_code == 200
    data: dict[str, Any] = response.json["data"]
    return data


def refused(response: Reply) -> list[str]:
    assert (response.status_code, response.json["code"]) == (422, "validation_failed")
    return [error["field"] for error in response.json["errors"]]


def test_the_list_needs_a_token(service: Service) -> None:
    assert service.get("/auth/users").json["code"] == "missing_token"


def test_members_see_identifier_and_username_in_the_order_of_registration(
    service: Service, administrator: Account, members: list[Account]
) -> None:
    data = page(service, members[0])
    assert data.keys() == {"users", "next"}
    assert data["users"] == [{"id": one.id, "username": one.username} for one in (administrator, *members)]
    assert data["next"] is None


def test_administrators_see_users_in_full(service: Service, administrator: Account, members: list[Account]) -> None:
    users = page(service, administrator)["users"]
    assert [user["id"] for user in users] == [one.id for one in (administrator, *members)]
    assert users[1:] == [one.data["user"] for one in members]


def test_members_see_active_users_only(service: Service, administrator: Account, members: list[Account]) -> None:
    gone = service.register()
    service.database.change_user(gone.id, status="disabled")
    invited = service.register()
    service.database.change_user(invited.id, status="invited")
    for account, sees in ((members[0], False), (administrator, True)):
        identifiers = {user["id"] for user in page(service, account)["users"]}
        assert (gone.id in identifiers, invited.id in identifiers) == (sees, sees)


@pytest.mark.parametrize("limit", [1, 2, 3, COUNT, 200])
def test_the_pages_together_are_the_list(
    service: Service, administrator: Account, members: list[Account], limit: int
) -> None:
    for account in (administrator, members[0]):
        whole = page(service, account, limit=200)["users"]
        collected, cursor = [], None
        while True:
            found = page(service, account, limit=limit, **({"cursor": cursor} if cursor else {}))
            assert len(found["users"]) <= limit
            collected += found["users"]
            cursor = found["next"]
            if cursor is None:
                break
            assert len(found["users"]) == limit
        assert collected == whole


def test_fifty_users_make_a_page_unless_asked_otherwise(start: Start) -> None:
    service = start()
    viewer = service.register()
    for _ in range(50):
        service.register()
    assert len(page(service, viewer)["users"]) == 50
    assert page(service, viewer)["next"] is not None
    rest = page(service, viewer, cursor=page(service, viewer)["next"])
    assert (len(rest["users"]), rest["next"]) == (1, None)


@pytest.mark.parametrize(
    "limit",
    ["0", "-1", "201", "1e1", "5.0", "5.5", "", "x", "1_0", "%205", "5%20", "%2B5", "%D9%A5", "9" * 5000, "5&limit=6"],
)
def test_any_other_limit_is_refused(service: Service, members: list[Account], limit: str) -> None:
    response = service.get("/auth/users", token=members[0].token, query=f"limit={limit}")
    assert refused(response) == ["limit"]


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "1",
        "null",
        "%00",
        "é",
        "' OR 1=1",
        '{"$gt":""}',
        urlsafe_b64encode(b"x" * 15).decode().rstrip("="),
        urlsafe_b64encode(b"x" * 17).decode().rstrip("="),
        urlsafe_b64encode(b"x" * 16).decode(),
        urlsafe_b64encode(b"x" * 16).decode().rstrip("=")[:-1] + "B",
        "A" * 5000,
    ],
)
def test_a_cursor_that_was_never_issued_is_refused(service: Service, members: list[Account], cursor: str) -> None:
    response = service.get("/auth/users", token=members[0].token, query=f"cursor={cursor}")
    assert refused(response) == ["cursor"]


def test_a_cursor_shows_no_identifier(service: Service, members: list[Account]) -> None:
    data = page(service, members[0], limit=1)
    assert data["users"][0]["id"] not in data["next"]


def test_a_cursor_continues_after_a_user_who_is_gone(service: Service, members: list[Account]) -> None:
    data = page(service, members[0], limit=2)
    service.database.change_user(members[0].id, status="disabled")
    try:
        following = page(service, members[1], limit=1, cursor=data["next"])["users"]
        assert following[0]["id"] == members[1].id
    finally:
        service.database.change_user(members[0].id, status="active")


def test_both_wrong_fields_are_reported_at_once(service: Service, members: list[Account]) -> None:
    response = service.get("/auth/users", token=members[0].token, query="limit=0&cursor=x")
    assert sorted(refused(response)) == ["cursor", "limit"]


def test_parameters_that_the_list_does_not_know_are_refused_by_name(service: Service, members: list[Account]) -> None:
    response = service.get("/auth/users", token=members[0].token, query="page=2&limit=0&q=x")
    assert sorted(refused(response)) == ["limit", "page", "q"]
    codes = {error["field"]: error["code"] for error in response.json["errors"]}
    assert codes["page"] == codes["q"] == "unknown_field"


@pytest.mark.parametrize("name", ["access_token", "token", "x-access-token"])
def test_a_token_in_the_query_of_a_list_is_ignored(service: Service, members: list[Account], name: str) -> None:
    assert page(service, members[0], **{name: members[1].token}) == page(service, members[0])


def test_the_directory_can_be_for_administrators_only(
    service: Service, start: Start, administrator: Account, members: list[Account]
) -> None:
    closed = start(on=service, USER_DIRECTORY="admins")
    response = closed.get("/auth/users", token=members[0].token)
    assert (response.status_code, response.json["code"]) == (403, "forbidden")
    assert "users:read" in response.json["message"]
    assert page(closed, administrator)["users"]


def test_a_user_who_lost_a_role_sees_less_at_once(service: Service) -> None:
    administrator = service.administrator()
    assert "email" in page(service, administrator)["users"][0]
    service.database.change_roles(administrator.id, "member")
    assert page(service, administrator)["users"][0].keys() == {"id", "username"}
