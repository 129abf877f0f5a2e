"""What development sees of mail: the console and the folder, with several processes writing."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from mailbox import Maildir
from pathlib import Path

import pytest

from app.mail.mail import Mail, MailFailedError, MailRefusedError
from app.mail.maildir import MOST_KEPT, MaildirMailer, newest

ROOT = Path(__file__).parents[3]


def mail(number: int, to: str = "ada@example.org") -> Mail:
    return Mail(f"id-{number}", to, f"Mail {number}", f"Grüße {number}\n", f"<p>Grüße {number}</p>\n")


class Away:
    """A mail server that is away."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def send(self, mail: Mail) -> None:
        self.asked.append(mail.id)
        raise MailFailedError("away")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "instance" / "mail"


def subjects(folder: Path, limit: int = MOST_KEPT) -> list[str]:
    return [sent.subject for sent in newest(folder, limit)]


def test_a_mail_is_kept_in_full(folder: Path) -> None:
    MaildirMailer(folder).send(mail(1))
    [sent] = newest(folder, 10)
    assert (sent.to, sent.subject) == ("ada@example.org", "Mail 1")
    assert (sent.text, sent.html) == ("Grüße 1\n", "<p>Grüße 1</p>\n")
    assert abs(datetime.now(UTC) - sent.sent_at) < timedelta(minutes=5)


def test_a_mail_is_shown_on_standard_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    MaildirMailer(folder).send(mail(1))
    shown = capsys.readouterr()
    assert "Mail to ada@example.org" in shown.err
    assert "Subject: Mail 1\n\nGrüße 1\n" in shown.err
    assert shown.out == ""


def test_the_newest_come_first_up_to_the_limit(folder: Path) -> None:
    for number in range(5):
        MaildirMailer(folder).send(mail(number))
    assert subjects(folder, 3) == ["Mail 4", "Mail 3", "Mail 2"]


def test_without_a_folder_there_are_no_mails(folder: Path) -> None:
    assert newest(folder, 10) == []
    folder.mkdir(parents=True)
    assert newest(folder, 10) == []


def test_only_this_user_can_look_into_the_folder(folder: Path) -> None:
    former = os.umask(0)
    try:
        MaildirMailer(folder).send(mail(1))
    finally:
        os.umask(former)
    assert folder.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.iterdir() if path.is_dir())


def test_old_mails_make_room_for_new_ones(folder: Path) -> None:
    mailer = MaildirMailer(folder)
    for number in range(MOST_KEPT + 3):
        mailer.send(mail(number))
    kept = subjects(folder, MOST_KEPT + 10)
    assert (len(kept), kept[0], kept[-1]) == (MOST_KEPT, f"Mail {MOST_KEPT + 2}", "Mail 3")


def test_several_threads_and_processes_keep_every_mail(folder: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from concurrent.futures import ThreadPoolExecutor;"
        "from app.mail.mail import Mail; from app.mail.maildir import MaildirMailer;"
        "mailer = MaildirMailer(Path(sys.argv[1])); sys.stdin.readline();"
        "mails = [Mail(f'{sys.argv[2]}-{n}', 'ada@example.org', f'{sys.argv[2]}-{n}', 't', 'h') for n in range(40)];"
        "list(ThreadPoolExecutor(8).map(mailer.send, mails))"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(folder), str(number)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        for number in range(4)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.flush()
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0] * 4
    assert sorted(subjects(folder)) == sorted(f"{process}-{n}" for process in range(4) for n in range(40))


def test_threads_that_write_in_the_same_instant_keep_every_mail(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mailbox.time.time", lambda: 1_800_000_000.5)
    mailer = MaildirMailer(folder)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: mailer.send(mail(number)), range(150)))
    assert sorted(subjects(folder)) == sorted(f"Mail {number}" for number in range(150))


def test_the_folder_stays_bounded_while_several_write(folder: Path) -> None:
    mailers = [MaildirMailer(folder) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: mailers[number % 4].send(mail(number)), range(MOST_KEPT + 100)))
    assert len(subjects(folder, 1000)) == MOST_KEPT


def test_changes_to_the_folder_by_a_mail_program_do_no_harm(folder: Path) -> None:
    MaildirMailer(folder).send(mail(1))
    box = Maildir(folder, create=False)
    [(key, message)] = box.items()
    message.set_subdir("cur")
    message.set_flags("S")
    box[key] = message
    (folder / "new" / "notes.txt").write_text("not a mail")
    MaildirMailer(folder).send(mail(2))
    assert subjects(folder) == ["Mail 2", "Mail 1"]


def test_a_mail_is_passed_on_and_kept_once_however_often_that_fails(folder: Path) -> None:
    away = Away()
    mailer = MaildirMailer(folder, then=away)
    for _ in range(3):
        with pytest.raises(MailFailedError):
            mailer.send(mail(1))
    assert away.asked == ["id-1"] * 3
    assert subjects(folder) == ["Mail 1"]


def test_a_mail_that_no_server_would_take_is_refused_here_too(folder: Path) -> None:
    with pytest.raises(MailRefusedError):
        MaildirMailer(folder).send(mail(1, to="ada@example.org\r\nBcc: eve@example.org"))
    assert newest(folder, 10) == []


def test_a_folder_that_cannot_be_written_is_a_failure_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(MailFailedError, match="file"):
        MaildirMailer(tmp_path / "file" / "mail").send(mail(1))
