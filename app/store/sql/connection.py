"""What repositories use of a connection: SQLAlchemy's own has it, and so has that of SQLite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Executable

    Rows: TypeAlias = Sequence[Sequence[Any]]
    Parameters: TypeAlias = Mapping[str, Any] | list[Mapping[str, Any]]


class Result(Protocol):
    """What a statement gave."""

    @property
    def rowcount(self) -> int:
        """How many rows a write changed; of an INSERT, not every driver knows it: -1."""

    def all(self) -> Rows: ...

    def first(self) -> Sequence[Any] | None: ...

    def scalar(self) -> Any:  # noqa: ANN401 - whatever the column is
        """The first column of the first row; None if there is no row."""


class Connection(Protocol):
    """Runs statements; their errors are SQLAlchemy's, whoever runs them."""

    def execute(self, statement: Executable, parameters: Parameters | None = None, /) -> Result:
        """Run a statement once, or once for each set in a list of parameters."""

    def close(self) -> None: ...
