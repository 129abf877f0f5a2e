"""Under which names the service answers, and whom it believes about where a request comes from."""

import re

import pytest

from app.outbox.service import Outbox
from tests.api.service import PASSWORD, Service, Start, new_names

PROXIES = "10.0.0.0/8,192.0.2.7,2001:db8::/32"
FORGED = {
    "HTTP_X_FORWARDED_FOR": "203.0.113.9",
    "HTTP_X_REAL_IP": "203.0.113.9",
    "HTTP_FORWARDED": "for=203.0.113.9;host=evil.example;proto=https",
    "HTTP_X_FORWARDED_HOST": "evil.example",
    "HTTP_X_FORWARDED_PROTO": "https",
    "HTTP_X_FORWARDED_PORT": "1",
    "HTTP_X_FORWARDED_PREFIX": "/evil",
    "HTTP_X_ORIGINAL_URL": "/health",
    "HTTP_X_REWRITE_URL": "/health",
    "HTTP_CLIENT_IP": "203.0.113.9",
    "HTTP_TRUE_CLIENT_IP": "203.0.113.9",
    "HTTP_CF_CONNECTING_IP": "203.0.113.9",
}


@pytest.fixture(scope="module")
def named(start: Start) -> Service:
    """An instance that answers under few names."""
    return start(ALLOWED_HOSTS="auth.example.com,.internal.example,192.0.2.1,[2001:db8::1]")


@pytest.fixture(scope="module")
def behind(start: Start) -> Service:
    """An instance behind proxies."""
    return start(TRUSTED_PROXIES=PROXIES)


def client_of(service: Service, peer: str, forwarded_for: str | None = None, **headers: str) -> str:
    """The address that a login is taken to come from."""
    environ = {"REMOTE_ADDR": peer, **headers}
    if forwarded_for is not None:
        environ["HTTP_X_FORWARDED_FOR"] = forwarded_for
    body = {"email": new_names()[0], "password": PASSWORD}
    response = service.post("/auth/register", body, environ=environ)
    (session,) = service.database.sessions_of(response.json["data"]["user"]["id"])
    return session.ip


@pytest.mark.parametrize(
    "host",
    ["auth.example.com", "AUTH.example.COM", "auth.example.com:8080", "auth.example.com.", "a.internal.example",
     "b.a.internal.example:80", "192.0.2.1", "192.0.2.1:5000", "[2001:db8::1]", "[2001:db8::1]:5000"],
)  # fmt: skip
def test_the_allowed_names_are_answered(named: Service, host: str) -> None:
    assert named.get("/auth/me", environ={"HTTP_HOST": host}).json["code"] == "missing_token"


@pytest.mark.parametrize(
    "host",
    ["evil.example", "auth.example.com.evil.example", "xauth.example.com", "example.com", "",
     "auth.example.com@evil.example",
     "evil.example:auth.example.com", "auth.example.com, evil.example", "auth.example.com:80:80", "auth.example.com:x",
     "auth.example.com/", "auth.example.com\n", " auth.example.com", "auth example.com", "xinternal.example",
     "127.0.0.1", "localhost", "[::1]", "2001:db8::1", "auth.example.com:", "äuth.example.com", "*", "..", "\u0000",
     "auth.example.com\\@evil.example", "auth.example.com#", "x" * 10_000],
)  # fmt: skip
def test_any_other_name_is_refused(named: Service, host: str) -> None:
    for path in ("/auth/me", "/", "/openapi.json", "/nope", "/.well-known/jwks.json", "/errors/invalid_host"):
        response = named.get(path, environ={"HTTP_HOST": host})
        assert (response.status_code, response.json["code"]) == (400, "invalid_host"), path
    assert named.send("OPTIONS", "/auth/me", environ={"HTTP_HOST": host}).status_code == 400
    assert named.login("ann", environ={"HTTP_HOST": host}).json["code"] == "invalid_host"


def test_every_endpoint_and_page_but_probes_and_metrics_refuses_any_other_name(named: Service) -> None:
    answered = set()
    for rule in named.app.url_map.iter_rules():
        path = re.sub(r"<[^>]+>", "x", rule.rule)
        for method in rule.methods or ():
            if named.send(method, path, headers={"Host": "evil.example"}).status_code != 400:
                answered.add(path)
    assert answered == {"/health", "/auth/health", "/health/live", "/health/ready", "/api/ping", "/metrics"}


