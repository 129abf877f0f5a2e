"""`flask keys` shows which secret seals each key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app import config, wiring
from app.security.secret_keys import RootKey
from tests.api.service import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

OTHER = "wP4nT8xK2mV6rB9sJ3hL7gD1fQ5zC0aE-yU_oI"


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
def test_a_kid_that_begins_with_a_dash_is_a_kid_and_not_an_option(flask: Callable[..., Result]) -> None:
    unknown = flask("keys", "retire", "kJ3h-unknown")
    with_a_dash = flask("keys", "retire", "-kJ3hunknown")

    assert unknown.exit_code == with_a_dash.exit_code == 1
    assert with_a_dash.stderr == unknown.stderr
