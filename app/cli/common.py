"""What the commands share."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

import click
from flask import current_app

from app.errors import Failure, Unavailable
from app.models.store import UnusableStoreError
from app.wiring import reason_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.wiring import Wired


def wired() -> Wired:
    """The application that the command runs in."""
    return cast("Wired", current_app.extensions["latchkey"])


def is_note(problem: str) -> bool:
    """Whether a line of `Store.problems` tells of what need not be mended."""
    return problem.startswith("note:")


@contextmanager
def failures_as_messages() -> Iterator[None]:
    """A failure of a service or the store ends the command with its message, not with a traceback."""
    try:
        yield
    except Unavailable as error:
        raise click.ClickException(f"{wired().store.product} does not answer: {reason_of(error)}") from None
    except UnusableStoreError as error:
        raise click.ClickException(f"{wired().store.product}: {error}") from None
    except Failure as failure:
        details = "".join(f"\n  {error.field}: {error.message}" for error in failure.fields)
        raise click.ClickException(f"{failure.message}{details}") from None
