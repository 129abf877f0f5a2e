"""`python -m tests.fuzz SECONDS [TARGET...]`: atheris looks for inputs that a target fails at, this long for each.

It begins with the seeds, and keeps what reached new code in .fuzz/, for the next run. An input at which a target failed
is written there, too, and named in the output; `python -m tests.fuzz again TARGET FILE` tries it again, without atheris
(requirements-fuzz.txt).
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.fuzz.targets import TARGETS


def main(seconds: str, *names: str) -> int:
    """Run these targets, or all, each for so many seconds in a process of its own; how many failed."""
    command = [sys.executable, "-m", "tests.fuzz.one"]
    failed = [name for name in names or TARGETS if subprocess.call([*command, name, seconds])]
    if failed:
        sys.stderr.write(f"Failed: {', '.join(failed)}. What they failed at is in .fuzz/.\n")
    return len(failed)


def again(name: str, file: str) -> None:
    """Give a target the input in a file; it raises what it raises."""
    TARGETS[name](Path(file).read_bytes())


if __name__ == "__main__":
    if sys.argv[1:2] == ["again"]:
        again(*sys.argv[2:])
    else:
        sys.exit(main(*sys.argv[1:] or ["60"]))
