"""`flask token explain` says what a token is; it reads the token only where nobody else can see it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from app import config, create_app, wired_of
from tests.api.service import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

pytestmark = pytest.mark.usefixtures("prepared")


@pytest.fixture
def token(fresh: Path) -> str:
    """A token that the service accepts."""
    app = create_app(config.load(SETTINGS | {"DATABASE_URL": f"sqlite:///{fresh}"}, dotenv=None))
    body = {"username": "ann", "password": "correct horse battery staple"}
    reply = app.test_client().post("/auth/register", json=body)
    wired_of(app).close()
    return str(reply.json["data"]["token"])  # type: ignore[index]


def test_an_accepted_token_exits_with_0(token: str, flask: Callable[..., Result]) -> None:
    assert flask("token", "explain", "-", input=token).exit_code == 0
    result = flask("token", "explain", input=f"{token}\n")
    assert result.exit_code == 0
    assert result.stdout.startswith("access_token: It is accepted.\n")
    told = json.loads(flask("token", "explain", "--json", input=token).stdout)
    assert (told["kind"], told["accepted"], told["reason"]) == ("access_token", True, None)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda token: token[:-8] + "AAAAAAAA", "bad_signature"),
        (lambda token: token + ".x", "malformed"),
        (lambda _: "no token", None),
    ],
)
def test_a_refused_token_exits_with_1_and_the_reason(
    change: Callable[[str], str], reason: str | None, token: str, flask: Callable[..., Result]
) -> None:
    result = flask("token", "explain", "--json", input=change(token))
    assert result.exit_code == 1
    assert json.loads(result.stdout)["reason"] == reason
    assert flask("token", "explain", input=change(token)).exit_code == 1


def test_a_token_is_not_an_argument_which_every_user_of_the_machine_could_see(
    token: str, flask: Callable[..., Result]
) -> None:
    argument = flask("token", "explain", token)
    assert argument.exit_code == 2
    assert token not in argument.output
    empty = flask("token", "explain", input="")
    assert (empty.exit_code, empty.stderr) == (1, "Error: The standard input is empty.\n")


def test_no_control_sequence_in_a_token_reaches_the_terminal(flask: Callable[..., Result]) -> None:
    header = "eyJhIjoiXHUwMDFiWzMxbSIsIlx1MDAxYls0bSI6MX0"  # {"a": "\x1b[31m", "\x1b[4m": 1}
    result = flask("token", "explain", input=f"{header}.e30.AA")
    assert result.exit_code == 1
    assert "\x1b" not in result.output
