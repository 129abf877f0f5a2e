"""The memory that a process may take is read from the machine and its control groups, and compared with the hashes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app import config
from app.operations.memory import WORKER_BYTES, limit_bytes, too_little
from app.security.passwords import memory_bytes
from tests.api.service import SETTINGS

if TYPE_CHECKING:
    from pathlib import Path

MACHINE = {"proc/meminfo": "MemTotal:       2000000 kB\nMemFree:         1000000 kB\n"}
MACHINE_BYTES = 2_000_000 * 1024


def system(root: Path, files: dict[str, str]) -> Path:
    """A root folder with these files."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({}, MACHINE_BYTES),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "1073741824\n"}, 1 << 30),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n"}, MACHINE_BYTES),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": f"{1 << 50}\n"}, MACHINE_BYTES),
        (
            {
                "proc/self/cgroup": "0::/pods/one\n",
                "sys/fs/cgroup/pods/one/memory.max": "max\n",
                "sys/fs/cgroup/pods/memory.max": "1073741824\n",
            },
            1 << 30,
        ),
        (
            {
                "proc/self/cgroup": "5:cpu,memory:/docker/one\n0::/\n",
                "sys/fs/cgroup/memory/docker/one/memory.limit_in_bytes": "1073741824\n",
            },
            1 << 30,
        ),
        (
            {
                "proc/self/cgroup": "4:memory:/docker/seen-from-outside\n1:cpu:/\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "1073741824\n",
            },
            1 << 30,
        ),
    ],
    ids=[
        "machine",
        "version 2",
        "no limit",
        "more than the machine",
        "a group above",
        "version 1",
        "a container's root",
    ],
)
def test_the_limit_is_the_least_of_machine_and_groups(files: dict[str, str], limit: int, tmp_path: Path) -> None:
    assert limit_bytes(system(tmp_path, MACHINE | files)) == limit


def test_a_system_that_does_not_say_has_no_known_limit_and_is_not_warned_of(tmp_path: Path) -> None:
    assert limit_bytes(tmp_path) is None
    assert too_little(config.load(SETTINGS, dotenv=None), tmp_path) is None


def test_it_is_enough_for_all_workers_and_a_hash_in_each_thread_and_not_for_a_byte_less(tmp_path: Path) -> None:
    settings = config.load(
        SETTINGS | {"PASSWORD_HASH": "argon2id", "WEB_CONCURRENCY": "4", "HASH_THREADS": "3", "HASH_QUEUE": "1000"},
        dotenv=None,
    )
    needed = 4 * WORKER_BYTES + 4 * 3 * 19 * 1024 * 1024
    group = {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": str(needed)}

    assert too_little(settings, system(tmp_path, MACHINE | group)) is None
    wrong = too_little(settings, system(tmp_path, {"sys/fs/cgroup/memory.max": str(needed - 1)}))

    assert wrong is not None
    assert wrong.startswith("4 workers with 3 hashing threads each need up to 468 MiB, 228 of them for argon2id,")


def test_a_bcrypt_hash_takes_a_few_kilobytes() -> None:
    assert memory_bytes("bcrypt") < 10_000
