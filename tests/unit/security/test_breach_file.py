"""A file of breached passwords knows what was loaded into it, and is refused or reported when it is unusable."""

from __future__ import annotations

import hashlib
import io
import os
import random
from typing import TYPE_CHECKING

import pytest
import structlog

from app.platform.errors import Unavailable
from app.security.breach_file import HEADER_BYTES, BreachFile, BrokenBreachFileError, entry_of
from app.security.breach_file_maker import WrongLineError, hashes_in, words_in, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

WORDS = [f"password number {number}" for number in range(5000)]


def sha1(word: str) -> str:
    return hashlib.sha1(word.encode(), usedforsecurity=False).hexdigest()


def made(path: Path, words: Iterable[str] = WORDS) -> Path:
    write(map(entry_of, words), path)
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return made(tmp_path / "breached")


def test_it_knows_every_password_that_was_loaded_and_no_other(file: Path) -> None:
    breached = BreachFile(file)

    assert breached.count == len(WORDS)
    assert all(map(breached.contains, WORDS))
    assert not any(breached.contains(f"{word}!") for word in WORDS)
    assert breached.check() is None


@pytest.mark.parametrize("number", [0, 1, 511, 512, 513, 1025])
def test_it_finds_the_first_and_the_last_of_any_number_of_entries(number: int, tmp_path: Path) -> None:
    words = WORDS[:number]
    breached = BreachFile(made(tmp_path / "breached", words))

    assert all(map(breached.contains, words))
    assert not breached.contains("none of them")


def test_entries_that_are_not_evenly_spread_are_found_in_few_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = sorted({*range(300_000), 2**64 - 1, *(2**63 + number for number in range(100_000))})
    write(entries, tmp_path / "breached")
    breached = BreachFile(tmp_path / "breached")
    reads: list[int] = []
    pread = os.pread

    def counted(descriptor: int, count: int, place: int) -> bytes:
        reads.append(place)
        return pread(descriptor, count, place)

    monkeypatch.setattr(os, "pread", counted)

    for wanted in (0, 299_999, 300_000, 2**63 - 1, 2**63, 2**63 + 99_999, 2**64 - 1):
        reads.clear()
        monkeypatch.setattr("app.security.breach_file.entry_of", lambda _, wanted=wanted: wanted)
        assert breached.contains("") is (wanted not in {300_000, 2**63 - 1})
        assert len(reads) <= 24


def test_lines_in_any_order_and_twice_give_the_same_file_as_sorted_ones(tmp_path: Path) -> None:
    lines = [f"{sha1(word)}:{number + 1}" for number, word in enumerate(WORDS)]
    mixed = [*lines, *(sha1(word).upper() for word in WORDS[:100]), ""]
    random.Random(7).shuffle(mixed)  # noqa: S311 - an order, not a secret
    write(hashes_in(io.BytesIO("\n".join(sorted(lines)).encode())), tmp_path / "sorted")
    # Pieces of 7 make 700 runs, more than are merged at once.
    count = write(hashes_in(io.BytesIO("\r\n".join(mixed).encode())), tmp_path / "mixed", piece=7)

    assert count == len(WORDS)
    assert (tmp_path / "mixed").read_bytes() == (tmp_path / "sorted").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mixed", "sorted"]


def test_a_count_of_zero_is_padding(tmp_path: Path) -> None:
    write(hashes_in(io.BytesIO(f"{sha1('padding')}:0\n{sha1('breached')}:1\n".encode())), tmp_path / "breached")
    breached = BreachFile(tmp_path / "breached")

    assert (breached.contains("padding"), breached.contains("breached")) == (False, True)


