"""`flask audit` finds what was done to audit events in the database, and exports them."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from tests.api.service import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result


@pytest.fixture
def users(flask: Callable[..., Result], prepared: None) -> None:
    """Three users, whose registrations are sealed events."""
    del prepared
    for name in ("ann", "bob", "eve"):
        created = flask("users", "create", "--username", name, "--password-stdin", input=PASSWORD)
        assert created.exit_code == 0, created.output
    assert flask("keys", "list").exit_code == 0
    verified = flask("audit", "verify")
    assert (verified.exit_code, verified.stdout) == (0, "records: 3; checkpoints: 1; all is well\n"), verified.output


def change(database: Path, statement: str) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        assert connection.execute(statement).rowcount


def verified(flask: Callable[..., Result], *arguments: str) -> tuple[int, dict[str, Any]]:
    """How `verify --json` exits, and what it prints."""
    result = flask("audit", "verify", "--json", *arguments)
    printed: dict[str, Any] = json.loads(result.stdout)
    return result.exit_code, printed


@pytest.mark.usefixtures("users")
@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("UPDATE events SET action = 'user.abducted' WHERE seq = 2", "changed"),
        ("UPDATE events SET user_id = 'eve' WHERE seq = 2", "changed"),
        ("DELETE FROM events WHERE seq = 2", "removed"),
        ("DELETE FROM event_links WHERE seq = 2", "missing"),
        ("DELETE FROM event_checkpoints", None),
    ],
)
def test_verify_reports_what_was_done_behind_the_back_of_the_service(
    flask: Callable[..., Result], fresh: Path, statement: str, kind: str | None
) -> None:
    change(fresh, statement)
    code, printed = verified(flask)
    kinds = {finding["kind"] for finding in printed["findings"]}
    assert (code, printed["verified"]) == ((1, False) if kind else (0, True))
    assert kind is None or kind in kinds
    plain = flask("audit", "verify")
    assert plain.exit_code == code
    assert ("record 2" in plain.stdout) == bool(kind)


@pytest.mark.usefixtures("users")
def test_checkpoints_kept_elsewhere_find_what_the_store_cannot(
    flask: Callable[..., Result], fresh: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "checkpoints.jsonl"
    assert flask("audit", "export", "--checkpoints", str(kept)).exit_code == 0
    assert verified(flask, "--checkpoints", str(kept))[0] == 0
    for statement in ("DELETE FROM events", "DELETE FROM event_links", "DELETE FROM event_checkpoints"):
        change(fresh, statement)
    assert verified(flask)[0] == 0
    code, printed = verified(flask, "--checkpoints", str(kept))
    assert code == 1
    assert [finding["message"] for finding in printed["findings"]] == [
        "checkpoint 1 is missing that was kept elsewhere"
    ]
    kept.write_text('{"number": 1}\n')
    refused = flask("audit", "verify", "--checkpoints", str(kept))
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "flask audit export --checkpoints" in refused.stderr


@pytest.mark.usefixtures("users")
def test_export_writes_each_event_with_its_link_into_a_file_for_its_owner(
    flask: Callable[..., Result], tmp_path: Path
) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text("former\n")
    file.chmod(0o644)
    assert flask("audit", "export", str(file)).exit_code == 0
    assert file.stat().st_mode & 0o777 == 0o600
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [(line["seq"], line["action"]) for line in lines] == [(number, "user.created") for number in (1, 2, 3)]
    assert lines[0]["seal"].keys() == {"sealed_at", "verdict", "content", "hash", "secret", "mac"}
    assert [each.name for each in tmp_path.iterdir() if "events" in each.name] == ["events.jsonl"]
    printed = flask("audit", "export")
    assert printed.stdout == file.read_text()
    later = flask("audit", "export", "--since", "2999-01-01T00:00:00Z")
    assert (later.exit_code, later.stdout) == (0, "")


def test_checkpoints_of_a_key_without_a_public_half_verify_when_it_is_gone(flask: Callable[..., Result]) -> None:
    settings = {"JWT_ALGORITHM": "HS256"}
    assert flask("db", "upgrade", **settings).exit_code == 0
    assert flask("users", "create", "--username", "ann", "--password-stdin", input=PASSWORD, **settings).exit_code == 0
    assert flask("audit", "verify", **settings).exit_code == 0
    assert flask("keys", "revoke", "--all", **settings).exit_code == 0
    assert "records: 1; checkpoints: 1; all is well" in flask("audit", "verify", **settings).stdout


@pytest.mark.usefixtures("users")
def test_export_refuses_a_file_that_it_cannot_write(flask: Callable[..., Result], tmp_path: Path) -> None:
    refused = flask("audit", "export", str(tmp_path / "missing" / "events.jsonl"))
    assert refused.exit_code == 1
    assert "cannot be written" in refused.stderr


@pytest.mark.usefixtures("prepared")
@pytest.mark.parametrize("command", ["verify", "export"])
def test_a_time_that_is_not_rfc_3339_is_a_wrong_use(flask: Callable[..., Result], command: str) -> None:
    refused = flask("audit", command, "--since", "yesterday")
    assert refused.exit_code == 2
    assert "RFC 3339" in refused.stderr
