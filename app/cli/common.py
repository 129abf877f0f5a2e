"""What the commands share."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TypeVar

import click
from flask import current_app

from app.config.secret_text import secret_text
from app.platform.errors import Failure, Unavailable
from app.platform.failure import StartError
from app.platform.log import reason_of
from app.security.secret_keys import SealedError
from app.store.unusable import UnusableStoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flask import Flask

    from app.config import Settings
    from app.store.store import Store

T = TypeVar("T")
EXTENSION = "latchkey"
"""Where Flask keeps the `Application`, or the StartError that says why there is none."""
as_json = click.option("--json", "as_json", is_flag=True, help="For programs: one JSON object, or one per line.")


class Application(Protocol):
    """What a command needs of the application in which it runs."""

    @property
    def settings(self) -> Settings: ...
    @property
    def store(self) -> Store: ...

    def get(self, kind: type[T]) -> T:
        """The part of this type; raises LookupError if the settings turn it off."""

    def find(self, kind: type[T]) -> T | None:
        """The part of this type, or None if the settings turn it off."""

    def prepare(self) -> None:
        """Make the store ready, as a start does. Raises StartError."""


def wired() -> Application:
    """The application in which the command runs; if the settings are wrong, there is none, and the command ends."""
    try:
        return running_in(current_app)
    except StartError as error:
        raise click.ClickException(str(error)) from None


def running_in(app: Flask) -> Application:
    """The application that Flask serves here. Raises StartError if it could not be built, and only has commands."""
    found: Application | StartError = app.extensions[EXTENSION]
    if isinstance(found, StartError):
        raise found
    return found


def say(facts: Mapping[str, object], line: str, *, as_json: bool) -> None:
    """Print a result: the line, or the facts as one line of JSON."""
    click.echo(json.dumps(facts) if as_json else line)


def secret_input(prompt: str, *, confirm: bool = False) -> str:
    """A secret, typed at a hidden prompt on a terminal, or else read from the standard input.

    Never from an argument, since every user of the machine can see those.
    """
    if sys.stdin.isatty():
        return str(click.prompt(prompt, hide_input=True, confirmation_prompt=confirm))
    try:
        return secret_text(sys.stdin.buffer.read())
    except ValueError as error:
        raise click.ClickException(f"The standard input {error}.") from None


def is_note(problem: str) -> bool:
    """Whether a line of `Store.problems` is a note, which needs no action."""
    return problem.startswith("note:")


@contextmanager
def failures_as_messages() -> Iterator[None]:
    """End the command with a message, not a traceback, when a service or the store fails."""
    try:
        yield
    except Unavailable as error:
        raise click.ClickException(f"{wired().store.common_name} does not answer: {reason_of(error)}") from None
    except UnusableStoreError as error:
        raise click.ClickException(f"{wired().store.common_name}: {error}") from None
    except SealedError as error:
        raise click.ClickException(
            f"SECRET_KEY: {error}; nothing was changed. Run this with the settings of the service"
        ) from None
    except StartError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:  # the folder or the file of an embedded database
        raise click.ClickException(
            f"{wired().store.common_name} cannot be made ready ({error.strerror or error})"
        ) from None
    except Failure as failure:
        details = "".join(f"\n  {error.field}: {error.message}" for error in failure.fields)
        raise click.ClickException(f"{failure.message}{details}") from None
