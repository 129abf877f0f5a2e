"""The settings, typed and checked at the start. Nothing else reads the environment.

`load()` gives `Settings`, typed and in sections (`settings.server.port`, `settings.store.mongo_uri`), or
raises `ConfigurationError`, which names every wrong setting on a line of its own. `sections.py` and
`surroundings.py` define them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from app.config.profiles import Profile
from app.config.section import example_of, is_secret, name_of
from app.config.settings import Settings, definitions, sections
from app.config.sources import gather

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["ConfigurationError", "Profile", "Settings", "is_given", "load"]


_WORDS = {
    "value_error": "{error}",
    "int_parsing": "has to be a whole number",
    "greater_than_equal": "has to be at least {ge}",
    "less_than_equal": "has to be at most {le}",
    "literal_error": "has to be {expected}",
}
"""The words for pydantic's error types that operators see."""


class ConfigurationError(Exception):
    """Settings are wrong: `problems` holds a line for each, which is also the text of the error.

    A line names the setting, what is wrong and an example. It never holds the value: that may be a secret.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


def load(
    environ: Mapping[str, str] | None = None, dotenv: Path | None = Path(".env"), *, profile: Profile | None = None
) -> Settings:
    """The settings: from the environment, else from the file `dotenv`, else their defaults.

    `environ` defaults to the environment of the process. The file need not exist; None reads no file. `profile`
    replaces FLASK_ENV. Raises ConfigurationError with every wrong setting at once.
    """
    fields = {name: field for section in definitions().values() for name, field in section.items()}
    given, problems = gather(
        os.environ if environ is None else environ,
        dotenv,
        names=fields,
        secrets=[name for name, field in fields.items() if is_secret(field)],
    )
    if profile is not None:
        given["FLASK_ENV"] = profile
    settings = None
    try:
        settings = Settings.model_validate(dict.fromkeys(sections(), given))  # each section takes its own
    except ValidationError as error:
        problems += _lines(error)
    # Raised out here, so that the error does not carry pydantic's along, which holds the values.
    if settings is None or problems:
        raise ConfigurationError(problems)
    return settings


def is_given(name: str) -> bool:
    """Whether the environment or `.env` gives this setting, by its own name or by its `_FILE` twin, right or wrong."""
    given, _ = gather(os.environ, Path(".env"), names=[name], secrets=[name])
    return name in given


def _lines(error: ValidationError) -> list[str]:
    """One line for each setting that pydantic found wrong; several sections may report the same setting."""
    lines: dict[str, str] = {}
    for detail in error.errors(include_url=False, include_input=False):
        if detail["type"] == "default_factory_not_called":  # it depends on another setting, which is wrong
            continue
        section, attribute, *entry = detail["loc"]
        field = sections()[str(section)].model_fields[str(attribute)]
        name, example = name_of(field), example_of(field)
        place = f"entry {int(entry[0]) + 1} " if entry else ""
        words = _WORDS.get(detail["type"])
        wrong = words.format(**detail.get("ctx", {})) if words else detail["msg"]
        shown = f", for example {name}={example}" if example and f"{name}=" not in wrong else ""
        lines.setdefault(name, f"{name}: {place}{wrong}{shown}")
    return list(lines.values())
