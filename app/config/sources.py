"""Where settings come from: the environment before `.env`, and the files that `<SECRET>_FILE` names."""

from __future__ import annotations

import difflib
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from dotenv.parser import parse_stream
from pydantic import SecretStr

from app.config.secret_text import secret_text

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_COMPOSE_NAMES = re.compile(
    r"COMPOSE_\w+|MONGO_INITDB_\w+|GRAFANA_\w+|(HTTP|APP|PROMETHEUS)_PORT|(MONGO_APP|POSTGRES|MARIADB)_PASSWORD"
)
"""Names that docker compose reads from the same `.env`; the application ignores them."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Stands for a secret that cannot be read, so that it counts as set, but wrong."""

    reason: str


Given: TypeAlias = dict[str, str | SecretStr | Refused]
"""The given values, by the name of the setting. Secrets are wrapped at once, so that no log, error or traceback
shows them."""


def gather(
    environ: Mapping[str, str], dotenv: Path | None, *, names: Collection[str], secrets: Collection[str]
) -> tuple[Given, list[str]]:
    """The values given for the settings `names`, of which `secrets` are secret, and the faults of `.env`.

    An empty value means unset: compose passes empty values for variables that are not set.
    """
    twins = {file_name(secret) for secret in secrets}
    from_file, problems = _read_dotenv(dotenv, {*names, *twins}) if dotenv else ({}, [])
    texts = {name: text for source in (from_file, environ) for name, text in source.items() if text}
    given: Given = {}
    for name in names:
        value = _secret(name, texts) if name in secrets else texts.get(name)
        if value is not None:
            given[name] = value
    return given, problems


def origins(
    environ: Mapping[str, str], dotenv: Path | None, *, names: Collection[str], secrets: Collection[str]
) -> dict[str, str]:
    """Where each of the settings `names` that is given comes from: the environment, the file `dotenv`, or the file of a
    secret, whose path is not shown, since it may be the secret itself."""
    from_file, _ = _read_dotenv(dotenv, {*names, *map(file_name, secrets)}) if dotenv else ({}, [])

    def origin(name: str) -> str | None:
        if environ.get(name):
            return "environment"
        return str(dotenv) if from_file.get(name) else None

    found = {}
    for name in names:
        if (place := origin(name)) is not None:
            found[name] = place
        elif name in secrets and (place := origin(file_name(name))) is not None:
            found[name] = f"file, named by {file_name(name)} ({place})"
    return found


def file_name(secret: str) -> str:
    """The setting that names the file with the secret."""
    return f"{secret}_FILE"


def _secret(name: str, texts: Mapping[str, str]) -> SecretStr | Refused | None:
    text, path = texts.get(name), texts.get(file_name(name))
    if path is None:
        return None if text is None else SecretStr(text.strip())  # the same as it would be in a file
    if text is not None:
        return Refused(f"{file_name(name)} is set too; keep one of the two")
    # The path is not repeated: it may be the secret itself, written into the wrong variable.
    try:
        return SecretStr(secret_text(Path(path).read_bytes()))
    except OSError as error:
        return Refused(f"the file that {file_name(name)} names cannot be read ({error.strerror})")
    except ValueError as error:  # the path may hold a NUL, too
        return Refused(f"the file that {file_name(name)} names {error}")


def _read_dotenv(path: Path, known: Collection[str]) -> tuple[dict[str, str], list[str]]:
    """The variables of a `.env` file, and its faults. `${NAME}` in a value is not expanded."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}, []
    except (OSError, ValueError) as error:
        return {}, [f"{path}: cannot be read ({getattr(error, 'strerror', None) or 'not UTF-8 text'})"]
    texts: dict[str, str] = {}
    problems: list[str] = []
    for binding in parse_stream(io.StringIO(text)):
        original = binding.original.string  # begins with the blank lines before
        blank = original[: len(original) - len(original.lstrip())].count("\n")
        place = f"{path}, line {binding.original.line + blank}"
        if binding.error or (binding.key is not None and binding.value is None):
            problems.append(f"{place}: is not NAME=value, for example PORT=5000")
        elif binding.key is None or _COMPOSE_NAMES.fullmatch(binding.key):  # None is a comment or a blank line
            continue
        elif binding.key in known:
            texts[binding.key] = binding.value or ""
        else:
            problems.append(f"{place}: {_unknown(binding.key, known)}")
    return texts, problems


def _unknown(name: str, known: Collection[str]) -> str:
    nearest = difflib.get_close_matches(name.upper(), known, n=1)
    if nearest:
        return f"{name} is not a setting; did you mean {nearest[0]}?"
    # Text that does not look like a name may be the second line of a secret.
    shown = name if re.fullmatch(r"[A-Z][A-Z0-9_]{0,39}", name) else "this"
    return f"{shown} is not a setting; docs/configuration.md lists them all"
