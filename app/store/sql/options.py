"""The options after the `?` of a database URL: each backend accepts those it knows, and refuses the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sqlalchemy import URL

HELP = "docs/deployment.md shows the URLs of managed databases, and what to write"


def options_of(url: URL, known: Collection[str], hints: Mapping[str, str]) -> dict[str, str]:
    """The `known` options of a URL, by name; the values of a repeated option are joined by commas.

    Raises ValueError for any other option, with its hint from `hints`, but never with its value, which may be a secret.
    """
    options = {}
    for name, value in url.query.items():
        if name not in known:
            shown = name if name.isascii() and name.isprintable() and len(name) <= 40 else "a word"  # noqa: PLR2004
            raise ValueError(f"{shown} is no option that it takes: {hints.get(name.lower(), HELP)}")
        options[name] = value if isinstance(value, str) else ",".join(value)
    return options


def seconds_of(options: Mapping[str, str], name: str, most: int) -> int:
    """The value of an option in whole seconds, from 1 to `most`; `most` if the option is not given."""
    text = options.get(name, str(most))
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= most):
        raise ValueError(f"{name} has to be from 1 to {most} seconds, since a request waits no longer: leave it out")
    return int(text)
