"""The secret in a file: made once, by one, for its owner only."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from app.security.secret_file import SecretFileError, keep, read_or_create

ROOT = Path(__file__).parents[3]
SECRET = "a secret that lies here already: 7h3"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "instance" / "secret_key"


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A secret file that already exists."""
    file = tmp_path / "secret_key"
    file.write_text(SECRET + "\n")
    file.chmod(0o600)
    return file


def test_a_missing_secret_is_made_and_kept(path: Path) -> None:
    secret = read_or_create(path)
    assert len(secret) == 64
    assert read_or_create(path) == secret
    assert path.read_text() == secret + "\n"
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_each_place_gets_a_secret_of_its_own(tmp_path: Path) -> None:
    assert read_or_create(tmp_path / "a") != read_or_create(tmp_path / "b")


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_only_the_owner_can_read_a_new_secret_whatever_the_umask(path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        read_or_create(path)
    finally:
        os.umask(before)
    assert (mode(path.parent), mode(path)) == (0o700, 0o600)


def test_an_existing_folder_stays_as_it_is(kept: Path) -> None:
    kept.parent.chmod(0o755)
    read_or_create(kept.parent / "another")
    assert mode(kept.parent) == 0o755


def test_the_secret_is_on_the_disk_before_its_name_and_the_name_before_it_is_returned(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, link = os.fsync, os.link

    def record_fsync(descriptor: int) -> None:
        steps.append("sync folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "sync file")
        fsync(descriptor)

    def record_link(source: Path, target: Path) -> None:
        steps.append("link")
        link(source, target)

    monkeypatch.setattr(os, "fsync", record_fsync)
    monkeypatch.setattr(os, "link", record_link)
    read_or_create(path)
    assert steps == ["sync file", "link", "sync folder"]


def test_sixteen_threads_get_the_same_secret(path: Path) -> None:
    for attempt in range(20):
        place = path.with_name(str(attempt))
        start = Barrier(16)

        def take(place: Path = place, start: Barrier = start) -> str:
            start.wait()
            return read_or_create(place)

        with ThreadPoolExecutor(16) as pool:
            taken = [future.result() for future in [pool.submit(take) for _ in range(16)]]
        assert set(taken) == {place.read_text().rstrip("\n")}
    assert len(list(path.parent.iterdir())) == 20


def test_four_processes_get_the_same_secrets(path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from app.security.secret_file import read_or_create\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "for number in range(50): print(read_or_create(Path(sys.argv[1]) / str(number)))"
    )
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(path.parent)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for _ in range(4)
    ]
    for racer in racers:
        assert racer.stdout
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin
        racer.stdin.write("go\n")
        racer.stdin.flush()
    printed = {racer.communicate()[0] for racer in racers}
    assert [racer.returncode for racer in racers] == [0, 0, 0, 0]
    assert len(printed) == 1
    assert len(set(printed.pop().split())) == 50
    assert len(list(path.parent.iterdir())) == 50


def test_a_loser_of_the_race_takes_the_secret_of_the_winner(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = os.link

    def link_after_another(source: Path, target: Path) -> None:
        Path(target).write_text(SECRET)
        Path(target).chmod(0o600)
        link(source, target)

    monkeypatch.setattr(os, "link", link_after_another)
    assert read_or_create(path) == SECRET
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_an_existing_secret_is_read_without_its_line_end(kept: Path, end: str) -> None:
    kept.write_bytes((SECRET + end).encode())
    assert read_or_create(kept) == SECRET


def test_a_secret_is_read_without_what_an_editor_puts_around_it(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\xef\xbb\xbf\n " + b"k" * 40 + b" \r\n\n")
    path.chmod(0o600)
    assert read_or_create(path) == "k" * 40
    keep(path, "k" * 40)  # it is the same one


@pytest.mark.parametrize("open_to", [0o640, 0o604, 0o660, 0o610, 0o777])
def test_others_lose_the_right_to_read_a_secret_of_ours(kept: Path, open_to: int) -> None:
    kept.chmod(open_to)
    assert read_or_create(kept) == SECRET
    assert mode(kept) == 0o600


def test_a_stricter_mode_is_left_alone(kept: Path) -> None:
    kept.chmod(0o400)
    assert read_or_create(kept) == SECRET
    assert mode(kept) == 0o400


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_foreign_secret_that_others_may_read_is_refused(kept: Path) -> None:
    kept.chmod(0o644)
    os.chown(kept, 65534, 65534)
    with pytest.raises(SecretFileError, match=f"{kept}: others may read this secret.*chmod 600"):
        read_or_create(kept)
    assert mode(kept) == 0o644


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (b"", "less than 32 characters"),
        (b"\n", "less than 32 characters"),
        (b"pl4nted" + b"x" * 24 + b"\n", "less than 32 characters"),
        (b"pl4nted" + b"\xff" * 40, "not UTF-8"),
        (("pl4nted" + "ä" * 40).encode(), "not ASCII"),
        (b"pl4nted" + b"x" * 40 + b"\nand more\n", "more than one line"),
    ],
)
def test_a_secret_that_is_empty_short_or_binary_is_an_error_that_names_the_file(
    kept: Path, content: bytes, wrong: str
) -> None:
    kept.write_bytes(content)
    with pytest.raises(SecretFileError, match=f"^{kept}: the secret .*{wrong}") as caught:
        read_or_create(kept)
    assert "pl4nted" not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None
    assert kept.read_bytes() == content


def test_a_place_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    place = tmp_path / "file" / "secret_key"
    with pytest.raises(SecretFileError, match=f"^{place}: the secret cannot be read or made"):
        read_or_create(place)


def test_a_folder_in_place_of_the_secret_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(SecretFileError, match=f"^{tmp_path}: .*Is a directory"):
        read_or_create(tmp_path)


def test_nothing_is_left_behind_when_the_secret_cannot_be_linked(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted", str(source), None, str(target))

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(SecretFileError, match="Operation not permitted"):
        read_or_create(path)
    assert list(path.parent.iterdir()) == []


def test_a_secret_that_is_given_is_kept_for_its_owner(path: Path) -> None:
    keep(path, SECRET)
    assert (read_or_create(path), mode(path)) == (SECRET, 0o600)


def test_another_secret_is_overwritten_only_with_the_option_for_it(kept: Path) -> None:
    with pytest.raises(SecretFileError, match=f"^{kept}: another secret is kept here$"):
        keep(kept, SECRET + "x")
    assert read_or_create(kept) == SECRET
    keep(kept, SECRET + "x", replace=True)
    assert (read_or_create(kept), mode(kept)) == (SECRET + "x", 0o600)
    assert [file.name for file in kept.parent.iterdir()] == [kept.name]


def test_a_secret_that_is_already_there_is_not_written_again(kept: Path) -> None:
    before = kept.stat()
    keep(kept, SECRET, replace=True)
    assert (kept.stat().st_ino, kept.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_given_secret_that_cannot_be_written_is_an_error_that_names_the_place(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    place = tmp_path / "file" / "secret_key"
    with pytest.raises(SecretFileError, match=f"^{place}: the secret cannot be read or made"):
        keep(place, SECRET)
