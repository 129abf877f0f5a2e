"""Every setting with its value and where it comes from, as operators may see it: secrets are masked."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from app.config.section import is_secret, name_of
from app.config.settings import definitions
from app.config.sources import origins

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from app.config.settings import Settings

MASK = "********"
"""Of the same length for every secret."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A setting. `value` is as it would be written in `.env`, MASK for a secret, None if it has none."""

    name: str
    value: str | None
    origin: str
    secret: bool


def listed(
    settings: Settings, environ: Mapping[str, str] | None = None, dotenv: Path | None = Path(".env")
) -> list[Listed]:
    """All settings, in the order of the documentation. Those that are given nowhere have their `default`."""
    known = definitions()
    secrets = [name for fields in known.values() for name, field in fields.items() if is_secret(field)]
    names = [name for fields in known.values() for name in fields]
    found = origins(os.environ if environ is None else environ, dotenv, names=names, secrets=secrets)
    return [
        Listed(
            name,
            _shown(getattr(section, attribute), secret=name in secrets),
            found.get(name, "default"),
            name in secrets,
        )
        for section, fields in ((getattr(settings, each), fields) for each, fields in known.items())
        for attribute, field in type(section).model_fields.items()
        if (name := name_of(field)) in fields
    ]


def _shown(value: object, *, secret: bool) -> str | None:
    if value is None or value == ():
        return None
    if secret or isinstance(value, SecretStr):
        return MASK
    if isinstance(value, bool):
        return "on" if value else "off"
    return _joined(value) if isinstance(value, tuple) else str(value)


def _joined(values: Iterable[object]) -> str:
    return ",".join(map(str, values))
