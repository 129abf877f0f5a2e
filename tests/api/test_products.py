"""Products, the sample of what an application builds on the service."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from tests.api.service import PASSWORD, Account, Reply, Service, Start

UNKNOWN = "019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7a"
LAMP = {"name": "Desk lamp", "price": 19.99, "description": "Bends both ways."}


@pytest.fixture
def bob(service: Service) -> Account:
    return service.register()


def made(service: Service, account: Account, **fields: Any) -> dict[str, Any]:
    response = service.post("/api/products", LAMP | fields, token=account.token)
    assert response.status_code == 201, response.text
    product: dict[str, Any] = response.json["data"]["product"]
    return product


def mine(service: Service, account: Account) -> list[dict[str, Any]]:
    response = service.get("/api/products/my", token=account.token)
    assert response.status_code == 200
    products: list[dict[str, Any]] = response.json["data"]["products"]
    return products


def everybodys(service: Service, query: str = "limit=200") -> dict[str, Any]:
    response = service.get("/api/products", query=query)
    assert response.status_code == 200
    data: dict[str, Any] = response.json["data"]
    return data


def refused(response: Reply) -> list[tuple[str, str]]:
    assert (response.status_code, response.json["code"]) == (422, "validation_failed")
    return [(error["field"], error["code"]) for error in response.json["errors"]]


def test_a_product_is_listed_for_its_owner_and_for_all_users(service: Service, ann: Account) -> None:
    response = service.post("/api/products", LAMP, token=ann.token)
    assert (response.status_code, response.json["message"]) == (201, "Product created")
    product = response.json["data"]["product"]
    assert product.keys() == {"id", "owner_id", "name", "price", "description", "created_at"}
    assert {name: product[name] for name in LAMP} == LAMP
    assert product["owner_id"] == ann.id
    assert mine(service, ann) == [product]
    assert product in everybodys(service)["products"]


def test_a_product_needs_no_description(service: Service, ann: Account) -> None:
    for sent in ({"name": "Lamp", "price": 1}, {"name": "Lamp", "price": 1, "description": None}):
        response = service.post("/api/products", sent, token=ann.token)
        assert (response.status_code, response.json["data"]["product"]["description"]) == (201, None)


@pytest.mark.parametrize(
    ("sent", "given"),
    [
        (b"19.99", b"19.99"),
        (b'"19.99"', b"19.99"),
        (b"0.29", b"0.29"),
        (b"1000000000", b"1000000000"),
        (b'"999999999.99"', b"999999999.99"),
        (b"0.10", b"0.1"),
        (b"1e2", b"100"),
        (b"-0.0", b"0"),
    ],
)
def test_a_price_comes_back_as_a_number_exactly(service: Service, ann: Account, sent: bytes, given: bytes) -> None:
    body = b'{"name": "Lamp", "price": ' + sent + b"}"
    response = service.send("POST", "/api/products", body=body, content_type="application/json", token=ann.token)
    assert response.status_code == 201
    for shown in (response, service.get("/api/products/my", token=ann.token)):
        assert b'"price":' + given + b"," in shown.data


def test_no_price_is_a_binary_float_in_the_store(service: Service, ann: Account) -> None:
    product = made(service, ann, price="0.29")
    (kept,) = service.store.sample_products.page_of(ann.id, after=None, limit=9)
    assert (kept.id, kept.price) == (product["id"], Decimal("0.29"))
    contents = service.database.contents().decode()
    shown = contents[contents.index(product["id"]) :]
    assert "Decimal128('0.29')" in shown or ",29," in shown.partition("\n")[0]


@pytest.mark.parametrize("price", [0.001, -1, 1000000000.01, True, None, "", "NaN", " 1", "1e2", "\uff11", [], {}])
def test_any_other_price_is_refused_by_name(service: Service, ann: Account, price: object) -> None:
    response = service.post("/api/products", LAMP | {"price": price}, token=ann.token)
    ((field, _),) = refused(response)
    assert field == "price"
    assert mine(service, ann) == []


def test_a_price_beyond_a_double_is_malformed_json(service: Service, ann: Account) -> None:
    body = b'{"name": "Lamp", "price": 1e400}'
    response = service.send("POST", "/api/products", body=body, content_type="application/json", token=ann.token)
    assert (response.status_code, response.json["code"]) == (400, "malformed_json")


def test_all_wrong_fields_are_reported_at_once(service: Service, ann: Account) -> None:
    sent = {"name": "", "price": "x", "description": "x" * 1001, "owner_id": ann.id}
    assert sorted(refused(service.post("/api/products", sent, token=ann.token))) == [
        ("description", "too_long"),
        ("name", "too_short"),
        ("owner_id", "unknown_field"),
        ("price", "invalid_price"),
    ]


def test_a_product_needs_a_token(service: Service) -> None:
    assert service.post("/api/products", LAMP).json["code"] == "missing_token"
    assert service.get("/api/products/my").json["code"] == "missing_token"
    assert service.send("DELETE", f"/api/products/{UNKNOWN}").json["code"] == "missing_token"


def test_users_list_only_their_own_products(service: Service, ann: Account, bob: Account) -> None:
    lamp, chair = made(service, ann), made(service, bob, name="Chair")
    assert (mine(service, ann), mine(service, bob)) == ([lamp], [chair])


def test_the_path_of_the_own_list_is_not_read_as_an_identifier(service: Service, ann: Account) -> None:
    response = service.send("DELETE", "/api/products/my", token=ann.token)
    assert (response.status_code, response.headers["Allow"]) == (405, "GET, HEAD, OPTIONS")


def test_an_owner_deletes_a_product_once(service: Service, ann: Account) -> None:
    product = made(service, ann)
    deleted = service.send("DELETE", f"/api/products/{product['id']}", token=ann.token)
    assert (deleted.status_code, deleted.json["message"]) == (200, "Product deleted")
    assert mine(service, ann) == []
    assert service.send("DELETE", f"/api/products/{product['id']}", token=ann.token).status_code == 404


def test_the_product_of_another_answers_like_a_missing_one(service: Service, ann: Account, bob: Account) -> None:
    lamp = made(service, ann)
    replies = [
        service.send("DELETE", f"/api/products/{identifier}", token=bob.token)
        for identifier in (lamp["id"], UNKNOWN, "x", "mys", "%27", "é" * 300, "019A9D5C-5A3E-7B1A-9F43-6D0C3F1E2B7A")
    ]
    assert {reply.status_code for reply in replies} == {404}
    bodies = [{name: value for name, value in reply.json.items() if name != "request_id"} for reply in replies]
    assert bodies == [bodies[0]] * len(replies)
    assert mine(service, ann) == [lamp]
    administrator = service.administrator()
    assert service.send("DELETE", f"/api/products/{lamp['id']}", token=administrator.token).status_code == 404


def test_the_pages_together_are_the_list_the_oldest_first(service: Service, ann: Account) -> None:
    products = [made(service, ann, name=f"Lamp {number}") for number in range(5)]
    for path, token in (("/api/products/my", ann.token), ("/api/products", None)):
        collected: list[dict[str, Any]] = []
        query = "limit=2"
        while True:
            data = service.get(path, token=token, query=query).json["data"]
            assert len(data["products"]) <= 2
            collected += data["products"]
            if data["next"] is None:
                break
            query = f"limit=2&cursor={data['next']}"
        assert [product for product in collected if product["owner_id"] == ann.id] == products
        assert [product["id"] for product in collected] == sorted({product["id"] for product in collected})


def test_a_page_neither_skips_nor_repeats_when_rows_come_and_go(service: Service, ann: Account, bob: Account) -> None:
    products = [made(service, ann) for _ in range(4)]
    first = service.get("/api/products/my", token=ann.token, query="limit=2").json["data"]
    for product in products[:2]:  # what was shown, and where the next page begins
        service.send("DELETE", f"/api/products/{product['id']}", token=ann.token)
    made(service, bob)
    later = made(service, ann)
    rest = service.get("/api/products/my", token=ann.token, query=f"cursor={first['next']}").json["data"]
    assert first["products"] == products[:2]
    assert rest == {"products": [*products[2:], later], "next": None}


@pytest.mark.parametrize("path", ["/api/products", "/api/products/my"])
@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "cursor=x", "cursor=", f"cursor={UNKNOWN}"])
def test_an_impossible_page_is_refused(service: Service, ann: Account, path: str, query: str) -> None:
    response = service.get(path, token=ann.token, query=query)
    assert [field for field, _ in refused(response)] == [query.partition("=")[0]]


def test_products_that_many_users_add_at_once_are_all_kept(service: Service, ann: Account) -> None:
    def make(number: int) -> int:
        return service.post("/api/products", LAMP | {"name": f"Lamp {number}"}, token=ann.token).status_code

    assert set(service.at_once(make)) == {201}
    assert {product["name"] for product in mine(service, ann)} == {f"Lamp {number}" for number in range(16)}


def test_products_go_with_their_owner(service: Service, ann: Account, bob: Account) -> None:
    lamp, chair = made(service, ann), made(service, bob)
    assert service.send("DELETE", "/auth/me", json={"password": PASSWORD}, token=ann.token).status_code == 200
    identifiers = {product["id"] for product in everybodys(service)["products"]}
    assert lamp["id"] not in identifiers
    assert chair["id"] in identifiers


def test_a_product_that_is_added_while_its_owner_is_deleted_does_not_remain(service: Service) -> None:
    for _ in range(4):
        account = service.register()

        def act(number: int, account: Account = account) -> int:
            if number == 0:
                return service.send("DELETE", "/auth/me", json={"password": PASSWORD}, token=account.token).status_code
            return service.post("/api/products", LAMP, token=account.token).status_code

        statuses = service.at_once(act)
        assert statuses[0] == 200
        assert set(statuses[1:]) <= {201, 401}
        assert service.store.sample_products.page_of(account.id, after=None, limit=99) == []


def test_more_products_than_are_deleted_at_once_go_with_their_owner(
    service: Service, ann: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.platform.pieces.AT_ONCE", 2)
    for _ in range(5):
        made(service, ann)
    service.send("DELETE", "/auth/me", json={"password": PASSWORD}, token=ann.token)
    assert service.store.sample_products.page_of(ann.id, after=None, limit=99) == []


def test_products_are_in_the_export_all_of_them(
    service: Service, ann: Account, bob: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.platform.pieces.EXPORTED_AT_ONCE", 2)
    products = [made(service, ann) for _ in range(5)]
    made(service, bob)
    exported = service.get("/auth/me/export", token=ann.token).json["data"]
    assert exported["products"] == products


def test_an_identifier_is_a_new_uuid_whatever_a_client_sends(service: Service, ann: Account) -> None:
    sent = LAMP | {"id": UNKNOWN, "created_at": "2020-01-01T00:00:00Z"}
    fields = {field for field, _ in refused(service.post("/api/products", sent, token=ann.token))}
    assert fields == {"id", "created_at"}
    assert UUID(made(service, ann)["id"]).version == 7


def test_without_samples_there_are_no_products_and_no_count(service: Service, start: Start, ann: Account) -> None:
    lamp = made(service, ann)
    bare = start(on=service, SAMPLES="off")
    for method, path in (
        ("GET", "/api/products"),
        ("GET", "/api/products/my"),
        ("POST", "/api/products"),
        ("DELETE", f"/api/products/{lamp['id']}"),
        ("GET", "/api/count"),
    ):
        assert bare.send(method, path, token=ann.token).status_code == 404
    document = bare.get("/openapi.json").json
    assert not [path for path in document["paths"] if "products" in path or path == "/api/count"]
    assert not {"products", "visits"} & {tag["name"] for tag in document["tags"]}
    assert bare.get("/api/ping").status_code == 200
    assert bare.get("/auth/me/export", token=ann.token).json["data"]["products"] == [lamp]
    assert bare.send("DELETE", "/auth/me", json={"password": PASSWORD}, token=ann.token).status_code == 200
    assert service.store.sample_products.page_of(ann.id, after=None, limit=9) == []
