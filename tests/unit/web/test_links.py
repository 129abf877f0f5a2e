"""Links: what a reply holds, and which requests need it in their path."""

from __future__ import annotations

import re
from typing import Any

import pytest

from app.features import ENDPOINTS
from app.web.endpoint import Endpoint, endpoint
from app.web.guard import public
from app.web.links import links_of
from app.web.view import Nothing, View
from tests.unit.web.serving import document

UNLINKED = {
    "DELETE /auth/grants/<path:client>": "`client_id` names it, which may be a URL: no identifier of ours",
    "DELETE /admin/resources/<path:name>": "its `name` or its `uri` names it: no identifier of ours",
    "DELETE /admin/scopes/<path:name>": "its `name` names it: no identifier of ours",
    "POST /auth/providers/<provider>/start": "the operator names providers, in PROVIDERS_FILE",
}
"""Requests for whose path no reply of the service has a field, and why."""


class Story(View):
    """A story."""

    id: str
    slug: str


class StoryData(View):
    """One story."""

    story: Story


class StoryList(View):
    """Stories."""

    stories: list[Story]


def declare(rule: str, returns: type[View] = Nothing, status: int = 200) -> Endpoint:
    @endpoint(rule, access=public, returns=returns, status=status)
    def function(_call: Any, **_path: str) -> Any:
        """Tell."""

    return function


MADE = declare("POST /stories", StoryData, 201)
LISTED = declare("GET /stories", StoryList)
TOLD = declare("POST /stories/draw", StoryData)
DELETED = declare("DELETE /stories/<story_id>")


def linked(*endpoints: Endpoint) -> list[tuple[str, str, dict[str, str]]]:
    return [(link.source.path, link.target.path, dict(link.parameters)) for link in links_of(endpoints)]


def test_what_a_request_made_is_named_in_the_paths_of_others_by_its_id() -> None:
    assert linked(MADE, LISTED, TOLD, DELETED) == [
        ("/stories", "/stories/<story_id>", {"story_id": "$response.body#/data/story/id"})
    ]


def test_where_no_request_makes_one_another_that_shows_one_is_linked() -> None:
    drawn = declare("POST /draw", StoryData)
    assert linked(LISTED, drawn, DELETED) == [
        ("/draw", "/stories/<story_id>", {"story_id": "$response.body#/data/story/id"})
    ]


def test_where_only_a_list_shows_them_its_first_is_linked() -> None:
    assert linked(LISTED, DELETED) == [
        ("/stories", "/stories/<story_id>", {"story_id": "$response.body#/data/stories/0/id"})
    ]


def test_a_part_of_a_path_that_is_not_an_id_is_the_field_of_its_name() -> None:
    read = declare("GET /stories/<slug>")
    assert linked(MADE, read) == [("/stories", "/stories/<slug>", {"slug": "$response.body#/data/story/slug"})]
    assert linked(MADE, declare("GET /stories/<title>")) == []


def test_what_belongs_to_something_is_linked_from_there_alone_and_with_it() -> None:
    of_child = declare("POST /children/<child_id>/stories", StoryData, 201)
    deleted = declare("DELETE /children/<child_id>/stories/<story_id>")
    assert linked(MADE, of_child, deleted, DELETED) == [
        (
            "/children/<child_id>/stories",
            "/children/<child_id>/stories/<story_id>",
            {"child_id": "$request.path.child_id", "story_id": "$response.body#/data/story/id"},
        ),
        ("/stories", "/stories/<story_id>", {"story_id": "$response.body#/data/story/id"}),
    ]


def test_what_was_asked_for_by_its_id_is_linked_to_nothing() -> None:
    changed = declare("PATCH /stories/<story_id>", StoryData)
    assert linked(changed, DELETED) == []


def test_every_request_with_a_part_in_its_path_is_linked_or_says_why_not() -> None:
    reached = {f"{link.target.method} {link.target.path}" for link in links_of(ENDPOINTS)}
    with_parts = {f"{each.method} {each.path}" for each in ENDPOINTS if "<" in each.path}
    assert reached | UNLINKED.keys() == with_parts
    assert not reached & UNLINKED.keys()


def test_the_document_shows_each_link_at_the_reply_that_has_the_field() -> None:
    whole = document(*ENDPOINTS)
    made = whole["paths"]["/auth/api-keys"]["post"]["responses"]["201"]["links"]
    assert made == {
        "deleteApiKey": {
            "operationId": "deleteApiKey",
            "parameters": {"key_id": "$response.body#/data/api_key/id"},
        }
    }
    of_account = whole["paths"]["/admin/service-accounts/{account_id}/api-keys"]["post"]["responses"]["201"]["links"]
    assert list(of_account) == ["deleteServiceAccountApiKey"]


@pytest.mark.parametrize("link", links_of(ENDPOINTS), ids=lambda link: f"{link.source.name}-{link.target.name}")
def test_a_link_leads_to_an_operation_and_fills_its_whole_path(link: Any) -> None:
    assert set(dict(link.parameters)) == set(re.findall(r"<(\w+)>", link.target.path))
