"""What a fuzzer gives bytes to: everything that reads what strangers send before anybody knows who they are.

Each target takes any bytes. It fails (AssertionError, or any error that the code does not declare) when the code does
something else than to refuse them or to read them in their only form.
"""

from __future__ import annotations

import json
import math
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from flask import Request
from jwt.api_jws import PyJWS
from werkzeug.test import EnvironBuilder

from app.accounts.fields import InputRules
from app.accounts.inputs import Register
from app.api_keys import key_format
from app.keys.keyring import SigningKey
from app.oauth.catalogue.model import Resource
from app.oauth.catalogue.service import CatalogueOf
from app.oauth.cimd import read_document_url
from app.oauth.client_documents.inputs import read_document
from app.oauth.client_documents.model import InvalidDocumentError
from app.oauth.clients.model import Client
from app.oauth.clients.redirect_uris import LOOPBACK, check_redirect_uri, is_same_redirect
from app.oauth.parameters import (
    challenge_of,
    max_age_of,
    narrowed_to,
    prompts_of,
    redirect_of,
    resources_of,
    scopes_of,
    short_value_of,
)
from app.oauth.refusal import RefusedError, answered_at
from app.platform.errors import Failure, MalformedJson
from app.platform.strict_json import DEEPEST, parse_json
from app.roles.inputs import CreateRole
from app.security.secret_keys import SecretKeys
from app.sessions import refresh_tokens
from app.sessions.access_tokens import TYPE, AccessTokens
from app.sessions.claims import RefusedTokenError
from app.sessions.explain import ExplainService
from app.sessions.inputs import Login
from app.throttle.device_tokens import DeviceTokens, Trust
from app.web.body import read_body, read_query
from app.web.cursors import cursor_at, cursor_behind, identifier_of, place_at
from app.web.paging import Page
from app.web.parameters import Parameters, parse_parameters, read_parameters
from app.webhooks.inputs import CreateWebhook

if TYPE_CHECKING:
    from collections.abc import Callable

    Target = Callable[[bytes], None]

_NOW: Final = datetime(2026, 1, 31, 12, tzinfo=UTC)
_SOMEBODY: Final = "019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7a"
_KEY: Final = SigningKey("k1", "HS256", _NOW, b"k" * 32, b"k" * 32)
_HEADER: Final = {"typ": TYPE, "kid": _KEY.kid}
_CLAIMS: Final[dict[str, Any]] = {
    "iss": "me", "aud": "me", "sub": "ann", "sid": "s1", "client_id": "x", "iat": 1, "exp": 9e9, "jti": "j",
}  # fmt: skip
_CLIENT_URL: Final = "https://client.example/oauth/client.json"
_DOCUMENT: Final[dict[str, Any]] = {
    "client_id": _CLIENT_URL, "redirect_uris": ["https://client.example/cb"], "token_endpoint_auth_method": "none",
}  # fmt: skip
_MODELS: Final = (Login, Register, CreateRole, CreateWebhook)
_TYPES: Final = ("application/json", "application/json; charset=utf-8", "text/plain", "application/json; charset=x")
_QUERY: Final = ["keys"]


def json_document(data: bytes) -> None:
    """A document is read as the standard library reads it, or refused."""
    try:
        value = parse_json(data)
    except MalformedJson:
        return
    assert value == json.loads(data, parse_float=Decimal)
    assert _depth(value) <= DEEPEST
    written = json.dumps(value, default=_number)
    assert parse_json(written.encode()) == json.loads(written, parse_float=Decimal)


