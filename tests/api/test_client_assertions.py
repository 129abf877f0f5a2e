"""Clients that sign, in place of a secret: by a key of their own (private_key_jwt), or by the platform they run on."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import jwt
import pytest
from authlib.oauth2.rfc7523 import private_key_jwt_sign
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import RSAKey

from app.oauth.assertions import LIVES, TYPE, WORKLOAD_LIVES, Assertions
from app.oauth.clients.model import Clients, Workload
from app.platform.identifiers import new_id
from app.security.published import RESTS_FOR
from tests.api.oauth_flow import FILES, FORM, SECRET, OAuthClient, a_client, basic, claims, name_resources
from tests.contract.races import THREADS, in_threads
from tests.servers.openid import Provider, serving_provider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.api.service import Account, Reply, Service, Start

ISSUER = "http://localhost:5000"
KEYS: dict[str, Any] = {
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "RS256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}
KEYS["PS256"] = KEYS["RS256"]
SUBJECT = "system:serviceaccount:shop:orders"


def entry(algorithm: str, key: Any = None, **more: Any) -> dict[str, Any]:
    """The public key as a JSON Web Key."""
    made = jwt.get_algorithm_by_name(algorithm).to_jwk((key or KEYS[algorithm]).public_key(), as_dict=True)
    return {name: found for name, found in made.items() if name != "key_ops"} | more


def jwks(*entries: dict[str, Any]) -> str:
    return json.dumps({"keys": list(entries)})


ALL_KEYS = jwks(*(entry(each, kid=each) for each in ("ES256", "RS256", "EdDSA")))


@pytest.fixture(scope="module")
def service(start: Start) -> Service:
    found = start(EGRESS_ALLOW="127.0.0.1")
    name_resources(found)
    return found


@pytest.fixture
def publisher() -> Iterator[Provider]:
    """A server that publishes keys, which nobody has asked before."""
    with serving_provider() as provider:
        yield provider


@pytest.fixture
def robot(service: Service) -> OAuthClient:
    return a_client(service, kind="service", secrets=(), resources=(FILES,), jwks=ALL_KEYS)


def signed(
    client: OAuthClient, algorithm: str = "ES256", *, key: Any = None, header: dict[str, Any] | None = None, **more: Any
) -> str:
    """An assertion of the client; `more` changes claims, `...` leaves one out."""
    now = int(client.service.clock().timestamp())
    usual = {"iss": client.id, "sub": client.id, "aud": ISSUER, "iat": now, "exp": now + 60, "jti": new_id()}
    content = {name: value for name, value in (usual | more).items() if value is not ...}
    headers = {"kid": algorithm} | (header or {})
    # Not `jwt.encode`, which refuses claims of another type.
    headers = {name: value for name, value in headers.items() if value is not ...}
    return jwt.PyJWS().encode(json.dumps(content).encode(), key or KEYS[algorithm], algorithm, headers)


def sent(client: OAuthClient, assertion: str | None, path: str = "/oauth/token", **more: Any) -> Reply:
    """A request by which the client proves itself."""
    usual = {"client_assertion": assertion, "client_assertion_type": TYPE}
    if path == "/oauth/token":
        usual["grant_type"] = "client_credentials"
    given = {name: value for name, value in (usual | more).items() if value is not None}
    headers = given.pop("headers", None)
    return client.service.send("POST", path, body=urlencode(given).encode(), content_type=FORM, headers=headers)


def refused(reply: Reply) -> None:
    assert (reply.status_code, reply.json["error"]) == (401, "invalid_client"), reply.text
    assert reply.json.keys() == {"error", "error_description"}
    assert "WWW-Authenticate" not in reply.headers


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "PS256", "EdDSA"])
@pytest.mark.parametrize("audience", [ISSUER, f"{ISSUER}/oauth/token", [ISSUER]])
def test_a_client_proves_itself_by_what_it_signs(robot: OAuthClient, algorithm: str, audience: Any) -> None:
    header = {"kid": "RS256"} if algorithm == "PS256" else {}
    reply = sent(robot, signed(robot, algorithm, header=header, aud=audience))
    assert reply.status_code == 200, reply.text
    assert claims(reply.json["access_token"])["sub"] == robot.id
    assert sent(robot, signed(robot, algorithm, header=header), client_id=robot.id).status_code == 200


def test_what_authlib_signs_is_taken(service: Service) -> None:
    client = a_client(service, kind="service", secrets=(), jwks=jwks(entry("RS256")))
    pem = KEYS["RS256"].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    service.clock.now = datetime.now(UTC)  # Authlib signs by the system's
    made = private_key_jwt_sign(RSAKey.import_key(pem), client.id, f"{ISSUER}/oauth/token")
    assert sent(client, made).status_code == 200


def test_an_assertion_is_good_once(robot: OAuthClient) -> None:
    assertion = signed(robot)
    assert sent(robot, assertion).status_code == 200
    refused(sent(robot, assertion))
    refused(sent(robot, assertion, "/oauth/introspect", token="x"))
    again = claims(assertion)["jti"]
    refused(sent(robot, signed(robot, "EdDSA", jti=again)))
    other = a_client(robot.service, kind="service", secrets=(), jwks=ALL_KEYS)
    assert sent(other, signed(other, jti=again)).status_code == 200


def test_of_all_that_use_an_assertion_at_once_one_gets_a_token(robot: OAuthClient) -> None:
    assertion = signed(robot)
    replies = in_threads(lambda _: sent(robot, assertion).status_code)
    assert sorted(replies) == [200, *[401] * (THREADS - 1)]


@pytest.mark.parametrize(
    "more",
    [
        {"iss": "x"}, {"iss": ...}, {"iss": 5}, {"sub": "x"}, {"sub": ...}, {"sub": {}}, {"jti": ...}, {"jti": ""},
        {"jti": 5}, {"jti": "x" * 257}, {"exp": ...}, {"exp": None}, {"exp": "soon"}, {"exp": True}, {"exp": -1e300},
        {"exp": 10**30}, {"iat": "x"}, {"nbf": []}, {"aud": ...}, {"aud": []}, {"aud": [5]}, {"aud": {}},
        {"aud": "https://other.example"}, {"aud": [ISSUER, "https://other.example"]}, {"aud": f"{ISSUER}/"},
        {"aud": f"{ISSUER}/auth/me"},
    ],
    ids=str,
)  # fmt: skip
def test_what_another_claim_says_proves_nothing(robot: OAuthClient, more: dict[str, Any]) -> None:
    refused(sent(robot, signed(robot, **more)))
    refused(sent(robot, signed(robot, **more), client_id=robot.id))


def test_the_life_of_an_assertion_is_short(robot: OAuthClient) -> None:
    now, most = int(robot.service.clock().timestamp()), int(LIVES.total_seconds())
    assert sent(robot, signed(robot, exp=now + most)).status_code == 200
    refused(sent(robot, signed(robot, exp=now + most + 60)))
    refused(sent(robot, signed(robot, exp=now - 60)))
    refused(sent(robot, signed(robot, iat=now + 60)))
    refused(sent(robot, signed(robot, nbf=now + 60)))


def test_only_the_keys_of_the_client_prove_it_and_each_by_its_algorithm(service: Service, robot: OAuthClient) -> None:
    stranger = ec.generate_private_key(ec.SECP256R1())
    refused(sent(robot, signed(robot, key=stranger)))
    refused(sent(robot, signed(robot, header={"kid": "none"})))
    refused(sent(robot, signed(robot, header={"kid": ...})))  # of several it has to name one
    refused(sent(robot, signed(robot, header={"kid": "EdDSA"})))
    alone = a_client(service, kind="service", secrets=(), jwks=jwks(entry("ES256")))
    assert sent(alone, signed(alone, header={"kid": ...})).status_code == 200
    for_one = a_client(service, kind="service", secrets=(), jwks=jwks(entry("RS256", alg="PS256")))
    refused(sent(for_one, signed(for_one, "RS256", header={"kid": ...})))
    assert sent(for_one, signed(for_one, "PS256", header={"kid": ...})).status_code == 200
    # Nobody else's, and no secret of anybody's.
    other = a_client(service, kind="service")
    refused(sent(other, signed(other)))
    refused(sent(other, signed(robot), client_id=other.id))
    secret = SECRET + "x" * 20
    forged: tuple[tuple[str, Any], ...] = (("HS256", secret), ("none", None), ("RS384", KEYS["RS256"]))
    for algorithm, key in forged:
        made = jwt.encode(claims(signed(robot)), key, algorithm, headers={"kid": "RS256"})
        refused(sent(robot, made))


def test_what_is_no_assertion_proves_nothing(robot: OAuthClient) -> None:
    token = sent(robot, signed(robot)).json["access_token"]
    for text in ("x", "a.b.c", "..", "🂡", token, signed(robot) + "x", "x" * 9000, "e30.e30.e30"):
        refused(sent(robot, text))
        refused(sent(robot, text, client_id=robot.id))
    for header in ({"crit": ["exp"]}, {"typ": "at+jwt"}, {"typ": "logout+jwt"}):
        refused(sent(robot, signed(robot, header=header)))
    assert sent(robot, signed(robot, header={"typ": "client-authentication+jwt"})).status_code == 200
    refused(sent(robot, None))
    refused(
        sent(robot, signed(robot), client_assertion_type="urn:ietf:params:oauth:client-assertion-type:saml2-bearer")
    )
    refused(sent(robot, signed(robot), client_assertion_type=None))
    refused(sent(robot, signed(robot), client_id=new_id()))
    public = a_client(robot.service, jwks=ALL_KEYS)  # whatever is stored of it
    refused(sent(public, signed(public)))


def test_a_client_proves_itself_in_one_way_at_a_time(service: Service) -> None:
    both = a_client(service, kind="service", jwks=ALL_KEYS)
    assert both.token(grant_type="client_credentials").status_code == 200
    for more in ({"client_id": both.id, "client_secret": SECRET}, {"headers": basic(both.id, SECRET)}):
        reply = sent(both, signed(both), **more)
        assert (reply.status_code, reply.json["error"]) == (400, "invalid_request")


def test_it_does_so_wherever_clients_authenticate(service: Service, robot: OAuthClient) -> None:
    token = sent(robot, signed(robot)).json["access_token"]
    assert sent(robot, signed(robot, aud=f"{ISSUER}/oauth/introspect"), "/oauth/introspect", token=token).json["active"]
    assert sent(robot, signed(robot), "/oauth/revoke", token=token).status_code == 200
    assert not sent(robot, signed(robot), "/oauth/introspect", token=token).json["active"]
    web = a_client(service, kind="confidential", secrets=(), jwks=ALL_KEYS)
    assert sent(web, signed(web), "/oauth/device_authorization").status_code == 200
    request = {name: value for name, value in web.request().items() if name != "client_id"}
    assert (
        sent(web, signed(web, aud=f"{ISSUER}/oauth/par"), "/oauth/par", client_id=web.id, **request).status_code == 201
    )


def test_codes_and_refresh_tokens_are_exchanged_by_it(service: Service) -> None:
    web, ann = a_client(service, kind="confidential", secrets=(), jwks=ALL_KEYS), service.register()

    def proven(**more: Any) -> dict[str, Any]:
        return {"client_secret": None, "client_assertion": signed(web), "client_assertion_type": TYPE} | more

    code = web.code(ann)
    assert web.redeem(code, client_secret=None).status_code == 401
    reply = web.redeem(code, **proven())
    assert reply.status_code == 200, reply.text
    assert web.refresh(reply.json["refresh_token"], **proven()).status_code == 200


def test_a_key_that_is_taken_away_proves_nothing_from_then_on(service: Service) -> None:
    admin = service.administrator()
    body = {"name": "Nightly", "kind": "service", "jwks": {"keys": [entry("ES256", kid="ES256")]}}
    made = service.post("/admin/clients", body, token=admin.token).json["data"]
    assert "client_secret" not in made
    assert made["client"]["jwks"] == body["jwks"]
    assert made["client"]["secrets"] == []
    found = service.wired.get(Clients).find(made["client"]["id"])
    assert found is not None
    client, path = OAuthClient(service, found), f"/admin/clients/{found.id}"
    assert sent(client, signed(client)).status_code == 200
    new = {"jwks": {"keys": [entry("EdDSA", kid="EdDSA")]}}
    assert service.send("PATCH", path, json=new, token=admin.token).status_code == 200
    refused(sent(client, signed(client)))
    assert sent(client, signed(client, "EdDSA")).status_code == 200
    assert service.send("PATCH", path, json={"jwks": None}, token=admin.token).json["data"]["client"]["jwks"] is None
    refused(sent(client, signed(client, "EdDSA")))
    secret = service.post(f"{path}/secrets", {}, token=admin.token).json["data"]["client_secret"]
    assert client.token(grant_type="client_credentials", client_secret=secret).status_code == 200


def wrong(service: Service, admin: Account, **more: Any) -> list[tuple[str, str]]:
    body = {"name": "Nightly", "kind": "service"} | more
    reply = service.post("/admin/clients", body, token=admin.token)
    assert reply.status_code == 422, reply.text
    return [(each["field"], each["code"]) for each in reply.json["errors"]]


def test_keys_are_public_ones_that_can_be_used(service: Service) -> None:
    admin, good = service.administrator(), entry("ES256")
    private = jwt.algorithms.ECAlgorithm.to_jwk(KEYS["ES256"], as_dict=True)
    short = entry("RS256", rsa.generate_private_key(public_exponent=65537, key_size=1024))  # noqa: S505 - refused
    for keys, code in (
        ([private], "private_key"),
        ([{"kty": "oct", "k": "c2VjcmV0"}], "private_key"),
        ([{}], "invalid_key"),
        ([{"kty": "EC", "crv": [], "x": 1, "y": {}}], "invalid_key"),
        ([short], "invalid_key"),
        ([good | {"use": "enc"}], "invalid_key"),
        ([good, good], "invalid_key"),
        ([good | {"note": "x" * 9000}], "too_long"),
        ([], "too_short"),
        ([good | {"kid": str(number)} for number in range(11)], "too_long"),
    ):
        assert wrong(service, admin, jwks={"keys": keys}) == [("jwks.keys", code)], keys
    assert wrong(service, admin, jwks={}) == [("jwks.keys", "required")]
    assert wrong(service, admin, jwks={"keys": [good]}, jwks_uri="https://a.example/keys") == [("jwks_uri", "one_of")]
    assert wrong(service, admin, jwks_uri="https://192.0.2.1/keys") == [("jwks_uri", "refused_url")]
    assert wrong(service, admin, workload={"issuer": "https://10.0.0.1", "subject": "x"}) == [
        ("workload.issuer", "refused_url")
    ]
    app = {"kind": "public", "redirect_uris": []}
    given = {"jwks": {"keys": [good]}, "workload": {"issuer": "https://a.example", "subject": "x"}}
    assert wrong(service, admin, **app, **given) == [("jwks", "public"), ("workload", "public")]


def test_published_keys_are_fetched_and_kept(service: Service, publisher: Provider) -> None:
    robot = a_client(service, kind="service", secrets=(), jwks_uri=f"{publisher.url}/keys")

    def proven(key_id: str) -> Reply:
        return sent(robot, signed(robot, key=publisher.key, header={"kid": key_id}))

    for _ in range(3):
        assert proven("one").status_code == 200
    publisher.key_id = "two"
    assert proven("two").status_code == 200  # a new one is found at once
    for _ in range(3):
        refused(proven("one"))
    assert [path for path, _, _ in publisher.requests] == ["/keys"] * 2


def test_a_publisher_that_does_not_answer_is_503_and_not_asked_again_at_once(
    service: Service, publisher: Provider
) -> None:
    robot = a_client(service, kind="service", secrets=(), jwks_uri=f"{publisher.url}/keys")
    published, now = service.wired.get(Assertions).published.documents, [0.0]
    before: Callable[[], float] = published.clock
    published.clock = lambda: now[0]
    try:
        publisher.is_down = True
        assertion = signed(robot, key=publisher.key, header={"kid": "one"})
        for _ in range(3):
            reply = sent(robot, assertion)
            assert (reply.status_code, reply.json["error"]) == (503, "temporarily_unavailable")
        assert len(publisher.requests) == 1
        publisher.is_down = False
        now[0] = RESTS_FOR
        assert sent(robot, assertion).status_code == 200  # nothing of it was used up
    finally:
        published.clock = before


@pytest.mark.parametrize("published", [[], {"keys": 5}, {"keys": []}, "x"])
def test_what_is_published_and_no_key_set_proves_nothing(
    service: Service, publisher: Provider, published: object
) -> None:
    robot = a_client(service, kind="service", secrets=(), jwks_uri=f"{publisher.url}/keys")
    publisher.published = published or [1]
    for _ in range(3):
        refused(sent(robot, signed(robot, key=publisher.key, header={"kid": "one"})))
    assert len(publisher.requests) <= 2  # whoever sends what they like has nobody asked as often
    inside = a_client(service, kind="service", secrets=(), jwks_uri="http://10.0.0.1/keys")
    refused(sent(inside, signed(inside)))


@pytest.fixture
def pod(service: Service, publisher: Provider) -> OAuthClient:
    workload = Workload(publisher.url, SUBJECT)
    return a_client(service, kind="service", secrets=(), resources=(FILES,), workload=workload)


def platform_token(pod: OAuthClient, publisher: Provider, **more: Any) -> str:
    """A token that the platform gives to the workload, as Kubernetes does: the same one for an hour."""
    now = int(pod.service.clock().timestamp())
    usual = {"iss": publisher.url, "sub": SUBJECT, "aud": [ISSUER], "iat": now, "nbf": now, "exp": now + 3600}
    content = {name: value for name, value in (usual | more).items() if value is not ...}
    return jwt.encode(content, publisher.key, "ES256", headers={"kid": publisher.key_id})


def test_a_workload_proves_itself_by_the_token_of_its_platform(pod: OAuthClient, publisher: Provider) -> None:
    token = platform_token(pod, publisher)
    for _ in range(2):  # its platform gives it no other one for each request
        reply = sent(pod, token, client_id=pod.id)
        assert reply.status_code == 200, reply.text
        assert claims(reply.json["access_token"])["sub"] == pod.id
    paths = [path for path, _, _ in publisher.requests]
    assert paths == ["/.well-known/openid-configuration", "/keys"]
    pod.service.clock.advance(3600 + 60)
    refused(sent(pod, token, client_id=pod.id))


@pytest.mark.parametrize(
    "more",
    [
        {"sub": f"{SUBJECT}2"}, {"sub": "system:serviceaccount:shop:*"}, {"sub": ...}, {"sub": SUBJECT.upper()},
        {"iss": "https://other.example"}, {"iss": ...}, {"aud": "https://kubernetes.default.svc"}, {"aud": ...},
        {"aud": [ISSUER, "https://kubernetes.default.svc"]}, {"aud": f"{ISSUER}/oauth/token"}, {"exp": ...},
    ],
    ids=str,
)  # fmt: skip
def test_another_workload_of_the_platform_proves_nothing(
    pod: OAuthClient, publisher: Provider, more: dict[str, Any]
) -> None:
    refused(sent(pod, platform_token(pod, publisher, **more), client_id=pod.id))


def test_a_platform_proves_no_client_but_its_own_and_names_none_itself(
    service: Service, pod: OAuthClient, publisher: Provider
) -> None:
    token = platform_token(pod, publisher)
    refused(sent(pod, token))  # which client it is, is not in it
    other = a_client(service, kind="service", secrets=(), jwks_uri=f"{publisher.url}/keys")
    refused(sent(other, token, client_id=other.id))
    elsewhere = a_client(service, kind="service", secrets=(), workload=Workload(publisher.url, SUBJECT, "shop"))
    refused(sent(elsewhere, token, client_id=elsewhere.id))
    assert sent(elsewhere, platform_token(pod, publisher, aud="shop"), client_id=elsewhere.id).status_code == 200
    # A key of the platform does not sign in the client's own name.
    refused(sent(pod, signed(pod, key=publisher.key, header={"kid": "one"})))
    now = int(service.clock().timestamp())
    long = platform_token(pod, publisher, exp=now + int(WORKLOAD_LIVES.total_seconds()) + 60)
    refused(sent(pod, long, client_id=pod.id))


@pytest.mark.parametrize(
    "metadata", [{"issuer": "https://other.example"}, {"jwks_uri": None}, {"jwks_uri": "http://10.0.0.1/keys"}], ids=str
)
def test_the_metadata_of_another_issuer_is_not_believed(
    pod: OAuthClient, publisher: Provider, metadata: dict[str, Any]
) -> None:
    publisher.metadata = metadata
    for _ in range(3):
        refused(sent(pod, platform_token(pod, publisher), client_id=pod.id))
    assert len(publisher.requests) == 1


def test_a_workload_is_given_and_taken_by_an_administrator(service: Service, publisher: Provider) -> None:
    admin = service.administrator()
    workload = {"issuer": publisher.url, "subject": SUBJECT}
    body = {"name": "Orders", "kind": "service", "workload": workload}
    made = service.post("/admin/clients", body, token=admin.token).json["data"]
    assert "client_secret" not in made
    assert made["client"]["workload"] == workload | {"audience": None}
    found = service.wired.get(Clients).find(made["client"]["id"])
    assert found is not None
    pod = OAuthClient(service, found)
    assert sent(pod, platform_token(pod, publisher), client_id=pod.id).status_code == 200
    changes = {"workload": workload | {"subject": "another"}}
    assert service.send("PATCH", f"/admin/clients/{pod.id}", json=changes, token=admin.token).status_code == 200
    refused(sent(pod, platform_token(pod, publisher), client_id=pod.id))


def test_a_client_registers_itself_with_its_keys(service: Service, publisher: Provider) -> None:
    admin = service.administrator()
    uses = service.post("/admin/registration-tokens", {"uses": 20}, token=admin.token).json["data"]["token"]

    def registered(**more: Any) -> Reply:
        body = {"redirect_uris": ["https://shop.example/cb"], "token_endpoint_auth_method": "private_key_jwt"} | more
        return service.post("/oauth/register", body, token=uses)

    keys = {"keys": [entry("ES256", kid="ES256")]}
    reply = registered(jwks=keys)
    assert reply.status_code == 201, reply.text
    assert (reply.json["token_endpoint_auth_method"], reply.json["jwks"]) == ("private_key_jwt", keys)
    assert "client_secret" not in reply.json
    found = service.wired.get(Clients).find(reply.json["client_id"])
    assert found is not None
    client = OAuthClient(service, found)
    assert sent(client, signed(client)).status_code == 200
    by_uri = registered(jwks_uri=f"{publisher.url}/keys").json
    assert by_uri["jwks_uri"] == f"{publisher.url}/keys"
    assert "jwks" not in by_uri
    wrong_ones: tuple[dict[str, Any], ...] = (
        {}, {"jwks": keys, "jwks_uri": f"{publisher.url}/keys"}, {"jwks": {"keys": [{}]}}, {"jwks": 5},
        {"jwks_uri": "http://10.0.0.1/keys"}, {"jwks_uri": 5},
    )  # fmt: skip
    for more in wrong_ones:
        bad = registered(**more)
        assert (bad.status_code, bad.json["error"]) == (400, "invalid_client_metadata"), more
    # What there is no use for here is left out, as RFC 7591 has it.
    other = registered(token_endpoint_auth_method="client_secret_basic", jwks=keys)
    assert other.status_code == 201
    assert "jwks" not in other.json
    assert "client_secret" in other.json


def test_why_an_assertion_would_be_refused_is_explained_and_it_is_not_used_up(
    service: Service, robot: OAuthClient
) -> None:
    admin = service.administrator()

    def told(assertion: str, **more: Any) -> dict[str, Any]:
        request = {"grant_type": "client_credentials", "client_assertion": assertion, "client_assertion_type": TYPE}
        reply = service.post("/admin/clients/explain", {"token_request": request | more}, token=admin.token)
        found: dict[str, Any] = reply.json["data"]
        return found

    assertion = signed(robot)
    assert told(assertion)["accepted"]
    assert sent(robot, assertion).status_code == 200
    late = told(signed(robot, exp=1))
    assert (late["accepted"], late["reason"]) == (False, "client_assertion")
    assert late["detail"].endswith("It has expired.")
    assert told(signed(robot, aud="https://other.example"))["detail"].endswith("or not that alone.")
    assert told(signed(robot), client_secret=SECRET)["reason"] == "client_secret"


def test_discovery_says_so(service: Service) -> None:
    found = service.get("/.well-known/oauth-authorization-server").json
    for endpoint in ("token", "revocation", "introspection"):
        assert "private_key_jwt" in found[f"{endpoint}_endpoint_auth_methods_supported"]
        algorithms = found[f"{endpoint}_endpoint_auth_signing_alg_values_supported"]
        assert algorithms == ["ES256", "RS256", "PS256", "EdDSA"]