@pytest.mark.parametrize("path", ["/health", "/auth/health", "/health/live", "/health/ready", "/api/ping"])
def test_health_checks_are_answered_under_any_name(named: Service, path: str) -> None:
    for host in ("evil.example", "", "10.0.0.1:5000", "a b"):
        for method in ("GET", "HEAD"):
            assert named.send(method, path, environ={"HTTP_HOST": host}).status_code == 200


def test_the_name_of_a_forwarding_header_is_ignored(named: Service) -> None:
    good = {"HTTP_HOST": "auth.example.com"}
    assert named.get("/auth/me", environ=FORGED | good).json["code"] == "missing_token"
    bad = {
        "HTTP_HOST": "evil.example",
        "HTTP_X_FORWARDED_HOST": "auth.example.com",
        "HTTP_FORWARDED": "host=auth.example.com",
    }
    assert named.get("/auth/me", environ=bad).json["code"] == "invalid_host"


@pytest.mark.parametrize(
    "host", ["", "a b", "[::1", "x:y:z", "é", "\u0000", "x" * 10_000, "localhost:99999999", "@", ":"]
)
def test_where_any_name_is_allowed_a_malformed_one_is_not_a_fault(service: Service, host: str) -> None:
    for path in ("/auth/me", "/", "/health", "/nope"):
        assert service.get(path, environ={"HTTP_HOST": host}).status_code < 500


def test_production_answers_only_under_the_host_of_the_public_address(start: Start) -> None:
    service = start(FLASK_ENV="production", BCRYPT_COST="12", PUBLIC_URL="https://auth.example.com:8443")
    assert service.get("/auth/me", headers={"Host": "auth.example.com:8443"}).status_code == 401
    assert service.get("/auth/me", headers={"Host": "localhost"}).json["code"] == "invalid_host"
    assert service.get("/health", headers={"Host": "localhost"}).status_code == 200


@pytest.mark.parametrize("public_url", ["", "http://localhost:8000", "http://127.0.0.1:5000", "http://[::1]:5000"])
def test_production_on_this_machine_alone_answers_under_each_name_of_it_and_no_other(
    start: Start, public_url: str
) -> None:
    service = start(FLASK_ENV="production", BCRYPT_COST="12", PUBLIC_URL=public_url)
    for host in ("localhost", "localhost:5000", "127.0.0.1", "127.0.0.1:8000", "[::1]", "[::1]:5000"):
        assert service.get("/auth/me", headers={"Host": host}).status_code == 401
    for host in ("127.0.0.2", "localhost.example.com", "[::2]", "example.com"):
        assert service.get("/auth/me", headers={"Host": host}).json["code"] == "invalid_host"


@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "10.0.0.1", "198.51.100.1"])
def test_without_trusted_proxies_the_peer_is_the_client(service: Service, peer: str) -> None:
    assert client_of(service, peer, **FORGED) == peer


def test_a_peer_that_is_not_a_trusted_proxy_is_not_believed(behind: Service) -> None:
    for peer in ("198.51.100.1", "127.0.0.1", "::1", "192.0.2.8", "11.0.0.1", "2001:db9::1"):
        assert client_of(behind, peer, **FORGED) == peer


