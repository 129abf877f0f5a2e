"""A former version of the service, to run beside this one.

`former.tar.xz` holds `app/`, `migrations/` and `gunicorn.conf.py` of the first version with the present schema, but
the list of common passwords, which is taken from this version. After a release whose schema an older instance cannot
use, `python -m tests.servers.former REVISION` writes it anew.
"""

from __future__ import annotations

import io
import lzma
import subprocess
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
ARCHIVE = Path(__file__).with_suffix(".tar.xz")
_PARTS = ("app", "migrations", "gunicorn.conf.py")
_PASSWORDS = Path("app/security/common_passwords.txt")


def unpack(folder: Path) -> Path:
    """Unpack the former version into this folder, and return it."""
    with tarfile.open(ARCHIVE, "r:xz") as archive:
        archive.extractall(folder, filter="data")
    (folder / _PASSWORDS).symlink_to(ROOT / _PASSWORDS)
    return folder


def pack(revision: str) -> None:
    """Write the archive from this revision of the repository."""
    command = ["git", "archive", "--format=tar", revision, *_PARTS, f":(exclude){_PASSWORDS}"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        assert _PASSWORDS.as_posix() not in archive.getnames()
    ARCHIVE.write_bytes(lzma.compress(done.stdout, preset=9 | lzma.PRESET_EXTREME))


if __name__ == "__main__":
    pack(sys.argv[1])
