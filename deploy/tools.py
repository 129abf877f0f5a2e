"""Runs external programs to completion."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class ToolError(Exception):
    """A program is missing, or failed; the text is one line that says which. Its own output was shown already."""


def program(*names: str, package: str) -> str:
    """The path of the first of these programs that is installed; if none is, ToolError names the package."""
    for name in names:
        if found := shutil.which(name):
            return found
    raise ToolError(f"{names[0]} is missing: install {package}")


def run(command: Sequence[str], *, environment: Mapping[str, str] | None = None, reads: Path | None = None) -> None:
    """Run a command with additional variables and the file `reads` as its input; raises ToolError if it fails.

    Put passwords into files that only their owner can read: everybody on the machine can see a command line.
    """
    with open(reads or os.devnull, "rb") as source:  # noqa: PTH123 - os.devnull is not a Path
        done = subprocess.run(command, stdin=source, env={**os.environ, **(environment or {})}, check=False)
    if done.returncode != 0:
        raise ToolError(f"{command[0]} failed with status {done.returncode}")