@pytest.mark.parametrize(
    ("forwarded_for", "client"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db9::9", "2001:db9::9"),
        ("203.0.113.9, 10.0.0.2", "203.0.113.9"),
        ("203.0.113.9,10.0.0.2 , 192.0.2.7,2001:db8::5", "203.0.113.9"),
        # The last stranger may have written what stands before their own address.
        ("1.2.3.4, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.5, 203.0.113.9", "203.0.113.9"),
        ("127.0.0.1, 10.0.0.5, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
        # All addresses of the chain are proxies: the first one is the client itself.
        ("10.0.0.5, 10.0.0.2", "10.0.0.5"),
        # Anything but an address ends the chain.
        ("", "10.0.0.1"),
        (" ", "10.0.0.1"),
        ("unknown", "10.0.0.1"),
        ("203.0.113.9, unknown", "10.0.0.1"),
        ("203.0.113.9, unknown, 10.0.0.2", "10.0.0.2"),
        ("203.0.113.9, 10.0.0.2,", "203.0.113.9"),
        ("<script>", "10.0.0.1"),
        ("203.0.113.9:4711", "203.0.113.9"),
        ("[2001:db9::9]:4711, 10.0.0.2:80", "2001:db9::9"),
        ("203.0.113.300", "10.0.0.1"),
        (",".join(["203.0.113.9"] * 5000), "203.0.113.9"),
    ],
)  # fmt: skip
def test_the_client_is_the_last_address_that_is_not_a_trusted_proxy(
    behind: Service, forwarded_for: str, client: str
) -> None:
    assert client_of(behind, "10.0.0.1", forwarded_for) == client


def test_other_headers_are_not_believed_even_from_a_trusted_proxy(behind: Service) -> None:
    others = {name: value for name, value in FORGED.items() if name not in {"HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED"}}
    assert client_of(behind, "10.0.0.1", **others) == "10.0.0.1"
    assert client_of(behind, "10.0.0.1", "203.0.113.77", **others) == "203.0.113.77"


def test_forwarded_names_the_client_where_a_trusted_proxy_sends_nothing_else(behind: Service) -> None:
    header = {"HTTP_FORWARDED": 'for=198.51.100.1, for="[2001:db9::9]:4711";proto=https'}
    assert client_of(behind, "10.0.0.1", **header) == "2001:db9::9"
    assert client_of(behind, "10.0.0.1", "203.0.113.77", **header) == "203.0.113.77"
    assert client_of(behind, "198.51.100.1", **header) == "198.51.100.1"


def test_links_in_mails_begin_with_the_public_address_whatever_the_host_is(start: Start) -> None:
    service = start(PUBLIC_URL="https://auth.example.com")
    evil = FORGED | {"HTTP_HOST": "evil.example", "HTTP_ORIGIN": "https://evil.example"}
    email, username = new_names()
    body = {"email": email, "username": username, "password": PASSWORD}
    token = service.post("/auth/register", body, environ=evil).json["data"]["access_token"]
    service.post("/auth/password/forgot", {"email": email}, environ=evil)
    change = {"email": new_names()[0], "password": PASSWORD}
    service.post("/auth/email", change, token=token, environ=evil)
    service.wired.get(Outbox).deliver_due()
    mails = service.sent_mails()
    assert {mail.to for mail in mails} == {email, change["email"]}
    for mail in mails:
        assert "evil" not in mail.text + mail.html
        links = re.findall(r"https?://[^\s\"'<>]+", mail.text + mail.html)
        assert links
        assert all(link.startswith("https://auth.example.com") for link in links), links


def test_no_forwarding_header_changes_a_reply(behind: Service) -> None:
    for peer in ("198.51.100.1", "10.0.0.1"):
        for path in ("/auth/me", "/", "/swagger/", "/openapi.json", "/errors/not_found", "/nope"):
            plain = behind.get(path, environ={"REMOTE_ADDR": peer})
            forged = behind.get(path, environ=FORGED | {"REMOTE_ADDR": peer})
            assert "evil" not in forged.text
            assert forged.status_code == plain.status_code
            assert list(forged.headers.keys()) == list(plain.headers.keys())


def test_a_peer_without_an_address_is_not_a_fault(behind: Service) -> None:
    assert client_of(behind, "", **FORGED) == ""


def test_the_device_of_a_session_is_what_the_client_called_itself(service: Service) -> None:
    body = {"email": new_names()[0], "password": PASSWORD}
    for agent in ("curl/8.5", "x" * 5000, "Mozilla é 😀".encode().decode("latin-1"), "a\tb", ""):
        account = service.post(
            "/auth/register" if agent == "curl/8.5" else "/auth/login", body, environ={"HTTP_USER_AGENT": agent}
        )
        kept = service.database.sessions_of(account.json["data"]["user"]["id"])[-1].user_agent
        assert kept == agent[:512]