def test_plain_words_are_taken_as_they_are(tmp_path: Path) -> None:
    write(words_in(io.BytesIO("\ufeffgrüße \r\n\n pass:1\n".encode())), tmp_path / "breached")
    breached = BreachFile(tmp_path / "breached")

    assert [breached.contains(word) for word in ("grüße ", " pass:1", "grüße", "pass:1", "")] == [
        True, True, False, False, False,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "line",
    [b"secret-planted", b"0" * 39, b"0" * 41, b"0" * 40 + b":", b"0" * 40 + b":x", b"+" + b"0" * 39, b"x" * 9999],
)
def test_a_line_that_is_no_hash_is_named_by_its_number_and_changes_nothing(line: bytes, file: Path) -> None:
    before = file.read_bytes()

    with pytest.raises(WrongLineError, match=r"^Line 2 is ") as refused:
        write(hashes_in(io.BytesIO(b"0" * 40 + b"\n" + line)), file)

    assert "planted" not in str(refused.value)
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize(
    ("damage", "wrong"),
    [
        (lambda raw: raw[:-1], "instead of"),
        (lambda raw: raw + b"\0", "instead of"),
        (lambda raw: raw[:20], "not made by flask passwords load"),
        (lambda _: b"", "not made by flask passwords load"),
        (lambda _: b"password\n" * 100, "not made by flask passwords load"),
        (lambda raw: raw[:30] + bytes([raw[30] ^ 1]) + raw[31:], "header is damaged"),
        (lambda raw: raw[:9] + b"\2" + raw[10:], "another version"),
        (lambda raw: raw[:HEADER_BYTES] + bytes(len(raw) - HEADER_BYTES), "not in order"),
    ],
)
def test_a_broken_file_is_refused_when_it_is_opened(damage: Callable[[bytes], bytes], wrong: str, file: Path) -> None:
    file.write_bytes(damage(file.read_bytes()))

    with pytest.raises(BrokenBreachFileError, match=wrong):
        BreachFile(file)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BrokenBreachFileError, match="cannot be opened"):
        BreachFile(tmp_path / "missing")


def test_the_check_finds_an_entry_that_was_changed(file: Path) -> None:
    raw = bytearray(file.read_bytes())
    raw[-1] ^= 1
    file.write_bytes(raw)

    assert BreachFile(file).check() == "its checksum is wrong"


def test_a_file_that_replaces_it_is_used_at_the_next_look_up(file: Path) -> None:
    breached = BreachFile(file)
    made(file, ["a new one"])

    assert (breached.contains("a new one"), breached.contains(WORDS[0])) == (True, False)


def test_an_unusable_replacement_is_reported_once_and_the_former_one_goes_on(file: Path, tmp_path: Path) -> None:
    breached = BreachFile(file)
    with structlog.testing.capture_logs() as logs:
        (tmp_path / "other").write_text("no such file")
        (tmp_path / "other").replace(file)
        assert [breached.contains(WORDS[0]), breached.contains("unknown")] == [True, False]
        file.unlink()
        assert breached.contains(WORDS[0])

    assert [(line["log_level"], line["event"]) for line in logs] == [
        ("error", "a new file of breached passwords is not used")
    ]
    assert breached.check() is not None


@pytest.mark.parametrize("content", [b"overwritten", b"", b"overwritten " * len(WORDS)])
def test_a_file_that_is_overwritten_in_place_lets_no_password_through(content: bytes, file: Path) -> None:
    breached = BreachFile(file)
    assert not breached.contains("unknown")
    with file.open("r+b") as same:
        same.truncate(0)
        same.write(content)

    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            with pytest.raises(Unavailable):
                breached.contains("unknown")

    assert [line["log_level"] for line in logs] == ["error"] * 3
    made(file)
    assert breached.contains(WORDS[0])


def test_a_read_that_fails_lets_no_password_through(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    breached = BreachFile(file)

    def fails(*_: int) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "pread", fails)
    with structlog.testing.capture_logs() as logs, pytest.raises(Unavailable):
        breached.contains("unknown")

    assert [(line["log_level"], line["cause"]) for line in logs] == [("error", "Input/output error")]
