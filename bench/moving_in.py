"""How long it takes to import many users from a file and to export them again, and how much memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from bench.servers import production

if TYPE_CHECKING:
    from collections.abc import Sequence

SIZES = (10_000, 100_000)
_HASH = "pbkdf2_sha256$1000000$abcdefghijklmnop$" + "A" * 43 + "="


@dataclass(frozen=True, slots=True)
class Run:
    """What a command took: seconds, seconds of a core, and at its peak MiB of memory."""

    seconds: float
    core_seconds: float
    mebibytes: float


def show(sizes: Sequence[int] = SIZES) -> int:
    """Measure each number of users on a new SQLite database; returns the exit status."""
    print(f"{'users':>9} {'command':>14} {'seconds':>8} {'of a core':>9} {'users/s':>8} {'MiB':>6}")
    for users in sizes:
        with TemporaryDirectory(prefix="latchkey-bench-") as name:
            folder = Path(name)
            settings = production(folder, {"DATABASE_URL": f"sqlite:///{folder}/latchkey.db"})
            _show(users, folder, {**os.environ, **settings})
    return 0


def _show(users: int, folder: Path, environment: dict[str, str]) -> None:
    file = folder / "users.json"
    _write(file, users)
    for name, arguments in (
        ("import", ("import", str(file), "--format", "django")),
        ("import again", ("import", str(file), "--format", "django")),
        ("export", ("export", str(folder / "out.jsonl"))),
    ):
        took = run(("users", *arguments), environment)
        figures = f"{took.seconds:>8.1f} {took.core_seconds:>9.1f} {users / took.seconds:>8,.0f} {took.mebibytes:>6.0f}"
        print(f"{users:>9,} {name:>14} {figures}", flush=True)


def _write(file: Path, users: int) -> None:
    """A dump of Django: one list, whose users have a name, an address and a hash."""
    with file.open("w") as out:
        out.write("[")
        for number in range(users):
            fields = {
                "username": f"user{number}", "email": f"user{number}@example.com", "password": _HASH,
                "first_name": "Ann", "last_name": "Example", "is_active": True, "date_joined": "2023-02-01T10:00:00Z",
            }  # fmt: skip
            out.write((", " if number else "") + json.dumps({"model": "auth.user", "pk": number, "fields": fields}))
        out.write("]")


def run(arguments: Sequence[str], environment: dict[str, str]) -> Run:
    """Run a command of `flask` to its end. Raises RuntimeError if it fails."""
    command = [sys.executable, "-m", "flask", "--app", "app", *arguments]
    began = time.monotonic()
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"flask {' '.join(arguments[:2])} exited with {process.returncode}")
    return Run(time.monotonic() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)
