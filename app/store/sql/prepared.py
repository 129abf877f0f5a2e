"""Statements of SQLAlchemy in the form in which a driver takes them, compiled once.

SQLAlchemy compiles once, too, but finding the compiled form and setting up its execution costs it twice as much time as
SQLite takes to answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, cast
from weakref import WeakKeyDictionary

from sqlalchemy import ReturnsRows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import ClauseElement, Dialect, Executable
    from sqlalchemy.sql.compiler import SQLCompiler

    from app.store.sql.connection import Rows

    Processor: TypeAlias = Callable[[Any], Any]


class PreparedStatements:
    """The prepared forms of all statements that were asked for. Statements are constants of their modules."""

    def __init__(self, dialect: Dialect) -> None:
        """`dialect` has to take its parameters by their position."""
        self._dialect = dialect
        # By the statement itself, since it never changes: SQLAlchemy's key would be computed anew each time.
        self._forms: WeakKeyDictionary[Executable, dict[tuple[str, ...], Prepared]] = WeakKeyDictionary()

    def form(self, statement: Executable, parameters: Mapping[str, Any]) -> Prepared:
        """The statement for parameters of these names: they decide which columns an INSERT or UPDATE sets."""
        names = tuple(parameters)
        forms = self._forms.get(statement)
        if forms is None:
            forms = self._forms[statement] = {}
        form = forms.get(names)
        if form is None:
            form = forms[names] = Prepared(statement, names, self._dialect)
        return form


class Prepared:
    """One statement, for parameters of certain names."""

    def __init__(self, statement: Executable, names: Sequence[str], dialect: Dialect) -> None:
        """Raises what SQLAlchemy raises for a missing parameter or an unknown column."""
        made = cast("ClauseElement", statement).compile(dialect=dialect, column_keys=list(names))
        compiled = cast("SQLCompiler", made)
        if compiled.prefetch:
            raise TypeError(f"a default that Python computes cannot be prepared: {compiled.prefetch}")
        self._compiled = compiled
        self._to_driver: dict[str, Processor] = {
            name: processor
            for name, bind in compiled.binds.items()
            if (processor := bind.type.dialect_impl(dialect).bind_processor(dialect)) is not None
        }
        columns = statement.exported_columns if isinstance(statement, ReturnsRows) else ()
        self._from_driver: list[tuple[int, Processor]] = [
            (place, processor)
            for place, column in enumerate(columns)
            if (processor := column.type.dialect_impl(dialect).result_processor(dialect, None)) is not None
        ]
        self._text = compiled.string
        # The text of an `IN` depends on how many values it gets.
        self._expands = bool(compiled.post_compile_params or compiled.literal_execute_params)
        self._places = [] if self._expands else self._fixed_places(names)

    def call(self, parameters: Mapping[str, Any]) -> tuple[str, list[Any]]:
        """The text and the values that the driver executes."""
        if self._expands:
            return self._expanded(parameters)
        return self._text, self.values(parameters)

    def many(self, several: Sequence[Mapping[str, Any]]) -> tuple[str, list[list[Any]]]:
        """The text and the values of each execution."""
        if self._expands:
            raise TypeError("a list of values cannot be given to several executions")
        return self._text, [self.values(parameters) for parameters in several]

    def values(self, parameters: Mapping[str, Any]) -> list[Any]:
        return [
            constant if name is None else parameters[name] if processor is None else processor(parameters[name])
            for name, processor, constant in self._places
        ]

    def rows(self, fetched: list[tuple[Any, ...]]) -> Rows:
        """The rows as the types of their columns give them."""
        if not self._from_driver:
            return fetched
        return [self._row(row) for row in fetched]

    def _row(self, fetched: tuple[Any, ...]) -> Sequence[Any]:
        row = list(fetched)
        for place, processor in self._from_driver:
            row[place] = processor(row[place])
        return tuple(row)

    def _fixed_places(self, names: Sequence[str]) -> list[tuple[str | None, Processor | None, Any]]:
        """For each place in the text the name of its parameter, or else the constant that the statement has there."""
        known = self._compiled.construct_params(dict.fromkeys(names))
        places: list[tuple[str | None, Processor | None, Any]] = []
        for name in self._compiled.positiontup or ():
            processor = self._to_driver.get(name)
            if name in names:
                places.append((name, processor, None))
            else:
                places.append((None, None, known[name] if processor is None else processor(known[name])))
        return places

    def _expanded(self, parameters: Mapping[str, Any]) -> tuple[str, list[Any]]:
        state = self._compiled.construct_expanded_state(parameters)
        processors = {**self._to_driver, **state.processors}
        values = [
            processors[name](state.parameters[name]) if name in processors else state.parameters[name]
            for name in state.positiontup or ()
        ]
        return state.statement, values
