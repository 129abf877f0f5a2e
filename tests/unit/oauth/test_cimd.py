"""Which URLs are clients, how long their documents are kept, and what a document has to say."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from app.config.oauth import ANY_HOST, includes_host
from app.oauth.cimd import (
    LONGEST,
    OF_ALL,
    SHORTEST,
    USUAL,
    MetadataDocuments,
    kept_for,
    read_document_url,
)
from app.oauth.client_documents.inputs import read_document
from app.oauth.client_documents.model import ClientDocuments, InvalidDocumentError
from app.oauth.refusal import RefusedError
from app.platform import clock
from app.security.egress import Egress
from app.web.rates import Rates

if TYPE_CHECKING:
    from tests.unit.instance import Instance

URL = "https://client.example/oauth/client.json"


@pytest.mark.parametrize(
    "url",
    [
        *(URL, "https://client.example/a", "https://client.example/a/", "https://client.example:8443/a"),
        *("https://client.example/a..b/.well-known/c", "https://client.example/%61", "https://192.0.2.1/a"),
        *("https://[2001:db8::1]:8443/a", "https://client.example//a", "https://client.example/" + "a" * 377),
    ],
)
def test_a_url_with_a_path_of_its_own_may_be_a_client(url: str) -> None:
    assert read_document_url(url).scheme == "https"


@pytest.mark.parametrize(
    ("url", "because"),
    [
        ("https://client.example", "a path behind it"),
        ("https://client.example/", "a path of its own"),
        ("https://client.example/a?b", "without a query"),
        ("https://client.example/a?", "without a query"),
        ("https://client.example/a#b", "without a fragment"),
        ("https://ann@client.example/a", "without user name"),
        ("https://client.example/./a", "segments"),
        ("https://client.example/a/..", "segments"),
        ("https://client.example/a/../b", "segments"),
        ("https://client.example/a/%2e%2E/b", "segments"),
        ("https://client.example/a/.%2e", "segments"),
        ("https://Client.example/a", "lower case"),
        ("HTTPS://client.example/a", "lower case"),
        ("https://client.example:443/a", "usual"),
        ("https://client.example:0443/a", "usual"),
        ("https://client.example./a", "dot at the end"),
        ("https://0x7f.1/a", "usual form"),
        ("https://2130706433/a", "usual form"),
        ("http://client.example/a", "https"),
        ("ftp://client.example/a", "https"),
        ("https:/client.example/a", "host"),
        ("https://client.example/é", "characters"),
        ("https://client.example/a b", "characters"),
        ("https://client.example\\@evil.example/a", "characters"),
        ("https://client.example/\udc80", "characters"),
        ("https://client.example/" + "a" * 378, "400 characters"),
    ],
)
def test_what_could_be_written_otherwise_or_leads_elsewhere_is_no_client(url: str, because: str) -> None:
    with pytest.raises(ValueError, match=because):
        read_document_url(url)


@pytest.mark.parametrize(
    ("hosts", "host", "included"),
    [
        ((ANY_HOST,), "client.example", True),
        (("client.example",), "client.example", True),
        (("client.example",), "a.client.example", False),
        (("client.example",), "evilclient.example", False),
        ((".client.example",), "client.example", True),
        ((".client.example",), "a.client.example", True),
        ((".client.example",), "evilclient.example", False),
        (("a.example", "b.example"), "b.example", True),
        ((), "client.example", False),
    ],
)
def test_a_host_is_admitted_by_its_name_its_domain_or_any(hosts: tuple[str, ...], host: str, included: bool) -> None:  # noqa: FBT001 - a parameter of the test
    assert includes_host(hosts, host) is included


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("", USUAL),
        ("public", USUAL),
        ("max-age=7200", timedelta(hours=2)),
        ('private, Max-Age="7200"', timedelta(hours=2)),
        ("max-age=1", SHORTEST),
        ("max-age=86401", LONGEST),
        ("max-age=999999999", LONGEST),
        ("max-age=9999999999", USUAL),
        ("max-age=-1, max-age=a", USUAL),
        ("s-maxage=1", USUAL),
        ("no-store, max-age=7200", SHORTEST),
        ("No-Cache", SHORTEST),
    ],
)
def test_a_document_is_kept_as_its_server_says_within_our_limits(said: str, kept: timedelta) -> None:
    assert kept_for({"cache-control": said} if said else {}) == kept


def document(**fields: Any) -> bytes:
    """A document in order, but for these fields; None leaves one out."""
    usual = {"client_id": URL, "redirect_uris": ["https://client.example/cb"]}
    return json.dumps({name: value for name, value in (usual | fields).items() if value != "absent"}).encode()


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"client_name": "The editor", "token_endpoint_auth_method": "none"},
        {"client_name": None, "logo_uri": "http://10.0.0.1/", "jwks_uri": 5, "scope": ["a"], "contacts": None},
        {"grant_types": ["authorization_code", "refresh_token", "new"], "response_types": ["code", "new"]},
        {"grant_types": [], "response_types": []},
        {"redirect_uris": ["http://127.0.0.1/cb", "http://localhost:80/cb", "com.example.app:/cb"]},
        {"post_logout_redirect_uris": ["https://client.example/bye"]},
    ],
)
def test_a_document_says_what_is_used_of_it_and_may_say_more(fields: dict[str, Any]) -> None:
    said = read_document(URL, document(**fields))
    uris = tuple(fields.get("redirect_uris", ["https://client.example/cb"]))
    assert (said.name, said.redirect_uris) == (fields.get("client_name"), uris)
    assert said.post_logout_redirect_uris == tuple(fields.get("post_logout_redirect_uris", ()))


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"client_id": "absent"}, "client_id: "),
        ({"client_id": f"{URL}/"}, "client_id: This has to be the URL of the document, to the letter."),
        ({"client_id": URL.replace("client.", "Client.")}, "client_id: "),
        ({"client_id": 5}, "client_id: "),
        ({"client_name": ""}, "client_name: "),
        ({"client_name": "a" * 101}, "client_name: "),
        ({"client_name": "a\u202eb"}, "client_name: "),
        ({"client_name": ["a"]}, "client_name: "),
        ({"redirect_uris": "absent"}, "redirect_uris: "),
        ({"redirect_uris": []}, "redirect_uris: "),
        ({"redirect_uris": "https://client.example/cb"}, "redirect_uris: "),
        ({"redirect_uris": ["https://client.example/cb", "http://client.example/cb"]}, "redirect_uris.1: "),
        ({"redirect_uris": ["javascript:alert(1)"]}, "redirect_uris.0: "),
        ({"redirect_uris": ["https://client.example/cb#a"]}, "redirect_uris.0: "),
        ({"redirect_uris": [None]}, "redirect_uris.0: "),
        ({"redirect_uris": [f"https://client.example/{number}" for number in range(21)]}, "redirect_uris: "),
        ({"post_logout_redirect_uris": ["com.example:/"]}, "post_logout_redirect_uris.0: "),
        ({"token_endpoint_auth_method": "client_secret_basic"}, "token_endpoint_auth_method: "),
        ({"token_endpoint_auth_method": "private_key_jwt"}, "token_endpoint_auth_method: "),
        ({"token_endpoint_auth_method": None}, "token_endpoint_auth_method: "),
        ({"client_secret": "s"}, "client_secret: "),
        ({"client_secret": None}, "client_secret: "),
        ({"client_secret_expires_at": 0}, "client_secret_expires_at: "),
        ({"grant_types": ["client_credentials"]}, "grant_types: "),
        ({"grant_types": "authorization_code"}, "grant_types: "),
        ({"response_types": ["token"]}, "response_types: "),
    ],
)
def test_a_document_with_anything_wrong_is_refused_by_the_name_of_it(fields: dict[str, Any], wrong: str) -> None:
    with pytest.raises(InvalidDocumentError) as refused:
        read_document(URL, document(**fields))
    assert str(refused.value).startswith("The document is not valid. ")
    assert wrong in str(refused.value)


def test_all_that_is_wrong_is_named_at_once() -> None:
    fields = {"client_id": 1, "redirect_uris": ["a:b"], "client_secret": "planted", "token_endpoint_auth_method": "x"}
    with pytest.raises(InvalidDocumentError) as refused:
        read_document(URL, document(**fields))
    for name in ("client_id", "redirect_uris.0", "client_secret", "token_endpoint_auth_method"):
        assert f"{name}: " in str(refused.value)
    assert "planted" not in str(refused.value)


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b"[]", b"null", b'"a"', b"{", b"\xff", b"\xef\xbb\xbf" + document(), document() + b"}", b"[" * 5000),
        document().replace(b'{"client_id"', b'{"client_id": "https://evil.example/", "client_id"'),
        document(client_name="a").replace(b'"a"', b"NaN"),
        document(client_name="a").replace(b'"a"', b'"\\ud800"'),
    ],
    ids=lambda raw: raw[:12].decode("latin-1"),
)
def test_what_is_no_json_object_with_one_reading_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidDocumentError):
        read_document(URL, raw)


def test_however_many_hosts_are_named_few_documents_are_fetched_in_a_minute(instance: Instance) -> None:
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        del port
        asked.append(host)
        return ["127.0.0.1"]

    documents = MetadataDocuments(
        instance.wired.get(ClientDocuments), read_document, Egress(resolve=resolve), Rates(None), clock.now, (ANY_HOST,)
    )
    reasons = set()
    for number in range(OF_ALL + 2):
        with pytest.raises(RefusedError) as refused:
            documents.described(f"https://host{number}.example/a")
        reasons.add((refused.value.error, refused.value.reason))
    assert len(asked) == OF_ALL
    assert reasons == {("invalid_client", "cimd_unreachable"), ("temporarily_unavailable", "cimd_unreachable")}
