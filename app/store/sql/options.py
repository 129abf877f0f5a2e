"""What stands behind the `?` of a database URL: each product takes the words that it knows, and refuses the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sqlalchemy import URL

HELP = "docs/deployment.md has what managed databases hand out, and what to write"


def options_of(url: URL, known: Collection[str], hints: Mapping[str, str]) -> dict[str, str]:
    """The options of a URL that are `known`, by name; one that comes several times is joined by commas.

    Raises ValueError for any other, with what `hints` says of it; never with its value, which may be a secret.
    """
    options = {}
    for name, value in url.query.items():
        if name not in known:
            shown = name if name.isascii() and name.isprintable() and len(name) <= 40 else "a word"  # noqa: PLR2004
            raise ValueError(f"{shown} is no option that it takes: {hints.get(name.lower(), HELP)}")
        options[name] = value if isinstance(value, str) else ",".join(value)
    return options


def seconds_of(options: Mapping[str, str], name: str, most: int) -> int:
    """The whole seconds that an option gives, from 1 to `most`; `most` without it."""
    text = options.get(name, str(most))
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= most):
        raise ValueError(f"{name} has to be from 1 to {most} seconds, since a request waits no longer: leave it out")
    return int(text)
