"""`flask clients`: creates, shows and deletes clients, and their secrets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from app.platform.identifiers import new_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

pytestmark = pytest.mark.usefixtures("prepared")
CB = "https://shop.example/cb"


def created(flask: Callable[..., Result], *more: str) -> dict[str, Any]:
    result = flask("clients", "create", "Shop", "--redirect-uri", CB, *more, "--json")
    assert result.exit_code == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_a_client_is_created_and_its_secret_shown_once(flask: Callable[..., Result]) -> None:
    result = flask("clients", "create", "Shop", "--redirect-uri", CB)
    line, secret = result.stdout.splitlines()
    client = line.partition(" ")[0]
    assert line == f"{client}  confidential  Shop"
    assert secret.startswith("lkcs_")
    assert "not shown again" in result.stderr
    shown = flask("clients", "show", client)
    assert secret not in shown.stdout
    assert f"redirect_uris: {CB}" in shown.stdout
    assert client in flask("clients", "list").stdout
    assert json.loads(flask("clients", "show", client, "--json").stdout)["client_id"] == client


def test_a_public_client_of_the_first_party_is_created(flask: Callable[..., Result]) -> None:
    made = created(flask, "--kind", "public", "--first-party", "--scope", "openid")
    assert made.keys() == {"client"}
    client = made["client"]
    assert (client["kind"], client["first_party"], client["scopes"], client["created_by"]) == (
        "public",
        True,
        ["openid"],
        None,
    )
    assert "(first party)" in flask("clients", "list").stdout


def test_where_a_logout_leads_and_who_is_told_of_it_are_kept(flask: Callable[..., Result]) -> None:
    pages = ("https://shop.example/", "https://shop.example/bye")
    told = "https://shop.example/cb?logout=backchannel"
    more = [part for page in pages for part in ("--post-logout-redirect-uri", page)]
    client = created(flask, *more, "--backchannel-logout-uri", told)["client"]
    assert (client["post_logout_redirect_uris"], client["backchannel_logout_uri"]) == (list(pages), told)
    wrong = flask("clients", "create", "Shop", "--redirect-uri", CB, "--backchannel-logout-uri", "ftp://shop.example")
    assert (wrong.exit_code, "backchannel_logout_uri" in wrong.stderr) == (1, True)


def test_what_no_client_may_have_is_named(flask: Callable[..., Result]) -> None:
    wrong = flask("clients", "create", "Shop", "--redirect-uri", "javascript:alert(1)")
    assert (wrong.exit_code, "redirect_uris.0" in wrong.stderr) == (1, True)
    missing = flask("clients", "create", "Shop")
    assert (missing.exit_code, "redirect_uris: This field is required." in missing.stderr) == (1, True)
    unknown = flask("clients", "create", "Shop", "--redirect-uri", CB, "--scope", "nothing:read")
    assert (unknown.exit_code, "scopes.0" in unknown.stderr) == (1, True)
    assert flask("clients", "create", "Shop", "--kind", "metadata").exit_code == 2
    assert flask("clients", "list").stdout == ""


def test_secrets_are_added_and_deleted(flask: Callable[..., Result]) -> None:
    client = created(flask)["client"]
    second = json.loads(flask("clients", "add-secret", client["id"], "--days", "30", "--json").stdout)
    assert second["client_secret"].startswith("lkcs_")
    assert second["secret"]["expires_at"] is not None
    third = flask("clients", "add-secret", client["id"])
    assert (third.exit_code, "two secrets" in third.stderr) == (1, True)
    first = client["secrets"][0]["id"]
    assert flask("clients", "delete-secret", client["id"], first).exit_code == 0
    assert flask("clients", "delete-secret", client["id"], first).exit_code == 1
    left = json.loads(flask("clients", "show", client["id"], "--json").stdout)["secrets"]
    assert left == [second["secret"]]


def test_a_client_is_deleted(flask: Callable[..., Result]) -> None:
    client = created(flask)["client"]["id"]
    assert flask("clients", "delete", client).exit_code == 0
    for arguments in (("delete", client), ("show", client), ("show", new_id()), ("show", "no identifier")):
        result = flask("clients", *arguments)
        assert (result.exit_code, result.stderr.startswith("Error: ")) == (1, True)


def test_of_a_client_that_describes_itself_there_may_be_nothing_to_delete(flask: Callable[..., Result]) -> None:
    result = flask("clients", "delete", "https://client.example/client.json")
    assert (result.exit_code, result.stderr.startswith("Error: ")) == (1, True)
