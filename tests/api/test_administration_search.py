"""Finding users: GET /admin/users."""

from dataclasses import replace
from itertools import count
from typing import Any
from urllib.parse import urlencode

import pytest

from app.administration import search
from app.administration.search import UserFinder
from app.web.cursors import cursor_at
from tests.api.service import PASSWORD, Account, Reply, Service, Start

_NUMBERS = count(1)


@pytest.fixture(scope="module")
def boss(service: Service) -> Account:
    return service.administrator()


@pytest.fixture
def prefix() -> str:
    """Names that begin with it belong to one test."""
    return f"t{next(_NUMBERS):04}-"


def find(service: Service, by: Account, **query: object) -> Reply:
    return service.get("/admin/users", query=urlencode(query), token=by.token)


def found(service: Service, by: Account, **query: object) -> list[dict[str, Any]]:
    """All users that a query finds, page by page; each page is checked."""
    users: list[dict[str, Any]] = []
    while True:
        reply = find(service, by, **query)
        assert reply.status_code == 200, reply.text
        page = reply.json["data"]
        assert len(page["users"]) <= int(str(query.get("limit", 50)))
        users += page["users"]
        if page["next"] is None:
            return users
        query["cursor"] = page["next"]


def ids(users: list[dict[str, Any]]) -> list[str]:
    return [user["id"] for user in users]


def refused_fields(reply: Reply) -> list[tuple[str, str]]:
    assert (reply.status_code, reply.json["code"]) == (422, "validation_failed")
    return [(error["field"], error["code"]) for error in reply.json["errors"]]


def register(service: Service, **names: str) -> str:
    body = {"username": f"u{next(_NUMBERS)}-u", "password": PASSWORD} | names
    reply = service.post("/auth/register", body)
    assert reply.status_code == 201, reply.text
    return str(reply.json["data"]["user"]["id"])


def test_users_are_found_by_the_beginning_of_address_user_name_and_name_in_this_order(
    service: Service, boss: Account, prefix: str
) -> None:
    by_name = register(service, name=f"{prefix.upper()}Zoë")
    by_username = [register(service, username=f"{prefix}{letter}") for letter in "ba"]
    by_email = [register(service, email=f"{prefix}{letter}@example.com") for letter in "dc"]
    by_all = register(service, username=f"{prefix}x", email=f"{prefix}b@example.com", name=f"{prefix}x")
    register(service, username=f"not-{prefix}", email=f"x{prefix}@example.com", name=f"Of {prefix}")
    wanted = [by_all, *reversed(by_email), *reversed(by_username), by_name]
    for limit in (1, 2, 4, 200):
        assert ids(found(service, boss, q=prefix, limit=limit)) == wanted
    assert ids(found(service, boss, q=f"  {prefix.upper()}")) == wanted


def test_a_user_is_shown_with_status_roles_and_permissions(service: Service, boss: Account) -> None:
    (user,) = found(service, boss, q=boss.email)
    assert (user["status"], user["roles"]) == ("active", ["admin"])
    assert "users:read" in user["permissions"]
    assert user.keys() == {
        *("id", "email", "email_verified", "username", "name", "roles", "permissions"),
        *("status", "created_at", "last_login_at"),
    }


@pytest.mark.parametrize(
    ("name", "q"),
    [
        ("Gräfin Ärmel", "GRÄFIN ä"),
        ("Straße", "STRASSE"),
        ("\uff26\uff35\uff2c\uff2c width", "full"),
        ("🧮 Rechner", "🧮"),
        ("👩‍🔬 Ann", "👩‍🔬"),
        ("Ada%", "ada%"),
        ("Ada_", "ada_"),
        ("Ⅷ the King", "viii"),
    ],
)
def test_names_are_found_whatever_the_case_and_width(service: Service, boss: Account, name: str, q: str) -> None:
    user = register(service, name=name)
    assert ids(found(service, boss, q=q)) == [user]


@pytest.mark.parametrize("q", ["%", "_", "\\", "'", '"', ".*", "$gt", "^a", "\U0010ffff", "x" * 254])
def test_no_character_of_a_prefix_means_anything_else(service: Service, boss: Account, q: str) -> None:
    assert found(service, boss, q=q) == []


def test_an_address_is_found_by_either_form_of_its_domain(service: Service, boss: Account, prefix: str) -> None:
    user = register(service, email=f"{prefix}@bücher.example")
    for q in (f"{prefix}@bücher.example", f"{prefix}@xn--bcher-kva.example", f"{prefix}@bücher.ex"):
        assert ids(found(service, boss, q=q)) == [user]


def test_an_empty_prefix_finds_everybody_in_the_order_of_registration(service: Service, boss: Account) -> None:
    users = ids(found(service, boss, limit=7))
    assert users == sorted(users)
    assert boss.id in users
    assert ids(found(service, boss, q=" ")) == users


def test_a_deleted_user_is_not_found(service: Service, boss: Account, prefix: str) -> None:
    user = register(service, email=f"{prefix}@example.com", name=prefix)
    assert service.send("DELETE", f"/admin/users/{user}", token=boss.token).status_code == 200
    assert found(service, boss, q=prefix) == []
    assert user not in ids(found(service, boss))


