"""What holds for each route that can be read: it changes nothing, shows no secret, and says what it is."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from tests.api.browser import Browser
from tests.api.oauth_flow import a_client
from tests.api.service import PASSWORD, SETTINGS
from tests.house.test_access import ACCESS, concrete

if TYPE_CHECKING:
    from tests.api.service import Account, Service

PATHS = sorted(rule.removeprefix("GET ") for rule in ACCESS if rule.startswith("GET "))
WRITE = {"/api/count", "/auth/me/export", "/oauth/authorize"}
"""A sample that counts its visits; the export, which leaves an event: the owner has to see who took it; and what OAuth
clients ask for, which RFC 6749 has on GET: it waits in the store while its user logs in and consents (checklist 52).
"""
SHOW_AN_EXAMPLE = {"/", "/openapi.json", "/swagger/"}
"""The documentation, whose example of a password is also that of the tests."""


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", sorted(set(PATHS) - WRITE))
def test_reading_changes_nothing_in_the_store(service: Service, admin: Account, path: str, method: str) -> None:
    before = service.database.contents()
    service.clock.advance(0.1)  # in all less than the minute after which the use of a session is noted
    assert service.send(method, concrete(path), token=admin.token).status_code in {200, 302, 303, 404}
    assert service.database.contents() == before


def test_an_authorization_request_leaves_itself_or_a_code_and_nothing_else(service: Service) -> None:
    """Neither a session nor a consent: those are for the forms of the pages. What is refused leaves nothing."""
    ann, asking, ours = service.register(), a_client(service), a_client(service, first_party=True)
    nobody, browser = Browser(service), Browser(service)
    assert browser.log_in(ann.email, ann.password).status_code == 303
    for visitor, client, wrong, left in (
        (nobody, asking, {}, {"oauth_requests"}),
        (browser, asking, {}, {"oauth_requests"}),
        (browser, ours, {}, {"oauth_codes"}),
        (nobody, asking, {"prompt": "none"}, set()),
        (browser, asking, {"redirect_uri": "https://evil.example"}, set()),
    ):
        before = set(service.database.contents().splitlines())
        query = urlencode(client.request(**wrong))
        assert visitor.get("/oauth/authorize", query=query).status_code in {303, 400}
        changed = before ^ set(service.database.contents().splitlines())
        assert {re.findall(rb'INSERT INTO "(\w+)"', row)[0].decode() for row in changed} == left


@pytest.mark.parametrize("path", PATHS)
def test_no_reply_holds_a_hash_a_key_or_a_password(service: Service, admin: Account, path: str) -> None:
    text = service.get(concrete(path), token=admin.token).text
    for never in ("$2b$", "password_hash", SETTINGS["SECRET_KEY"], PASSWORD, admin.token, admin.refresh_token):
        assert never not in text or (never == PASSWORD and path in SHOW_AN_EXAMPLE)


@pytest.mark.parametrize("path", PATHS)
def test_the_type_of_a_reply_is_that_of_its_body(service: Service, admin: Account, path: str) -> None:
    reply = service.get(concrete(path), token=admin.token)
    assert reply.mimetype
    assert reply.content_type
    text = reply.data.decode("utf-8")
    if reply.mimetype.endswith("json"):
        json.loads(text)
        assert "charset" not in reply.content_type or "charset=utf-8" in reply.content_type
    else:
        assert reply.content_type.endswith("charset=utf-8"), reply.content_type
        assert text.lstrip().startswith("<!doctype html") == (reply.mimetype == "text/html")