def json_body(data: bytes) -> None:
    """The body of a request is a valid input, or one of the declared failures; the first byte chooses which."""
    choice, body = (data[0], data[1:]) if data else (0, b"")
    request = Request(EnvironBuilder(method="POST", data=body, content_type=_TYPES[choice // 4 % 4]).get_environ())
    model = _MODELS[choice % 4]
    try:
        found = read_body(request, model, InputRules())
    except Failure as failure:
        _check_failure(failure)
        return
    assert isinstance(found, model)
    assert isinstance(json.loads(body or b"{}"), dict)


def query(data: bytes) -> None:
    """A query is read, or refused with its wrong fields."""
    request = Request(EnvironBuilder(query_string=data.decode("latin-1")).get_environ())
    try:
        found = read_query(request, Page, InputRules())
    except Failure as failure:
        _check_failure(failure)
        return
    assert 1 <= found.limit <= 200


def access_token(data: bytes) -> None:
    """No text is an access token but those issued here; each can be explained."""
    tokens, issued = _access_tokens()
    text = _text(data)
    _explain(tokens, text)
    try:
        tokens.verify(text)
    except RefusedTokenError:
        return
    assert text == issued


def access_token_claims(data: bytes) -> None:
    """Of a genuine signature, whatever was signed is understood or refused."""
    tokens, _ = _access_tokens()
    text = _signed(data)
    _explain(tokens, text)
    try:
        claims = tokens.verify(text)
    except RefusedTokenError:
        return
    signed = json.loads(data)
    assert (claims.subject, claims.session_id) == (signed["sub"], signed["sid"])
    assert all(map(math.isfinite, (claims.issued_at, claims.not_before, claims.expires_at)))


def refresh_token(data: bytes) -> None:
    """A refresh token has one form, and no text of others is genuine."""
    found = refresh_tokens.parse(_text(data))
    if found is None:
        return
    again = refresh_tokens.make(_secrets().current, found.session_id, found.generation, bytes(32))
    same = urlsafe_b64encode(_bytes_before(again) + found.mac).decode()
    assert same == _text(data)
    assert refresh_tokens.is_genuine(found, bytes(32), _secrets()) == (again == same)


def api_key(data: bytes) -> None:
    """An API key has one form."""
    found = key_format.parse(_text(data))
    assert found is None or key_format.make(found.id, found.secret) == _text(data)


def device_token(data: bytes) -> None:
    """No text makes a device known but those issued here, and those to their owner alone."""
    devices = DeviceTokens(_secrets(), lambda: _NOW, 30)
    text = _text(data)
    device = devices.known(text, _SOMEBODY, 1)
    assert device is None or devices.make(_SOMEBODY, 1, device.id, device.trust) == text
    assert devices.device_of(text, None, 0) is None


def cursor(data: bytes) -> None:
    """A cursor has one form, and leads to an identifier or to a place of texts."""
    text = _text(data)
    _only(ValueError, lambda: _same(cursor_behind(identifier_of(text)), text))
    _only(ValueError, lambda: _same(cursor_at(place_at(text, _QUERY), _QUERY), text))
    forged = urlsafe_b64encode(_bytes_before(cursor_at([], _QUERY), 9) + data).decode().rstrip("=")
    _only(ValueError, lambda: [part.encode() for part in place_at(forged, _QUERY)])


def parameters(data: bytes) -> None:
    """What is sent to the authorization server is read once each and in its only form, or refused; the first byte
    chooses where it comes from."""
    choice, sent = (data[0], data[1:]) if data else (0, b"")
    where: dict[str, Any] = {"method": "POST", "data": sent, "content_type": _FORMS[choice // 2 % 4]}
    if choice % 2:
        where = {"query_string": sent.decode("latin-1")}
    try:
        found = read_parameters(Request(EnvironBuilder(**where).get_environ()), "query" if choice % 2 else "body")
    except Failure as failure:
        _check_failure(failure)
        return
    values = [(name, value) for name, all_of_it in found.values.items() for value in all_of_it]
    assert all(value and "\0" not in value for _, value in values)
    assert all(len(all_of_it) == 1 or name == "resource" for name, all_of_it in found.values.items())
    assert parse_parameters(urlencode(values)) == found
    _read_request(found)


def redirect_uri(data: bytes) -> None:
    """A redirect URI is registered if a browser reads it as we do; what matches one leads to the same place."""
    text = data.decode("utf-8", "surrogateescape")
    for registered in _REDIRECTS:
        assert not is_same_redirect(text, registered) or _place_of(text) == _place_of(registered)
    try:
        check_redirect_uri(text)
    except ValueError:
        return
    assert is_same_redirect(text, text)
    parts = urlsplit(text)
    assert text.isascii()
    assert not parts.fragment
    assert parts.scheme in {"http", "https"} or "." in parts.scheme
    if parts.scheme in {"http", "https"}:
        assert parts.hostname
        assert parts.username is parts.password is None
    if parts.scheme == "http":
        assert parts.hostname in LOOPBACK
    answered = answered_at(text, {"code": "c"}, "s&t", "https://me")
    assert answered.startswith(text)
    assert _place_of(answered)[:2] == _place_of(text)[:2]
    assert parse_qs(urlsplit(answered).query)["iss"][-1] == "https://me"


def _read_request(found: Parameters) -> None:
    """Each part of an authorization request is read, or refused in words that hold nothing of it."""
    readers: list[Callable[[], object]] = [
        lambda: redirect_of(found, _CLIENT),
        lambda: scopes_of(found, _CLIENT, _CATALOGUE, resources_of(found, _CLIENT, _CATALOGUE, own="https://me")),
        lambda: (challenge_of(found), prompts_of(found), max_age_of(found), short_value_of(found, "state")),
        lambda: narrowed_to(found, ("https://files.example/",)),
    ]
    for read in readers:
        try:
            read()
        except RefusedError as refused:
            _check_refusal(refused)


def _check_refusal(refused: RefusedError) -> None:
    assert refused.error.isidentifier()
    assert re.fullmatch(r"[ !#-\[\]-~]+", refused.description)


def _place_of(uri: str) -> tuple[str, str | None, str, str]:
    parts = urlsplit(uri)
    return parts.scheme, parts.hostname, parts.path, parts.query


_FORMS: Final = (
    "application/x-www-form-urlencoded", "application/x-www-form-urlencoded; charset=utf-8", "text/plain",
    "application/x-www-form-urlencoded; charset=x",
)  # fmt: skip
_REDIRECTS: Final = (
    "https://app.example/cb", "https://app.example/cb?a=b", "http://127.0.0.1/cb", "http://[::1]:7/cb?a=b",
    "http://localhost:3000", "com.example.app:/cb",
)  # fmt: skip
_CLIENT: Final = Client(
    id="c1", name="App", kind="public", created_at=_NOW, redirect_uris=_REDIRECTS, scopes=("openid", "files:read")
)
_CATALOGUE: Final = CatalogueOf(
    {"files:read": "Read."}, {"https://files.example/": Resource("https://files.example/", "Files", ("files:read",))}
)


def client_document(data: bytes) -> None:
    """A document describes its own client as it says, or is refused; and so is the URL that it lies at."""
    try:
        said = read_document(_CLIENT_URL, data)
    except InvalidDocumentError as error:
        str(error).encode()
        return
    fields = json.loads(data)
    assert fields["client_id"] == _CLIENT_URL
    assert "client_secret" not in fields
    assert said.redirect_uris == tuple(dict.fromkeys(fields["redirect_uris"]))
    for uri in said.redirect_uris:
        check_redirect_uri(uri)


def client_document_url(data: bytes) -> None:
    """A URL that may be a client has one form, and leads where it says."""
    text = _text(data)
    try:
        url = read_document_url(text)
    except ValueError:
        return
    assert text == f"https://{url.authority}{url.target}"
    parts = urlsplit(text)
    assert (parts.hostname, parts.query, parts.fragment, parts.username) == (url.host, "", "", None)
    assert not {".", ".."} & set(unquote(parts.path).split("/")) or "%2f" in text.lower()


TARGETS: Final[dict[str, Target]] = {
    target.__name__: target
    for target in (
        json_document, json_body, query, access_token, access_token_claims, refresh_token, api_key, device_token,
        cursor, parameters, redirect_uri, client_document, client_document_url,
    )
}  # fmt: skip


def seeds(name: str) -> list[bytes]:
    """Where a fuzzer begins: texts that are right, or nearly. They are made here, since some are signed."""
    made = {
        "json_document": [
            b'{"a": [1, -2.5e3, "\\u00e9", true, null]}',
            b'"\\ud83d\\ude00"',
            b"[[[]]]",
            b'{"a":1,"a":2}',
        ],
        "json_body": [
            b'\0{"login": "ann", "password": "correct horse battery staple"}',
            b'\1{"email": "ann@example.com", "password": "correct horse battery staple", "name": "Ann"}',
            b'\2{"name": "editor", "permissions": ["users:read"], "description": null}',
            b'\3{"url": "https://example.com/hook", "events": ["*"]}',
        ],
        "query": [b"limit=5&cursor=AZqdXFo-exqfQ20MPx4reg", b"limit=5&limit=6", b"%ff=%00"],
        "access_token": [_access_tokens()[1].encode(), b"e30.e30.e30", b"eyJhbGciOiJub25lIn0.e30."],
        "access_token_claims": [
            json.dumps(_CLAIMS | more).encode() for more in ({}, {"act": {"sub": "boss"}}, {"nbf": 1}, {"nbf": 10**400})
        ],
        "refresh_token": [refresh_tokens.make(_secrets().current, _SOMEBODY, 3, bytes(32)).encode()],
        "api_key": [key_format.make(_SOMEBODY, bytes(range(32))).encode()],
        "device_token": [
            devices.make(_SOMEBODY, 1, _SOMEBODY, trust).encode()
            for devices in (DeviceTokens(_secrets(), lambda: _NOW),)
            for trust in (None, Trust(int(_NOW.timestamp()), 30))
        ],
        "parameters": [
            b"\0grant_type=authorization_code&code=x&code_verifier=" + b"v" * 43,
            b"\1response_type=code&client_id=c1&redirect_uri=https%3A%2F%2Fapp.example%2Fcb&scope=openid+files:read"
            b"&resource=https://files.example/&resource=https://files.example/&prompt=login+consent&max_age=60&state=%C3%A9"
            b"&code_challenge_method=S256&code_challenge=" + b"c" * 43,
            b"\1a=1&a=2",
            b"\2redirect_uri=http://127.0.0.1:65535/cb&state=",
        ],
        "redirect_uri": [
            *(uri.encode() for uri in _REDIRECTS),
            b"http://localhost:3000@evil.example/",
            b"http://127.0.0.1:80:80/cb",
            b"https://app.example\\@evil.example/cb",
            b"javascript:alert(1)",
        ],
        "client_document": [
            json.dumps(_DOCUMENT | more).encode()
            for more in ({}, {"client_secret": "s"}, {"client_name": "Editor", "redirect_uris": ["com.example:/"]})
        ],
        "client_document_url": [_CLIENT_URL.encode(), b"https://[::1]:8443/a", b"https://a.example/%2e%2e/b?c#d"],
        "cursor": [(cursor_behind(_SOMEBODY) or "").encode(), cursor_at(["a"], _QUERY).encode(), b'["a"]', b"[1]"],
    }
    return made[name]


@cache
def _secrets() -> SecretKeys:
    return SecretKeys("kX9vQ2mZ7tR4wL8pN3yB6hJ1sD5fG0aC-uE_iO")


class _Keys:
    """One key."""

    version = 1

    def signing_key(self) -> SigningKey:
        return _KEY

    def key_by_kid(self, kid: str) -> SigningKey | None:
        return _KEY if kid == _KEY.kid else None


@cache
def _access_tokens() -> tuple[AccessTokens, str]:
    """The service, and the one token that is genuine: the same in each process, since inputs are kept for the next."""
    tokens = AccessTokens(issuer="me", audience="me", lifetime=900, keys=_Keys(), clock=lambda: _NOW)
    return tokens, _signed(json.dumps(_CLAIMS).encode())


def _signed(claims: bytes) -> str:
    return PyJWS().encode(claims, _KEY.signing, algorithm=_KEY.alg, headers=_HEADER)


def _explain(tokens: AccessTokens, text: str) -> None:
    told = ExplainService(tokens, lambda _claims: None).explain(text)
    json.dumps([told.header, told.claims], allow_nan=False).encode()


def _check_failure(failure: Failure) -> None:
    """It is one of the client, and can be sent."""
    assert 400 <= failure.status < 500
    json.dumps([[error.field, error.code, error.message] for error in failure.fields], ensure_ascii=False).encode()


def _text(data: bytes) -> str:
    """As a header brings it."""
    return data.decode("latin-1")


def _bytes_before(token: str, many: int = 22) -> bytes:
    return urlsafe_b64decode(token + "=" * (-len(token) % 4))[:many]


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0


def _number(value: object) -> object:
    assert isinstance(value, Decimal)
    return float(value)


def _same(one: object, other: object) -> None:
    assert one == other


def _only(expected: type[Exception], act: Callable[[], object]) -> None:
    try:
        act()
    except expected:
        return
