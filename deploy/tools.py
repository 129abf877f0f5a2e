"""Programs of others, run to their end."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class ToolError(Exception):
    """A program is missing, or failed; the text is a line that says which. What it said itself was shown already."""


def program(*names: str, package: str) -> str:
    """The path of the first of these programs that is installed; ToolError, which names the package, if none is."""
    for name in names:
        if found := shutil.which(name):
            return found
    raise ToolError(f"{names[0]} is missing: install {package}")


def run(command: Sequence[str], *, environment: Mapping[str, str] | None = None, reads: Path | None = None) -> None:
    """Run a command to its end, with these variables more and the file `reads` as its input; ToolError if it fails.

    Passwords belong into files that only their owner reads: everybody on the machine sees a command line.
    """
    with open(reads or os.devnull, "rb") as source:  # noqa: PTH123 - either is no Path
        done = subprocess.run(command, stdin=source, env={**os.environ, **(environment or {})}, check=False)
    if done.returncode != 0:
        raise ToolError(f"{command[0]} failed with status {done.returncode}")
