"""`flask passwords load` makes the file that BREACHED_PASSWORDS_FILE names, also before the service can start."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from app import config, wiring
from app.platform.failure import StartError
from app.security.breach_file import BreachFile
from tests.api.service import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

SHA1_OF_PASSWORD = "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8"


def test_hashes_and_words_are_loaded_from_a_file_or_the_standard_input(
    flask: Callable[..., Result], tmp_path: Path
) -> None:
    hashes, to = tmp_path / "hashes.txt", tmp_path / "breached"
    hashes.write_text(f"{SHA1_OF_PASSWORD}:52579\r\n")

    loaded = flask("passwords", "load", str(hashes), "--to", str(to))
    assert (loaded.exit_code, loaded.stdout) == (0, f"{to} has 1 breached passwords\n")
    assert BreachFile(to).contains("password")

    words = flask("passwords", "load", "-", "--plain", "--json", "--to", str(to), input="one\ntwo\n")
    assert json.loads(words.stdout) == {"entries": 2, "file": str(to)}
    assert BreachFile(to).contains("two")


def test_a_wrong_line_and_a_folder_that_is_missing_end_it_with_a_message(
    flask: Callable[..., Result], tmp_path: Path
) -> None:
    wrong = flask("passwords", "load", "-", "--to", str(tmp_path / "breached"), input="planted\n")
    missing = flask("passwords", "load", "-", "--to", str(tmp_path / "no" / "breached"), input=SHA1_OF_PASSWORD)

    assert (wrong.exit_code, missing.exit_code) == (1, 1)
    assert "Line 1 is not a SHA-1" in wrong.stderr
    assert "planted" not in wrong.stderr
    assert "cannot be made (No such file or directory)" in missing.stderr
    assert list(tmp_path.glob("*breached*")) == []


def test_the_start_refuses_an_unusable_file_with_the_line_to_set(tmp_path: Path) -> None:
    missing = tmp_path / "breached"
    settings = config.load(SETTINGS | {"BREACHED_PASSWORDS_FILE": str(missing)}, dotenv=None)

    with pytest.raises(StartError, match=rf"^BREACHED_PASSWORDS_FILE: .*flask passwords load FILE --to {missing}"):
        wiring.build(settings)


def test_the_file_can_be_made_where_the_settings_name_it_but_it_is_still_missing(
    flask: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BREACHED_PASSWORDS_FILE", str(tmp_path / "breached"))

    assert flask("passwords", "load", "-", input=SHA1_OF_PASSWORD).exit_code == 0
    assert BreachFile(tmp_path / "breached").count == 1


def test_only_one_of_the_file_and_the_range_service_can_be_set(tmp_path: Path) -> None:
    both = {"BREACHED_PASSWORDS_FILE": str(tmp_path / "breached"), "PASSWORD_BREACH_CHECK": "https://range.example.com"}
    with pytest.raises(config.ConfigurationError, match=r"^BREACHED_PASSWORDS_FILE: cannot be set together with"):
        config.load(SETTINGS | both, dotenv=None)