@pytest.fixture
def mixed(start: Start) -> tuple[Service, Account, list[str], str]:
    """An instance with six members, of whom the even ones are disabled, and the first four have a further role."""
    own = start()
    boss = own.administrator()
    own.post("/admin/roles", {"name": "editor", "permissions": []}, token=boss.token)
    users = [register(own, name=f"Ann {number}") for number in range(6)]
    for user in users[:4]:
        body = {"roles": ["editor", "member"]}
        assert own.send("PUT", f"/admin/users/{user}/roles", json=body, token=boss.token).status_code == 200
    for user in users[::2]:
        assert own.post(f"/admin/users/{user}/disable", token=boss.token).status_code == 200
    return own, boss, users, boss.id


@pytest.mark.parametrize("limit", [1, 2, 200])
def test_role_and_status_may_be_combined_with_everything(
    mixed: tuple[Service, Account, list[str], str], limit: int
) -> None:
    own, boss, users, admin = mixed

    def these(**query: object) -> list[str]:
        return ids(found(own, boss, limit=limit, **query))

    assert these(role="editor") == users[:4]
    assert these(role="member") == users
    assert these(role="admin") == [admin]
    assert these(role="nobody") == []
    assert these(status="disabled") == users[::2]
    assert these(status="active") == [admin, *users[1::2]]
    assert these(status="invited") == []
    assert these(role="editor", status="disabled") == [users[0], users[2]]
    assert these(role="member", status="active") == users[1::2]
    assert these(q="ann", role="editor", status="active") == [users[1], users[3]]
    assert these(q="ANN 5") == [users[5]]
    for query in ({"role": "editor"}, {"q": "ann"}, {"status": "disabled", "role": "editor"}):
        cursor = find(own, boss, limit=1, **query).json["data"]["next"]
        assert cursor is not None


def test_a_page_looks_at_few_users_and_may_be_short(
    mixed: tuple[Service, Account, list[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    own, boss, users, _ = mixed
    monkeypatch.setattr(search, "MOST_LOOKED_AT", 2)
    page = find(own, boss, q="ann", role="nobody").json["data"]
    assert page["users"] == []
    assert page["next"] is not None
    assert ids(found(own, boss, q="ann", status="disabled")) == users[::2]
    assert ids(found(own, boss, q="ann", role="editor", limit=1)) == users[:4]
    assert ids(found(own, boss, role="member")) == users


def test_the_keys_of_a_former_version_are_mended(service: Service, boss: Account, prefix: str) -> None:
    user = register(service, name=prefix)
    finder = service.wired.get(UserFinder)
    (stored,) = (each for each in finder.search.keys("", 10_000) if each.user_id == user)
    for wrong in (None, "another"):
        finder.search.set_keys(replace(stored, name_key=wrong))
        assert found(service, boss, q=prefix) == []
        assert finder.mend_keys() == 1
        assert finder.mend_keys() == 0
        assert ids(found(service, boss, q=prefix)) == [user]


@pytest.mark.parametrize("other", [{"q": "b"}, {"q": "a", "role": "member"}, {"q": "a", "status": "active"}, {}])
def test_a_cursor_of_another_query_is_refused(service: Service, boss: Account, other: dict[str, str]) -> None:
    for number in range(2):
        register(service, name=f"a{number}")
    cursor = find(service, boss, q="a", limit=1).json["data"]["next"]
    assert cursor is not None
    assert find(service, boss, q="A ", limit=200, cursor=cursor).status_code in {200, 422}
    assert refused_fields(find(service, boss, **other, cursor=cursor)) == [("cursor", "invalid_cursor")]


def test_a_cursor_that_nobody_got_is_refused(service: Service, boss: Account) -> None:
    bound = search.UserQuery().bound
    places: list[list[Any]] = [
        ["3", "", ""],
        ["-1", "", ""],
        ["x", "", ""],
        ["0", "\x00", ""],
        ["0", "\ud800", ""],
        ["0", "", "x"],
        ["0", ""],
        [0, {}, []],
        [None, None, None],
    ]
    odd = ["", "x", "=", "é", "[" * 3000, "A" * 3000, *(cursor_at(place, bound) for place in places)]
    for cursor in odd:
        reply = find(service, boss, cursor=cursor)
        assert refused_fields(reply) == [("cursor", "invalid_cursor")], cursor


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"status": "deleted"}, "status"),
        ({"status": ""}, "status"),
        ({"role": "Admin"}, "role"),
        ({"role": "a,b"}, "role"),
        ({"q": "a\x00b"}, "q"),
        ({"q": "x" * 255}, "q"),
        ({"cursor": "x" * 4001}, "cursor"),
        ({"limit": 0}, "limit"),
        ({"limit": 201}, "limit"),
        ({"sort": "name"}, "sort"),
    ],
)
def test_a_wrong_query_is_refused_by_name(
    service: Service, boss: Account, query: dict[str, object], field: str
) -> None:
    assert [name for name, _ in refused_fields(find(service, boss, **query))] == [field]


def test_members_find_nobody(service: Service) -> None:
    reply = find(service, service.register(), q="a")
    assert (reply.status_code, reply.json["code"]) == (403, "forbidden")
