"""What is different at Google, GitHub, Microsoft and Apple."""

import base64
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from app.platform.failure import StartError
from app.security.published import KEPT_FOR
from app.social.providers_file import read_providers
from tests.api.providers import APP, Browser, Files, code_of, later, told
from tests.api.service import Service, Start, new_names
from tests.servers.openid import TENANT, Provider

pytestmark = pytest.mark.usefixtures("upstream_as_usual")
KEY = ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="module")
def service(start: Start, files: Files, upstream: Provider) -> Service:
    pem = files.folder / "apple.p8"
    pem.write_bytes(KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    apple: dict[str, Any] = {"team_id": "TEAM000001", "key_id": "KEY0000001", "private_key_file": str(pem)}
    apple_client: dict[str, Any] = {
        "id": "apple",
        "kind": "apple",
        "issuer": upstream.url,
        "client_id": "com.example.web",
        **apple,
    }
    return start(
        EGRESS_ALLOW="127.0.0.1",
        CORS_ORIGINS=APP,
        TRUST_UPSTREAM_MFA="on",
        PROVIDERS_FILE=files.of(
            files.provider("google", kind="google"),
            files.provider("github", kind="github"),
            files.provider("microsoft", kind="microsoft", issuer=f"{upstream.url}/common/v2.0"),
            apple_client,
        ),
    )


@pytest.fixture
def browser(service: Service, upstream: Provider) -> Browser:
    return Browser(service, upstream)


def email_of(browser: Browser, provider: str, **user: Any) -> str | None:
    """The proven address of somebody new."""
    reply = browser.log_in(provider, **user)
    assert reply.status_code == 200, reply.text
    found: str | None = reply.json["data"]["user"]["email"]
    return found


def test_each_kind_has_its_name(service: Service) -> None:
    found = service.get("/auth/providers").json["data"]["providers"]
    assert [each["name"] for each in found] == ["Google", "GitHub", "Microsoft", "Apple"]


def test_google_is_believed_for_its_own_addresses_and_hosted_domains_alone(browser: Browser, sub: str) -> None:
    cases: list[tuple[str, dict[str, Any], bool]] = [
        (f"{sub}@gmail.com", {}, True),
        (f"{sub}@example.com", {}, False),
        (f"{sub}-2@example.com", {"hd": "example.com"}, True),
        (f"{sub}-3@example.com", {"hd": ""}, False),
        (f"{sub}.4@gmail.com", {"email_verified": False}, False),
    ]
    for number, (email, more, proven) in enumerate(cases):
        user = {"sub": f"{sub}-{number}", "email": email, "email_verified": True, **more}
        assert email_of(browser, "google", **user) == (email if proven else None)


def _as_microsoft(browser: Browser) -> None:
    browser.upstream.metadata = {"issuer": f"{browser.upstream.url}/{{tenantid}}/v2.0"}


def test_microsofts_address_is_no_proof_unless_the_domain_is_verified(browser: Browser, sub: str) -> None:
    _as_microsoft(browser)
    claims = {"tid": TENANT, "email": f"{sub}@example.com", "email_verified": True}
    assert email_of(browser, "microsoft", sub=sub, **claims) is None
    assert email_of(browser, "microsoft", sub=f"{sub}-2", xms_edov=True, **claims) == f"{sub}@example.com"


def test_an_issuer_of_microsoft_is_that_of_the_users_tenant(browser: Browser, sub: str) -> None:
    _as_microsoft(browser)
    other = "11111111-1111-4111-8111-111111111111"
    for tenant in (other, None, 5, "{tenantid}", "x"):
        answer = browser.upstream.log_in(browser.start("microsoft"), sub=sub, tid=tenant)
        assert told(browser.back("microsoft", answer)) == {"error": "provider_refused"}
    token = browser.log_in("microsoft", sub=sub, tid=TENANT).json["data"]["access_token"]
    (identity,) = browser.service.get("/auth/identities", token=token).json["data"]["identities"]
    assert identity["issuer"] == f"{browser.upstream.url}/{TENANT}/v2.0"


def test_a_key_of_microsoft_signs_for_its_own_tenants_alone(browser: Browser, sub: str) -> None:
    _as_microsoft(browser)
    other = "11111111-1111-4111-8111-111111111111"
    for tenant, signs in (("{tenantid}", True), (TENANT, True), (other, False)):
        browser.upstream.key_issuer = f"{browser.upstream.url}/{tenant}/v2.0"
        later(browser.service, KEPT_FOR)
        answer = browser.upstream.log_in(browser.start("microsoft"), sub=sub, tid=TENANT)
        assert ("code" in told(browser.back("microsoft", answer))) == signs
    later(browser.service, KEPT_FOR)


def test_github_says_who_it_is_by_number_and_proves_the_primary_address(browser: Browser) -> None:
    number = 583231
    browser.upstream.emails = [
        {"email": "other@example.com", "primary": False, "verified": True},
        {"email": "octocat@example.com", "primary": True, "verified": True},
    ]
    reply = browser.log_in("github", id=number, login="octocat", name="Mona", email="public@example.com")
    assert reply.json["data"]["user"]["email"] == "octocat@example.com"
    assert reply.json["data"]["user"]["name"] == "Mona"
    again = browser.log_in("github", id=number, login="renamed")
    assert again.json["data"]["user"]["id"] == reply.json["data"]["user"]["id"]
    other = browser.log_in("github", id=number + 1, login="octocat")  # who took the name that was given up
    assert code_of(other) == (409, "identity_not_linked")


@pytest.mark.parametrize(
    "emails",
    [
        [{"email": "x@example.com", "primary": True, "verified": False}],
        [{"email": "x@example.com", "primary": False, "verified": True}],
        [{"primary": True, "verified": True}], None, {}, [5], "x",
    ],
)  # fmt: skip
def test_github_proves_nothing_else(browser: Browser, emails: object) -> None:
    browser.upstream.emails = emails
    number = int(new_names()[1].removeprefix("name")) + 10**6
    assert email_of(browser, "github", id=number) is None


@pytest.mark.parametrize("user", [{"id": "1"}, {"id": True}, {"id": 0}, {"id": None}, {"login": "octocat"}])
def test_a_github_user_without_a_number_is_nobody(browser: Browser, user: dict[str, Any]) -> None:
    answer = browser.upstream.log_in(browser.start("github"), **user)
    assert told(browser.back("github", answer)) == {"error": "provider_refused"}


def test_a_refusal_of_github_comes_with_the_status_200(browser: Browser) -> None:
    answer = browser.upstream.log_in(browser.start("github"), id=1)
    assert told(browser.back("github", {**answer, "code": "wrong"})) == {"error": "provider_refused"}


def posted(browser: Browser, answer: dict[str, str]) -> str:
    """Where a browser is sent that posts Apple's form: without our cookie, which is not sent with posts from there."""
    reply = browser.service.send(
        "POST",
        "/auth/providers/apple/callback",
        body=urlencode(answer).encode(),
        content_type="application/x-www-form-urlencoded",
        headers={"Origin": "https://appleid.apple.com", "Sec-Fetch-Site": "cross-site"},
    )
    assert reply.status_code == 303, reply.text
    location: str = reply.headers["Location"]
    assert "code" not in parse_qs(urlsplit(location).query)
    return location


def test_apples_form_is_kept_and_taken_up_with_the_cookie(browser: Browser, sub: str) -> None:
    url = browser.start("apple")
    assert parse_qs(urlsplit(url).query)["response_mode"] == ["form_post"]
    email = f"{sub}@privaterelay.appleid.com"
    answer = browser.upstream.log_in(url, sub=sub, email=email, email_verified="true")
    name = '{"name": {"firstName": "Ann", "lastName": "Example"}, "email": "evil@example.com"}'
    location = posted(browser, {**answer, "user": name})
    assert location == f"callback?state={answer['state']}"
    stranger = Browser(browser.service, browser.upstream)
    assert stranger.back("apple", {"state": answer["state"]}).status_code == 422
    code = told(browser.back("apple", {"state": answer["state"], "code": "ignored"}))["code"]
    user = browser.finish(code).json["data"]["user"]
    assert (user["email"], user["name"]) == (email, "Ann Example")


@pytest.mark.parametrize("user", ["", "{", "[]", '{"name": 5}', '{"name": {"firstName": 5}}', "x" * 9000, "[" * 9000])
def test_apples_name_can_be_anything(browser: Browser, sub: str, user: str) -> None:
    answer = browser.upstream.log_in(browser.start("apple"), sub=sub)
    posted(browser, {**answer, "user": user})
    code = told(browser.back("apple", {"state": answer["state"]}))["code"]
    assert browser.finish(code).json["data"]["user"]["name"] is None


def test_a_refusal_that_apple_posts_goes_back_to_the_application(browser: Browser) -> None:
    state = parse_qs(urlsplit(browser.start("apple")).query)["state"][0]
    posted(browser, {"state": state, "error": "user_cancelled_authorize"})
    assert told(browser.back("apple", {"state": state})) == {"error": "access_denied"}


def test_apples_client_secret_is_a_token_that_its_key_signs(browser: Browser, sub: str) -> None:
    browser.log_in("apple", sub=sub)
    form = next(form for path, _, form in reversed(browser.upstream.requests) if path == "/token")
    public = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    secret = jwt.decode(
        form["client_secret"] if "client_secret" in form else _basic(browser), public, algorithms=["ES256"],
        audience=browser.upstream.url, options={"verify_exp": False, "verify_iat": False},
    )  # fmt: skip
    assert (secret["iss"], secret["sub"], secret["exp"] - secret["iat"]) == ("TEAM000001", "com.example.web", 300)


def _basic(browser: Browser) -> str:
    headers = next(headers for path, headers, _ in reversed(browser.upstream.requests) if path == "/token")
    return base64.b64decode(headers["authorization"].removeprefix("Basic ")).decode().partition(":")[2]


def test_two_factors_at_the_provider_count_if_the_operator_says_so(browser: Browser, sub: str) -> None:
    for amr, acr in (
        (["pwd", "mfa"], "urn:latchkey:aal2"),
        (["pwd"], "urn:latchkey:aal1"),
        ("mfa", "urn:latchkey:aal1"),
    ):
        token = browser.log_in("google", sub=sub, amr=amr).json["data"]["access_token"]
        assert jwt.decode(token, options={"verify_signature": False})["acr"] == acr


# The file


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("{", "not YAML"),
        ("- id: a\n", "begin with `providers:`"),
        ("- 1", "the file"),
        ("providers: 5", "the file"),
        ("providers: [{id: A, client_id: x, issuer: 'https://a.example'}]", "provider 1, id"),
        ("providers: [{id: a, client_id: x}]", "provider 1, issuer"),
        ("providers: [{id: a, client_id: x, issuer: 'ftp://a.example'}]", "has to begin with https://"),
        ("providers: [{id: a, client_id: x, issuer: 'https://a.example/?x'}]", "query"),
        ("providers: [{id: a, kind: google, client_id: x}]", "client_secret"),
        ("providers: [{id: a, kind: apple, client_id: x}]", "team_id, key_id and private_key_file"),
        ("providers: [{id: a, kind: x, client_id: x}]", "kind"),
        ("providers: [{id: a, client_id: x, issuer: 'https://a.example', more: 1}]", "provider 1, more"),
        ("providers: [{id: a, kind: google, client_id: x, client_secret_file: /none}]", "cannot be read"),
        (
            "providers: [{id: A, client_id: x, issuer: 'ftp://a.example'}, {id: b, kind: google}]",
            "; provider 1, issuer: has to begin with https://; provider 2, client_id: ",
        ),
        (
            "providers: [&one {id: a, kind: google, client_id: x, client_secret_file: /none}, {<<: *one, id: b}]",
            "cannot be read (No such file or directory); b: client_secret_file cannot be read",
        ),
        (
            "providers: [&one {id: a, kind: google, client_id: x, client_secret: y}, *one]",
            "a: two providers have this id",
        ),
    ],
)
def test_a_wrong_file_stops_the_start_and_says_where(tmp_path: Path, text: str, wrong: str) -> None:
    path = tmp_path / "providers.yaml"
    path.write_text(text)
    with pytest.raises(StartError, match=r"^PROVIDERS_FILE: ") as error:
        read_providers(path)
    assert wrong in str(error.value)
    assert "\n" not in str(error.value)
    with pytest.raises(StartError, match="cannot be read"):
        read_providers(tmp_path / "none")


def test_a_secret_may_lie_in_a_file_of_its_own_and_is_shown_nowhere(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    path = tmp_path / "providers.yaml"
    path.write_text(f"providers: [{{id: a, kind: google, client_id: x, client_secret_file: {tmp_path / 'secret'}}}]")
    found = read_providers(path)["a"]
    assert found.client_secret == "s3cret"
    assert "s3cret" not in repr(found)
    assert found.trusts_email
