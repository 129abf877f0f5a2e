"""OAuth clients, scopes and resources over HTTP, and clients that register themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from app.oauth.registry import ClientRegistry
from app.platform.identifiers import new_id
from tests.contract.races import THREADS
from tests.stores import events_of

if TYPE_CHECKING:
    from app.oauth.clients.model import Client
    from tests.api.service import Account, Reply, Service, Start

REDIRECT = "https://shop.example/cb"
STANDARD = ["openid", "profile", "email", "offline_access"]
DAY = 24 * 3600


@pytest.fixture(scope="module")
def service(start: Start) -> Service:
    return start(EGRESS_ALLOW="127.0.0.1")


def create(service: Service, admin: Account, **more: Any) -> Reply:
    body = {"name": "The shop", "kind": "confidential", "redirect_uris": [REDIRECT], **more}
    given = {name: found for name, found in body.items() if found is not ...}
    return service.post("/admin/clients", given, token=admin.token)


def made(service: Service, admin: Account, **more: Any) -> dict[str, Any]:
    reply = create(service, admin, **more)
    assert reply.status_code == 201, reply.text
    data: dict[str, Any] = reply.json["data"]
    return {**data["client"], "client_secret": data.get("client_secret")}


def stored(service: Service, client: dict[str, Any]) -> Client:
    found = service.wired.get(ClientRegistry).find(client["id"])
    assert found is not None
    return found


def patch(service: Service, admin: Account, client: dict[str, Any], **changes: Any) -> Reply:
    return service.send("PATCH", f"/admin/clients/{client['id']}", json=changes, token=admin.token)


def wrong_fields(reply: Reply) -> list[tuple[str, str]]:
    assert reply.status_code == 422, reply.text
    return [(error["field"], error["code"]) for error in reply.json["errors"]]


def accepts(service: Service, client: dict[str, Any], secret: str) -> bool:
    return stored(service, client).accepts(secret, service.clock())


def test_a_client_is_made_with_a_secret_that_is_shown_once(service: Service, admin: Account) -> None:
    reply = create(service, admin, post_logout_redirect_uris=["https://shop.example/bye"], session_seconds=3600)
    assert reply.status_code == 201
    client, secret = reply.json["data"]["client"], reply.json["data"]["client_secret"]
    assert client == {
        "id": client["id"],
        "client_id": client["id"],
        "name": "The shop",
        "kind": "confidential",
        "redirect_uris": [REDIRECT],
        "post_logout_redirect_uris": ["https://shop.example/bye"],
        "scopes": STANDARD,
        "resources": None,
        "first_party": False,
        "require_second_factor": False,
        "session_seconds": 3600,
        "backchannel_logout_uri": None,
        "dpop_bound_access_tokens": False,
        "token_exchange": False,
        "jwks": None,
        "jwks_uri": None,
        "workload": None,
        "secrets": [{"id": client["secrets"][0]["id"], "created_at": client["created_at"], "expires_at": None}],
        "registered": False,
        "created_by": admin.id,
        "created_at": client["created_at"],
    }
    assert secret.startswith("lkcs_")
    assert len(secret) == len("lkcs_") + 43
    assert accepts(service, client, secret)
    assert not accepts(service, client, secret[:-1])
    read = service.get(f"/admin/clients/{client['id']}", token=admin.token)
    assert read.json["data"] == {"client": client}
    assert secret not in service.get("/admin/clients", token=admin.token).text
    told = [(event.action, event.details.get("client")) for event in events_of(service.store, admin.id)]
    assert ("client.created", client["id"]) in told


def test_a_public_client_has_no_secret_and_gets_none(service: Service, admin: Account) -> None:
    reply = create(service, admin, kind="public", redirect_uris=["com.example.shop:/cb", "http://127.0.0.1/cb"])
    assert reply.status_code == 201
    assert reply.json["data"].keys() == {"client"}
    client = reply.json["data"]["client"]
    assert client["secrets"] == []
    refused = service.post(f"/admin/clients/{client['id']}/secrets", token=admin.token)
    assert wrong_fields(refused) == [("kind", "public")]
    assert not accepts(service, client, "")


def test_a_service_needs_no_redirect_uri_and_has_nothing_that_is_for_users(service: Service, admin: Account) -> None:
    client = made(service, admin, kind="service", redirect_uris=...)
    assert (client["redirect_uris"], client["scopes"]) == ([], [])
    made(service, admin, kind="service", redirect_uris=[])
    refused = create(service, admin, kind="service", first_party=True, session_seconds=60)
    not_for_it = "not_for_services"
    fields = [("redirect_uris", not_for_it), ("first_party", not_for_it), ("session_seconds", not_for_it)]
    assert wrong_fields(refused) == fields
    assert wrong_fields(patch(service, admin, client, require_second_factor=True, redirect_uris=[REDIRECT])) == [
        ("redirect_uris", not_for_it),
        ("require_second_factor", not_for_it),
    ]
    assert patch(service, admin, client, require_second_factor=False, name="Nightly").status_code == 200


def test_a_client_with_users_names_redirect_uris_or_that_it_has_none(service: Service, admin: Account) -> None:
    assert wrong_fields(create(service, admin, redirect_uris=...)) == [("redirect_uris", "required")]
    assert wrong_fields(create(service, admin, redirect_uris=None)) == [("redirect_uris", "invalid_type")]
    assert made(service, admin, redirect_uris=[])["redirect_uris"] == []


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "/cb",
        "shop.example/cb",
        "https://",
        "https://shop.example/cb#part",
        "https://user@shop.example/cb",
        "https://user:pass@shop.example/cb",
        "https://shop.example\\@evil.example/cb",
        "https://shop.example/c b",
        "https://shop.example/\tcb",
        "https://shop.example/cb\n",
        " https://shop.example/cb",
        "https://läden.example/cb",
        "http://shop.example/cb",
        "http://127.0.0.1.evil.example/cb",
        "http://127.0.0.2/cb",
        "http://2130706433/cb",
        "http://[::ffff:127.0.0.1]/cb",
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "vbscript.x :y",
        "myapp:/cb",
        "com.example.app:",
        "com.example.app:/cb#part",
        "com.example.app://user@host/",
        "com.example.app://a[b/",
        "com.example.app://a:b/",
        "https://shop.example/" + "a" * 1000,
    ],
)
def test_a_redirect_uri_that_no_client_may_have_is_refused(service: Service, admin: Account, uri: str) -> None:
    [(field, _)] = wrong_fields(create(service, admin, redirect_uris=[REDIRECT, uri]))
    assert field == "redirect_uris.1"


def test_redirect_uris_are_kept_to_the_letter(service: Service, admin: Account) -> None:
    uris = [
        "https://Shop.example/CB/?a=%2f&b=1",
        "https://shop.example:8443/cb",
        "https://shop.example",
        "http://localhost:3000/cb",
        "http://127.0.0.1/cb",
        "http://[::1]:9/cb",
        "com.example.app:/cb",
        "com.example.app://cb/x",
    ]
    assert made(service, admin, redirect_uris=[*uris, uris[0]])["redirect_uris"] == uris
    assert wrong_fields(create(service, admin, redirect_uris=[f"https://a.example/{n}" for n in range(21)]))


@pytest.mark.parametrize(
    "junk", [1, "x", None, {}, {"$ne": None}, [1], [{"$gt": ""}], [None], [["https://x.example/"]]]
)
def test_fields_of_another_type_are_refused_by_name(service: Service, admin: Account, junk: object) -> None:
    for field in ("redirect_uris", "post_logout_redirect_uris", "scopes"):
        if field == "scopes" and junk is None:
            continue
        named = {name.partition(".")[0] for name, _ in wrong_fields(create(service, admin, **{field: junk}))}
        assert named == {field}


def test_every_wrong_field_is_named(service: Service, admin: Account) -> None:
    reply = create(
        service, admin, name="a\u202eb", kind="metadata", redirect_uris=["javascript:alert(1)"], session_seconds=1,
        scopes=["a b"], resources=["x"], first_party=1, secrets=[], id="x", post_logout_redirect_uris=["http://a.b/"],
        backchannel_logout_uri="ftp://x",
    )  # fmt: skip
    assert {field.partition(".")[0] for field, _ in wrong_fields(reply)} == {
        "name", "kind", "redirect_uris", "session_seconds", "scopes", "resources", "first_party", "secrets", "id",
        "post_logout_redirect_uris", "backchannel_logout_uri",
    }  # fmt: skip


def test_scopes_and_resources_have_to_exist(service: Service, admin: Account) -> None:
    reply = create(service, admin, scopes=["openid", "nothing:read"], resources=["https://nothing.example/"])
    assert wrong_fields(reply) == [("scopes.1", "unknown_scope"), ("resources.0", "unknown_resource")]
    client = made(service, admin)
    changed = patch(service, admin, client, scopes=["nothing:read"], resources=["urn:nothing"])
    assert wrong_fields(changed) == [("scopes.0", "unknown_scope"), ("resources.0", "unknown_resource")]
    own = service.wired.settings.tokens.jwt_audience  # our own API is one, and nobody has to name it
    assert create(service, admin, resources=[own]).status_code == 201


def test_a_logout_receiver_may_not_lead_inside(service: Service, admin: Account) -> None:
    for url in ("https://10.0.0.1/x", "https://169.254.169.254/"):
        reply = create(service, admin, backchannel_logout_uri=url)
        assert wrong_fields(reply) == [("backchannel_logout_uri", "refused_url")]
    client = made(service, admin, backchannel_logout_uri="http://127.0.0.1:9/x")
    assert client["backchannel_logout_uri"] == "http://127.0.0.1:9/x"
    assert patch(service, admin, client, backchannel_logout_uri=None).json["data"]["client"][
        "backchannel_logout_uri"
    ] is None  # fmt: skip


def test_what_is_left_out_of_a_change_stays_and_the_kind_always_does(service: Service, admin: Account) -> None:
    client = made(service, admin, require_second_factor=True, session_seconds=60)
    del client["client_secret"]
    changed = patch(service, admin, client, name="Another").json["data"]["client"]
    assert changed == {**client, "name": "Another"}
    assert patch(service, admin, client).json["data"]["client"] == changed
    whole = patch(service, admin, client, resources=[], scopes=["openid"], session_seconds=None).json["data"]["client"]
    assert whole == {**changed, "resources": [], "scopes": ["openid"], "session_seconds": None}
    assert wrong_fields(patch(service, admin, client, kind="public")) == [("kind", "unknown_field")]
    assert wrong_fields(patch(service, admin, client, name=None)) == [("name", "invalid_type")]
    nobody = service.send("PATCH", f"/admin/clients/{new_id()}", json={"name": "x"}, token=admin.token)
    assert nobody.status_code == 404


def test_clients_come_in_pages(service: Service, admin: Account) -> None:
    ids = [made(service, admin)["id"] for _ in range(3)]
    found: list[str] = []
    after = ""
    while True:
        page = service.get("/admin/clients", query=f"limit=2{after}", token=admin.token).json["data"]
        found += [client["id"] for client in page["clients"]]
        if page["next"] is None:
            break
        after = f"&cursor={page['next']}"
    assert found[-3:] == ids
    assert len(found) == len(set(found))


def test_a_deleted_client_is_gone(service: Service, admin: Account) -> None:
    client = made(service, admin)
    path = f"/admin/clients/{client['id']}"
    assert service.send("DELETE", path, token=admin.token).status_code == 200
    for method in ("GET", "DELETE"):
        assert service.send(method, path, token=admin.token).status_code == 404
    assert service.post(f"{path}/secrets", token=admin.token).status_code == 404
    assert service.wired.get(ClientRegistry).find(client["id"]) is None


def new_secret(service: Service, admin: Account, client: dict[str, Any], body: object = None) -> Reply:
    return service.post(f"/admin/clients/{client['id']}/secrets", body, token=admin.token)


def test_a_client_has_two_secrets_at_a_time(service: Service, admin: Account) -> None:
    client = made(service, admin)
    reply = new_secret(service, admin, client)
    assert reply.status_code == 201
    secret, text = reply.json["data"]["secret"], reply.json["data"]["client_secret"]
    assert secret == {"id": secret["id"], "created_at": secret["created_at"], "expires_at": None}
    assert accepts(service, client, client["client_secret"])
    assert accepts(service, client, text)
    third = new_secret(service, admin, client)
    assert (third.status_code, third.json["code"]) == (409, "too_many_secrets")
    first = client["secrets"][0]["id"]
    path = f"/admin/clients/{client['id']}/secrets/{first}"
    assert service.send("DELETE", path, token=admin.token).status_code == 200
    assert service.send("DELETE", path, token=admin.token).status_code == 404
    assert not accepts(service, client, client["client_secret"])
    assert accepts(service, client, text)
    assert new_secret(service, admin, client).status_code == 201


def test_an_expired_secret_proves_nothing_and_takes_no_place(start: Start) -> None:
    service = start()
    admin = service.administrator()
    client = made(service, admin)
    text = new_secret(service, admin, client, {"expires_in_days": 1}).json["data"]["client_secret"]
    service.clock.advance(DAY - 1)
    assert accepts(service, client, text)
    service.clock.advance(1)
    assert not accepts(service, client, text)
    admin = service.administrator()
    assert new_secret(service, admin, client).status_code == 201
    assert len(stored(service, client).secrets) == 2
    for days in (0, -1, 3651, "1", 1.5, True):
        assert wrong_fields(new_secret(service, admin, client, {"expires_in_days": days}))[0][0] == "expires_in_days"


def test_of_all_that_ask_for_the_second_secret_at_once_one_gets_it(service: Service, admin: Account) -> None:
    client = made(service, admin)
    replies = service.at_once(lambda _: new_secret(service, admin, client))
    assert sorted(reply.status_code for reply in replies) == [201] + [409] * (THREADS - 1)
    [won] = [reply.json["data"] for reply in replies if reply.status_code == 201]
    assert [secret.id for secret in stored(service, client).secrets][1:] == [won["secret"]["id"]]


def test_a_change_and_a_new_secret_at_once_lose_neither(service: Service, admin: Account) -> None:
    client = made(service, admin)

    def act(number: int) -> int:
        if number == 0:
            return new_secret(service, admin, client).status_code
        return patch(service, admin, client, name=f"Name {number}").status_code

    assert sorted(service.at_once(act)) == [200] * (THREADS - 1) + [201]
    found = stored(service, client)
    assert len(found.secrets) == 2
    assert found.name.startswith("Name ")


def test_of_all_that_delete_a_client_at_once_one_does(service: Service, admin: Account) -> None:
    client = made(service, admin)
    path = f"/admin/clients/{client['id']}"
    replies = service.at_once(lambda _: service.send("DELETE", path, token=admin.token).status_code)
    assert sorted(replies) == [200] + [404] * (THREADS - 1)


def with_permissions(service: Service, admin: Account, *permissions: str) -> Account:
    """A user with a role that permits these."""
    name = f"r{new_id()[-12:]}"
    role = {"name": name, "permissions": sorted(permissions)}
    assert service.post("/admin/roles", role, token=admin.token).status_code == 201
    user = service.register()
    roles = {"roles": [name]}
    assert service.send("PUT", f"/admin/users/{user.id}/roles", json=roles, token=admin.token).status_code == 200
    return user


def test_who_only_writes_clients_reaches_none_of_the_first_party(service: Service, admin: Account) -> None:
    writer = with_permissions(service, admin, "clients:read", "clients:write")
    assert create(service, writer, first_party=True).status_code == 403
    own, trusted = made(service, writer), made(service, admin, first_party=True)
    assert patch(service, writer, own, first_party=True).status_code == 403
    assert patch(service, writer, trusted, redirect_uris=["https://evil.example/"]).status_code == 403
    assert patch(service, writer, trusted, first_party=False).status_code == 403
    assert new_secret(service, writer, trusted).status_code == 403
    path = f"/admin/clients/{trusted['id']}"
    assert service.send("DELETE", path, token=writer.token).status_code == 403
    secret = f"{path}/secrets/{trusted['secrets'][0]['id']}"
    assert service.send("DELETE", secret, token=writer.token).status_code == 403
    found = stored(service, trusted)
    assert (found.revision, found.redirect_uris, found.first_party) == (0, (REDIRECT,), True)
    assert not stored(service, own).first_party
    assert patch(service, writer, own, name="Mine").status_code == 200


def test_who_only_reads_clients_changes_nothing(service: Service, admin: Account) -> None:
    reader, client = with_permissions(service, admin, "clients:read"), made(service, admin)
    assert service.get("/admin/clients", token=reader.token).status_code == 200
    assert service.get("/admin/scopes", token=reader.token).status_code == 200
    assert create(service, reader).status_code == 403
    assert patch(service, reader, client, name="x").status_code == 403
    assert service.post("/admin/registration-tokens", {}, token=reader.token).status_code == 403
    assert service.post("/admin/scopes", {"name": "x", "description": "x"}, token=reader.token).status_code == 403


def test_a_change_needs_a_login_of_the_last_minutes(start: Start) -> None:
    service = start(ACCESS_TOKEN_SECONDS="3600")
    admin = service.administrator()
    client = made(service, admin)
    service.clock.advance(601)
    refused = [
        create(service, admin),
        patch(service, admin, client, name="x"),
        new_secret(service, admin, client),
        service.send("DELETE", f"/admin/clients/{client['id']}", token=admin.token),
        service.send("DELETE", f"/admin/clients/{client['id']}/secrets/{new_id()}", token=admin.token),
        service.post("/admin/registration-tokens", {}, token=admin.token),
    ]
    assert [reply.json["code"] for reply in refused] == ["reauthentication_required"] * len(refused)
    assert service.get("/admin/clients", token=admin.token).status_code == 200


def test_without_the_authorization_server_there_are_no_clients(start: Start) -> None:
    service = start(OAUTH="off")
    admin = service.administrator()
    assert service.get("/admin/clients", token=admin.token).status_code == 404
    assert service.post("/oauth/register", {}).status_code == 404


def test_a_client_is_held_to_bound_tokens_and_let_off_again(service: Service, admin: Account) -> None:
    client = made(service, admin, dpop_bound_access_tokens=True)
    assert client["dpop_bound_access_tokens"] is True
    assert stored(service, client).dpop_bound_access_tokens
    assert patch(service, admin, client, dpop_bound_access_tokens=False).status_code == 200
    assert not stored(service, client).dpop_bound_access_tokens
    assert [field for field, _ in wrong_fields(create(service, admin, dpop_bound_access_tokens="yes"))] == [
        "dpop_bound_access_tokens"
    ]
