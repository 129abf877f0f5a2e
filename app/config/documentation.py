"""The two files that list the settings for operators, made from the definitions.

`python -m app.config.documentation` renews both in the current directory; `tests/house` checks that they are current.
"""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from annotated_types import Ge, Le

from app.config.section import default_text_of, example_of, is_secret
from app.config.settings import definitions, sections

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

ENV_EXAMPLE = Path(".env.example")
GUIDE = Path("docs/configuration.md")
BEGIN = "<!-- settings: made by python -m app.config.documentation -->"
END = "<!-- end of settings -->"

_HEADER = """\
Copy this file to .env and remove the # before each setting that you want to set; development requires none.
The environment overrides .env, and an empty value means unset. Put a value with #, $ or spaces in single quotes.
A secret can be read from a file instead: NAME_FILE=/path/to/the/file."""
_WIDTH = 108


def env_example() -> str:
    """The text of `.env.example`: every setting with its default, commented out."""
    lines = [_comment(line) for line in _HEADER.splitlines()]
    for attribute, fields in definitions().items():
        lines += ["", f"# --- {_title(attribute)} ---"]
        for name, field in fields.items():
            notes = [*_description(field), _values(field), f"Default: {default_text_of(field)}."]
            lines += ["", *(_comment(line) for note in notes for line in textwrap.wrap(note, _WIDTH))]
            lines += [f"# {name}={example_of(field) or ''}"]
    return "\n".join(lines) + "\n"


def tables() -> str:
    """The tables of `docs/configuration.md`, one for each section."""
    lines: list[str] = []
    for attribute, fields in definitions().items():
        lines += ["", f"### {_title(attribute)}", "", "| setting | default | meaning |", "|---|---|---|"]
        for name, field in fields.items():
            notes = [*_description(field), _values(field)]
            if example := example_of(field):
                notes.append(f"Example: `{example}`.")
            if is_secret(field):
                notes.append(f"Secret; or `{name}_FILE`.")
            meaning = " ".join(note for note in notes if note).replace("|", "\\|")
            lines.append(f"| `{name}` | {default_text_of(field)} | {meaning} |")
    return "\n".join([*lines, ""])


def guide(text: str) -> str:
    """The text of `docs/configuration.md` with its tables renewed; the text around them stays."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{tables()}\n{END}{after}"


def _description(field: FieldInfo) -> list[str]:
    return (field.description or "").splitlines()


def _values(field: FieldInfo) -> str:
    """The values that a setting may have, if its type limits them; else an empty string."""
    if choices := [choice for choice in get_args(field.annotation) if isinstance(choice, str)]:
        return f"Values: {', '.join(choices)}."
    if field.annotation is bool:
        return "Values: on, off."
    least = [limit.ge for limit in field.metadata if isinstance(limit, Ge)]
    most = [limit.le for limit in field.metadata if isinstance(limit, Le)]
    if least and most:
        return f"Values: {least[0]} to {most[0]}."
    return f"Values: {least[0]} and more." if least else ""


def _title(attribute: str) -> str:
    return f"{attribute.capitalize()}: {sections()[attribute].__doc__}".rstrip(".")


def _comment(line: str) -> str:
    return f"# {line}"


if __name__ == "__main__":
    ENV_EXAMPLE.write_text(env_example(), encoding="utf-8")
    GUIDE.write_text(guide(GUIDE.read_text(encoding="utf-8")), encoding="utf-8")
