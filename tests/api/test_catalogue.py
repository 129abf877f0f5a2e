"""Scopes and resources over HTTP, as administrators name and drop them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from app.oauth.catalogue.model import Resource
from app.oauth.catalogue.service import Catalogue
from tests.contract.races import THREADS

if TYPE_CHECKING:
    from tests.api.service import Account, Reply, Service, Start


@pytest.fixture
def service(start: Start) -> Service:
    return start()


@pytest.fixture
def admin(service: Service) -> Account:
    return service.administrator()


def scope(service: Service, admin: Account, name: object = "files:read", said: object = "Read your files.") -> Reply:
    return service.post("/admin/scopes", {"name": name, "description": said}, token=admin.token)


def resource(service: Service, admin: Account, uri: object, name: object = "Files", **more: object) -> Reply:
    return service.post("/admin/resources", {"uri": uri, "name": name, **more}, token=admin.token)


def delete(service: Service, admin: Account, path: str) -> Reply:
    return service.send("DELETE", path, token=admin.token)


def wrong_fields(reply: Reply) -> list[tuple[str, str]]:
    assert reply.status_code == 422, reply.text
    return [(error["field"], error["code"]) for error in reply.json["errors"]]


def test_scopes_are_named_listed_and_dropped(service: Service, admin: Account) -> None:
    made = scope(service, admin)
    assert made.status_code == 201
    named = {"name": "files:read", "description": "Read your files.", "standard": False}
    assert made.json["data"] == {"scope": named}
    listed = service.get("/admin/scopes", token=admin.token).json["data"]
    assert [each["name"] for each in listed["scopes"]] == ["email", "files:read", "offline_access", "openid", "profile"]
    assert named in listed["scopes"]
    first = service.get("/admin/scopes", query="limit=2", token=admin.token).json["data"]
    rest = service.get("/admin/scopes", query=f"cursor={first['next']}", token=admin.token).json["data"]
    assert [*first["scopes"], *rest["scopes"]] == listed["scopes"]
    assert wrong_fields(scope(service, admin)) == [("name", "taken")]
    assert wrong_fields(scope(service, admin, "openid")) == [("name", "taken")]
    assert delete(service, admin, "/admin/scopes/files:read").status_code == 200
    assert delete(service, admin, "/admin/scopes/files:read").status_code == 404
    assert delete(service, admin, "/admin/scopes/openid").status_code == 400
    assert "files:read" not in service.wired.get(Catalogue).load().scopes


@pytest.mark.parametrize("name", ["", "a b", 'a"b', "a\\b", "ä", "-x", "a" * 101, None, 1, ["x"], {"$ne": 1}, "a\x00"])
def test_a_name_that_no_scope_may_have_is_refused(service: Service, admin: Account, name: object) -> None:
    assert [field for field, _ in wrong_fields(scope(service, admin, name))] == ["name"]


def test_a_scope_may_be_a_url(service: Service, admin: Account) -> None:
    url = "https://api.example/files.read"
    assert scope(service, admin, url).status_code == 201
    assert delete(service, admin, f"/admin/scopes/{quote(url, safe='')}").status_code == 200


def test_resources_are_named_listed_and_dropped_by_name_or_uri(service: Service, admin: Account) -> None:
    scope(service, admin)
    uri = "https://files.example/mcp"
    made = resource(service, admin, uri, scopes=["files:read"])
    assert made.status_code == 201
    files = {"uri": uri, "name": "Files", "scopes": ["files:read"]}
    assert made.json["data"] == {"resource": files}
    other = resource(service, admin, "api://other", "Other/one").json["data"]["resource"]
    assert other["scopes"] is None
    assert service.get("/admin/resources", token=admin.token).json["data"] == {
        "resources": [other, files],
        "next": None,
    }
    assert wrong_fields(resource(service, admin, uri)) == [("uri", "taken"), ("name", "taken")]
    assert wrong_fields(resource(service, admin, "https://FILES.example:443/mcp", "Same")) == [("uri", "taken")]
    assert service.wired.get(Catalogue).load().resources[uri] == Resource(uri, "Files", ("files:read",))
    assert delete(service, admin, f"/admin/resources/{quote(uri, safe='')}").status_code == 200
    assert delete(service, admin, f"/admin/resources/{quote(uri, safe='')}").status_code == 404
    assert delete(service, admin, f"/admin/resources/{quote('Other/one')}").status_code == 200
    assert service.get("/admin/resources", token=admin.token).json["data"]["resources"] == []


@pytest.mark.parametrize(
    "uri",
    ["", "x", "/x", "//x/y", "https://x.example/#part", "https://x.example/a b", "x:", "https://ä.example/", 1, None],
)
def test_a_uri_that_no_resource_may_have_is_refused(service: Service, admin: Account, uri: object) -> None:
    assert [field for field, _ in wrong_fields(resource(service, admin, uri))] == ["uri"]


def test_a_resource_lists_scopes_that_exist_and_keeps_them(service: Service, admin: Account) -> None:
    refused = resource(service, admin, "https://x.example/", scopes=["openid", "files:read"])
    assert wrong_fields(refused) == [("scopes.0", "unknown_scope"), ("scopes.1", "unknown_scope")]
    scope(service, admin)
    assert resource(service, admin, "https://x.example/", scopes=["files:read"]).status_code == 201
    kept = delete(service, admin, "/admin/scopes/files:read")
    assert (kept.status_code, "https://x.example/" in kept.json["message"]) == (400, True)


def test_scopes_that_are_named_at_once_are_all_there(service: Service, admin: Account) -> None:
    replies = service.at_once(lambda number: scope(service, admin, f"scope{number}").status_code)
    assert replies == [201] * THREADS
    named = service.wired.get(Catalogue).load().scopes
    assert {f"scope{number}" for number in range(THREADS)} <= named.keys()


def test_of_all_that_name_one_scope_at_once_one_does(service: Service, admin: Account) -> None:
    replies = service.at_once(lambda _: scope(service, admin).status_code)
    assert sorted(replies) == [201] + [422] * (THREADS - 1)
