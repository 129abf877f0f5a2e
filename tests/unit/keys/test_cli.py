"""`flask keys` shows which secret seals each key."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from app import config, wiring
from app.security.secret_keys import RootKey
from tests.api.service import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

SHOWN = ("kid", "alg", "created_at", "signs_from")
OTHER = "wP4nT8xK2mV6rB9sJ3hL7gD1fQ5zC0aE-yU_oI"


def objects(result: Result) -> list[dict[str, Any]]:
    """What `--json` printed: one object per line."""
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.usefixtures("prepared")
@pytest.mark.parametrize(
    ("settings", "place"),
    [
        ({}, "SECRET_KEY"),
        ({"SECRET_KEY": OTHER, "SECRET_KEY_FALLBACKS": SETTINGS["SECRET_KEY"]}, "SECRET_KEY_FALLBACKS"),
        ({"SECRET_KEY": OTHER}, "not at hand"),
    ],
)
def test_the_list_names_the_secret_that_seals_a_key_and_says_where_it_stands(
    settings: dict[str, str], place: str, flask: Callable[..., Result], fresh: Path
) -> None:
    wiring.prepare(config.load(SETTINGS | {"DATABASE_URL": f"sqlite:///{fresh}"}, dotenv=None))
    (line,) = flask("keys", "list", **settings).stdout.splitlines()

    assert line.endswith(f"  sealed by {RootKey(SETTINGS['SECRET_KEY']).name} ({place})")


@pytest.mark.usefixtures("prepared")
def test_revoking_a_key_reports_which_key_signs_now(flask: Callable[..., Result]) -> None:
    (before,) = objects(flask("keys", "list", "--json"))
    revoked = flask("keys", "revoke", before["kid"], "--json")
    (after,) = objects(flask("keys", "list", "--json"))

    assert revoked.exit_code == 0
    assert objects(revoked) == [{"revoked": [before["kid"]], "signs": {key: after[key] for key in SHOWN}}]
    assert after["kid"] != before["kid"]
    unknown = flask("keys", "revoke", before["kid"])
    assert (unknown.exit_code, unknown.stdout) == (1, "")
    assert f"There is no key {before['kid']}" in unknown.stderr
    every = objects(flask("keys", "revoke", "--all", "--json"))
    assert every[0]["revoked"] == [after["kid"]]


@pytest.mark.usefixtures("prepared")
@pytest.mark.parametrize("arguments", [(), ("kid", "--all"), ("--all", "--unopened")])
def test_the_keys_to_revoke_are_named_in_exactly_one_way(
    arguments: tuple[str, ...], flask: Callable[..., Result]
) -> None:
    assert flask("keys", "revoke", *arguments).exit_code == 2


@pytest.mark.usefixtures("prepared")
def test_a_wrong_secret_changes_no_key_and_dropping_the_unopened_ones_needs_a_yes(flask: Callable[..., Result]) -> None:
    (before,) = objects(flask("keys", "list", "--json"))
    for command in (("rotate",), ("revoke", before["kid"]), ("revoke", "--all")):
        refused = flask("keys", *command, SECRET_KEY=OTHER)
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert "is sealed under another SECRET_KEY" in refused.stderr
        assert refused.stderr.count("\n") == 1
    assert flask("keys", "revoke", "--unopened", SECRET_KEY=OTHER, input="n\n").exit_code == 1
    assert objects(flask("keys", "list", "--json")) == [before]

    given_up = flask("keys", "revoke", "--unopened", "--yes", "--json", SECRET_KEY=OTHER)

    assert objects(given_up)[0]["revoked"] == [before["kid"]]
    assert flask("db", "upgrade", SECRET_KEY=OTHER).exit_code == 0


@pytest.mark.usefixtures("prepared")
def test_the_leaked_secret_is_read_from_standard_input_and_has_to_be_replaced_first(
    flask: Callable[..., Result],
) -> None:
    leaked = SETTINGS["SECRET_KEY"]
    for refused, words in (
        (flask("secrets", "leaked", input=leaked), "it is still SECRET_KEY"),
        (flask("secrets", "leaked", input="mistyped", SECRET_KEY=OTHER), "If it is the right one, use --unknown"),
        (flask("secrets", "leaked", input="", SECRET_KEY=OTHER), "The standard input is empty."),
    ):
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert words in refused.stderr
        assert refused.stderr.count("\n") == 1

    done = flask("secrets", "leaked", "--json", input=f"\ufeff{leaked}\r\n", SECRET_KEY=OTHER)

    (key,) = objects(flask("keys", "list", "--json", SECRET_KEY=OTHER))
    assert objects(done) == [{"leaked": RootKey(leaked).name, "signs": key["kid"]}]
    assert leaked not in done.output
    start = flask("db", "upgrade")
    assert start.exit_code == 1
    assert start.stderr.startswith("Error: SECRET_KEY: it is one that leaked")


@pytest.mark.usefixtures("prepared")
def test_a_kid_that_begins_with_a_dash_is_a_kid_and_not_an_option(flask: Callable[..., Result]) -> None:
    unknown = flask("keys", "retire", "kJ3h-unknown")
    with_a_dash = flask("keys", "retire", "-kJ3hunknown")

    assert unknown.exit_code == with_a_dash.exit_code == 1
    assert with_a_dash.stderr == unknown.stderr
