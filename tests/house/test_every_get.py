"""What holds for each route that can be read: it changes nothing, shows no secret, and says what it is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.api.service import PASSWORD, SETTINGS
from tests.house.test_access import ACCESS, concrete

if TYPE_CHECKING:
    from tests.api.service import Account, Service

PATHS = sorted(rule.removeprefix("GET ") for rule in ACCESS if rule.startswith("GET "))
WRITE = {"/api/count", "/auth/me/export"}
"""A sample that counts its visits, and the export, which leaves an event: the owner has to see who took it."""
SHOW_AN_EXAMPLE = {"/", "/openapi.json", "/swagger/"}
"""The documentation, whose example of a password is also that of the tests."""


@pytest.fixture(scope="module")
def admin(service: Service) -> Account:
    """Who may read everything."""
    return service.administrator()


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", sorted(set(PATHS) - WRITE))
def test_reading_changes_nothing_in_the_store(service: Service, admin: Account, path: str, method: str) -> None:
    before = service.database.contents()
    service.clock.advance(0.1)  # in all less than the minute after which the use of a session is noted
    assert service.send(method, concrete(path), token=admin.token).status_code in {200, 302, 404}
    assert service.database.contents() == before


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
