"""What a proxy in front of an application asks: let this request through?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from app.sessions.controller import verify
from tests.api.mailbox import newest_to
from tests.api.service import PASSWORD
from tests.unit.instance import session_of
from tests.unit.web.callers import OfOneKind
from tests.unit.web.serving import serving

if TYPE_CHECKING:
    from werkzeug.test import TestResponse

    from tests.api.service import Service


def told(response: TestResponse) -> dict[str, str]:
    return {name: value for name, value in response.headers if name.startswith("X-Auth-")}


def test_a_valid_token_passes_and_identifies_the_user(service: Service) -> None:
    account = service.register()
    response = service.get("/auth/verify", token=account.token)
    assert response.status_code == 200
    assert told(response) == {
        "X-Auth-User": account.id,
        "X-Auth-Username": account.username,
        "X-Auth-Email": "",
        "X-Auth-Roles": "member",
        "X-Auth-Actor": "",
    }


def test_a_verified_international_address_is_given_in_its_ascii_form(service: Service) -> None:
    account = service.register()
    email = f"{account.username}@bücher.example.com"
    assert service.post("/auth/email", {"email": email, "password": PASSWORD}, token=account.token).status_code == 202
    token = newest_to(service, f"{account.username}@xn--bcher-kva.example.com").token
    assert service.post("/auth/email/verify", {"token": token}).status_code == 200
    response = service.get("/auth/verify", token=account.token)
    assert response.status_code == 200
    assert response.headers["X-Auth-Email"] == f"{account.username}@xn--bcher-kva.example.com"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("role=member", 200),
        ("role=admin", 403),
        ("role=member&role=admin", 403),
        ("role=", 403),
        ("permission=users:read", 403),
        ("permission=nonsense", 403),
        ("rolle=member", 403),
        ("access_token=x", 403),
    ],
)
def test_what_the_query_demands_of_a_member(service: Service, query: str, status: int) -> None:
    response = service.get("/auth/verify", token=service.register().token, query=query)
    assert (response.status_code, bool(told(response))) == (status, status == 200)


def test_an_administrator_has_every_permission(service: Service) -> None:
    response = service.get(
        "/auth/verify", token=service.administrator().token, query="permission=users:read&role=admin"
    )
    assert (response.status_code, told(response)["X-Auth-Roles"]) == (200, "admin")


def test_an_api_key_has_permissions_but_no_roles(service: Service) -> None:
    """There are none yet: so one of the tests, of an administrator."""
    account = service.administrator()
    principal = replace(
        session_of(service.wired, account.id), kind="api_key", key_id="k", permissions=frozenset({"users:read"})
    )
    client = serving(verify, wired=service.wired, authenticators=(OfOneKind(principal),)).test_client()

    def asked(query: str) -> TestResponse:
        return client.get("/auth/verify", query_string=query, headers={"x-access-token": "any"})

    assert told(asked(""))["X-Auth-User"] == account.id
    assert told(asked(""))["X-Auth-Roles"] == ""
    statuses = {query: asked(query).status_code for query in ("permission=users:read", "permission=users:write")}
    assert statuses == {"permission=users:read": 200, "permission=users:write": 403}
    for query in ("role=admin", "role=member", "role=", "role=admin&permission=users:read"):
        assert asked(query).status_code == 403
        assert told(asked(query)) == {}


def test_without_a_token_or_with_two_it_is_401(service: Service) -> None:
    account, other = service.register(), service.register()
    assert service.get("/auth/verify").status_code == 401
    response = service.get("/auth/verify", token=account.token, headers={"x-access-token": other.token})
    assert (response.status_code, told(response)) == (401, {})


def test_an_ended_session_is_not_let_through(service: Service) -> None:
    account = service.register()
    service.post("/auth/logout", token=account.token)
    assert service.get("/auth/verify", token=account.token).status_code == 401
