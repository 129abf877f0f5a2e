"""The log is one JSON object per line, or lines for people, as the settings say."""

from __future__ import annotations

import json
import logging
import os
import resource
import signal
import sys
from contextlib import suppress
from stat import S_IMODE
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from psycopg.errors import UniqueViolation
from pymongo.errors import DuplicateKeyError, ServerSelectionTimeoutError
from pymysql.err import IntegrityError as Twice
from pymysql.err import OperationalError as NoAnswer
from sqlalchemy.exc import IntegrityError, OperationalError

from app import config
from app.platform import log
from tests.api.service import PASSWORD, SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HOSTILE = '\r\n\u0085\u2028\x9b\x1b[31m\x00{"event": "forged"}"\\é😀'
FAULT = ValueError("a fault")


@pytest.fixture
def configure(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Sets up the log; returns its file. Everything is put back after the test."""
    root, alembic = logging.getLogger(), logging.getLogger("alembic")
    before = (structlog.get_config(), root.handlers[:], root.level, alembic.level)
    file = tmp_path / "latchkey.log"
    opened: list[Any] = []

    def configure(**settings: str) -> Path:
        log.configure(config.load(SETTINGS | {"LOG_FILE": str(file)} | settings, dotenv=None))
        opened.extend(root.handlers)
        return file

    yield configure
    structlog.configure(**before[0])
    root.handlers[:] = before[1]
    root.setLevel(before[2])
    alembic.setLevel(before[3])
    for handler in opened:
        if handler.stream is not sys.stderr:
            handler.stream.close()


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_an_event_is_one_json_object_in_a_line(configure: Callable[..., Path]) -> None:
    file = configure()

    structlog.get_logger("a").info("an event", number=1, text=HOSTILE, thing=FAULT)
    logging.getLogger("a.library").warning("told by %s\n%s", "a library", HOSTILE)

    first, second = lines(file)
    assert first.pop("timestamp").endswith("Z")
    assert first == {"event": "an event", "level": "info", "number": 1, "text": HOSTILE, "thing": repr(FAULT)}
    assert second["event"] == f"told by a library\n{HOSTILE}"
    assert (second["level"], second["logger"]) == ("warning", "a.library")
    assert file.read_bytes().isascii()
    assert b"\x1b" not in file.read_bytes()


def test_facts_appear_on_every_line_inside_unless_it_has_its_own(configure: Callable[..., Path]) -> None:
    file = configure()

    with log.telling({"request_id": "7"}):
        structlog.get_logger("a").info("ours")
        structlog.get_logger("a").info("its own", request_id="8")
        logging.getLogger("a.library").warning("theirs")
    structlog.get_logger("a").info("later")

    assert [line.get("request_id") for line in lines(file)] == ["7", "8", "7", None]


def test_a_lone_surrogate_does_not_stop_the_log(configure: Callable[..., Path]) -> None:
    file = configure()

    structlog.get_logger("a").info("an event", text="\ud800")

    assert lines(file)[0]["text"] == "\ud800"


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_is_logged_without_the_values_of_variables(form: str, configure: Callable[..., Path]) -> None:
    file = configure(LOG_FORMAT=form)
    password = PASSWORD + "!"
    try:
        int(f"{len(password)} is no number")
    except ValueError:
        structlog.get_logger("a").exception("fault")
        logging.getLogger("a.library").exception("fault")

    text = file.read_text(encoding="utf-8")
    assert text.count("Traceback (most recent call last)") == 2
    assert "ValueError: invalid literal" in text
    assert password not in text


_PLANTED = "ann@example.com"
_ANSWERS = {
    "psycopg": (IntegrityError("INSERT", {}, UniqueViolation(f"twice\nDETAIL: Key ({_PLANTED})")), "23505"),
    "pymysql": (IntegrityError("INSERT", {}, Twice(1062, f"Duplicate '{_PLANTED}'", sqlstate="23000")), "23000"),
    "pymongo": (DuplicateKeyError(f"dup key: {_PLANTED}", 11000, {"keyValue": _PLANTED}), "11000"),
}


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("driver", _ANSWERS)
def test_a_database_error_is_reported_only_by_its_code(driver: str, form: str, configure: Callable[..., Path]) -> None:
    file, (answer, code) = configure(LOG_FORMAT=form), _ANSWERS[driver]
    for name in ("structlog", "library"):
        try:
            raise answer from getattr(answer, "orig", None)
        except type(answer):
            (structlog.get_logger("a") if name == "structlog" else logging.getLogger("a.library")).exception("fault")

    assert log.told_by(answer) == code
    text = file.read_text(encoding="utf-8")
    assert _PLANTED not in text
    assert text.count(f"{type(answer).__name__}: {code}") >= 2


@pytest.mark.parametrize(
    "lost",
    [
        OperationalError(None, {}, NoAnswer(2003, "Can't connect to 'db.example'")),
        ServerSelectionTimeoutError("Can't connect to 'db.example'"),
        ConnectionRefusedError(111, "Can't connect to 'db.example'"),
    ],
)
def test_the_reason_a_database_cannot_be_reached_is_given_in_words(lost: Exception) -> None:
    assert "Can't connect to 'db.example'" in log.told_by(lost)


def test_lines_for_people_hold_the_same(configure: Callable[..., Path]) -> None:
    file = configure(LOG_FORMAT="console")

    structlog.get_logger("a").info("an event", number=1)
    logging.getLogger("a.library").warning("told")

    first, second = file.read_text(encoding="utf-8").splitlines()
    assert "an event" in first
    assert "number=1" in first
    assert "told" in second
    assert "\x1b" not in first  # no colours in a file


def test_a_log_file_is_appended_to(configure: Callable[..., Path]) -> None:
    file = configure()
    structlog.get_logger("a").info("first")
    configure()
    structlog.get_logger("b").info("second")

    assert [line["event"] for line in lines(file)] == ["first", "second"]


def test_without_a_file_the_log_goes_to_standard_error(
    configure: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    configure(LOG_FILE="")

    structlog.get_logger("a").info("an event")

    captured = capsys.readouterr()
    assert json.loads(captured.err)["event"] == "an event"
    assert captured.out == ""


@pytest.mark.parametrize(
    ("level", "ours", "theirs"),
    [
        ("debug", ["debug", "info", "warning", "error"], ["info", "warning", "error"]),
        ("info", ["info", "warning", "error"], ["info", "warning", "error"]),
        ("WARNING", ["warning", "error"], ["warning", "error"]),
        ("critical", [], []),
    ],
)
def test_less_severe_events_than_the_setting_are_left_out_and_the_debug_lines_of_libraries_always(
    level: str, ours: list[str], theirs: list[str], configure: Callable[..., Path]
) -> None:
    file = configure(LOG_LEVEL=level)
    for name in ("debug", "info", "warning", "error"):
        getattr(structlog.get_logger("a"), name)("ours")
        getattr(logging.getLogger("a.library"), name)("theirs")

    logged = lines(file)
    assert [line["level"] for line in logged if line["event"] == "ours"] == ours
    assert [line["level"] for line in logged if line["event"] == "theirs"] == theirs


def test_a_file_that_cannot_be_opened_is_an_error(configure: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file or directory"):
        configure(LOG_FILE=str(tmp_path / "missing" / "latchkey.log"))


@pytest.mark.parametrize(("umask", "mode"), [(0o000, 0o640), (0o022, 0o640), (0o077, 0o600)])
def test_a_new_file_is_private_whatever_the_umask(umask: int, mode: int, configure: Callable[..., Path]) -> None:
    before = os.umask(umask)
    try:
        file = configure()
    finally:
        os.umask(before)

    assert S_IMODE(file.stat().st_mode) == mode


def test_a_line_that_cannot_be_written_to_the_file_is_lost_and_nothing_else(
    configure: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    configure(LOG_FILE="/dev/full")

    for _ in range(3):
        structlog.get_logger("a").info("an event")
        logging.getLogger("a.library").warning("another")

    assert capsys.readouterr().err == "LOG_FILE cannot be written (No space left on device): its lines are lost\n"


def test_after_a_truncated_line_the_next_one_begins_on_a_new_line(configure: Callable[..., Path]) -> None:
    file = configure()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20, hard))
        structlog.get_logger("a").info("cut")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    structlog.get_logger("a").info("whole")

    cut, whole = file.read_text().splitlines()
    assert len(cut) == 20
    assert json.loads(whole)["event"] == "whole"


@pytest.mark.parametrize("gone", ["closed", "broken pipe", "none"])
def test_without_a_reader_of_standard_error_lines_are_lost_and_nothing_else(
    gone: str, configure: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    stream = os.fdopen(writing, "w", buffering=1)
    if gone == "closed":
        stream.close()
    monkeypatch.setattr(sys, "stderr", None if gone == "none" else stream)
    configure(LOG_FILE="")

    for _ in range(3):
        structlog.get_logger("a").info("an event")
        logging.getLogger("a.library").warning("another")

    with suppress(OSError):  # of what waits in its buffer
        stream.close()
