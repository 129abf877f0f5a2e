"""The `bash` blocks of a page of the documentation, run unchanged, in the order of the page, in one shell.

Only addresses and the virtual environment are replaced by those of the test. Where a command needs $CODE, somebody at
a browser opens the last authorization request that was printed, and types in what comes back.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from tests.servers.fixtures import require
from tests.servers.process import program
from tests.servers.service import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_BETWEEN = "\0"
_TYPES_CODE = "read -r CODE\n"


def commands_of(page: str) -> list[tuple[str, str]]:
    """Each command of the page, and the output that a block of JSON or text behind it shows; "" if none does."""
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [
        (text, shown if kind in {"json", "text"} else "")
        for (language, text), (kind, shown) in zip(blocks, [*blocks[1:], ("", "")], strict=True)
        if language == "bash"
    ]


def printed_by(
    commands: list[tuple[str, str]],
    *,
    folder: Path,
    names: Mapping[str, str],
    settings: Mapping[str, str] | None = None,
    visit: Callable[[str], str] | None = None,
) -> list[str]:
    """What each command prints.

    `names` are what the page calls what the test calls otherwise. `visit` opens an authorization request, and returns
    the address of the application that its user comes to.
    """
    for name in ("bash", "curl", "openssl"):
        require(None if program(name) else f"{name} is not installed")
    environment = Path(sys.executable).parent
    lines = [f"{_TYPES_CODE if visit and '$CODE' in command else ''}{command}" for command, _ in commands]
    script = _changed("\nprintf '\\0'\n".join(lines), names).replace(".venv/bin", str(environment))
    shell = subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env={"PATH": f"{environment}:/usr/bin:/bin", "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8", **(settings or {})},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # without a terminal, no password is asked for
    )
    said, typed = "", ""
    if visit is not None:
        assert shell.stdout is not None
        while "/oauth/authorize?" not in said or not said.endswith(_BETWEEN):
            letter = shell.stdout.read(1)
            assert letter, shell.communicate()[1]
            said += letter
        address = re.findall(r"http://\S+/oauth/authorize\?[^\s\0]+", said)[-1]
        typed = httpx.URL(visit(address)).params["code"] + "\n"
    rest, errors = shell.communicate(typed, timeout=60)
    assert shell.returncode == 0, f"{shell.returncode}: {errors}\n{said}{rest}"
    return [
        _changed(output, {ours: name for name, ours in names.items()}) for output in f"{said}{rest}".split(_BETWEEN)
    ]


def shortened_as(shown: Any, given: Any) -> Any:
    """What was given, but each text that `shown` has shortened by … as it is there, if the rest is the same."""
    if isinstance(shown, dict) and isinstance(given, dict):
        return {name: shortened_as(shown.get(name), _whole(name, value)) for name, value in given.items()}
    if isinstance(shown, list) and isinstance(given, list) and len(shown) == len(given):
        return [shortened_as(*pair) for pair in zip(shown, given, strict=True)]
    if isinstance(shown, str) and isinstance(given, str):
        pattern = ".+".join(re.escape(part) for part in shown.split("…"))
        return shown if re.fullmatch(pattern, given, re.DOTALL) else given
    return given


def _whole(name: str, value: Any) -> Any:
    """Access tokens live up to 5 % less than the setting, at random; all else is as given."""
    return 900 if name == "expires_in" and 855 <= value <= 900 else value


def _changed(text: str, names: Mapping[str, str]) -> str:
    for name, other in names.items():
        text = text.replace(name, other)
    return text
