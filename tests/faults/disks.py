"""A disk so small that a test can fill it."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.servers.process import own_folder

_BYTES = 192 << 20
_PART = 1 << 20


@dataclass(frozen=True)
class Disk:
    """A file system of its own, at `folder`."""

    folder: Path

    @contextmanager
    def full(self) -> Iterator[None]:
        """Without a free byte, as long as the context lasts."""
        ballast = self.folder / "ballast"
        with ballast.open("wb", buffering=0) as file:
            part = b"\0" * _PART
            while part:
                try:
                    file.write(part)
                except OSError:
                    part = part[: len(part) // 2]
            yield
        ballast.unlink()


@pytest.fixture
def small_disk() -> Iterator[Disk]:
    """A file system in memory; the test is skipped where this user may not mount one, in CI, too."""
    with own_folder() as folder:
        try:
            _mount("-t", "tmpfs", "-o", f"size={_BYTES},mode=755", "tmpfs", folder)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("this user may not mount a file system")
        try:
            yield Disk(folder)
        finally:
            with suppress(subprocess.CalledProcessError):
                subprocess.run(["umount", "--lazy", folder], check=True)


def _mount(*arguments: object) -> None:
    subprocess.run(["mount", *map(str, arguments)], check=True, capture_output=True)
