"""What a process is made of: each part is found by its type, and built once, by the factory of its feature."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from app.config import Settings
    from app.platform.clock import Clock
    from app.platform.instrumentation import Observer

    Factory = Callable[["Container"], object]
    """Builds a part from others; None if the settings turn it off."""

T = TypeVar("T")


class Container:
    """Holds the parts of the application. A part may ask for others while it is built; the order does not matter."""

    def __init__(self, settings: Settings, clock: Clock, observer: Observer, factories: Mapping[type, Factory]) -> None:
        self.settings = settings
        self.clock = clock
        self.observer = observer
        self._factories = factories
        self._built: dict[type, object] = {}
        self._being_built: list[type] = []

    def get(self, kind: type[T]) -> T:
        """The part of this type. Raises LookupError if nothing makes one, or the settings turn it off."""
        part = self.find(kind)
        if part is None:
            raise LookupError(f"{kind.__name__} is turned off by the settings")
        return part

    def find(self, kind: type[T]) -> T | None:
        """The part of this type, or None if the settings turn it off. Raises LookupError if nothing makes one."""
        if kind not in self._built:
            self._built[kind] = self._build(kind)
        return cast("T | None", self._built[kind])

    def build_all(self) -> None:
        """Build every part. Called before the fork: so a missing part stops the start, and workers share memory."""
        for kind in self._factories:
            self.find(kind)

    def _build(self, kind: type) -> object:
        factory = self._factories.get(kind)
        if factory is None:
            raise LookupError(f"nothing makes {kind.__name__}: declare its factory in a Feature")
        if kind in self._being_built:
            circle = " -> ".join(each.__name__ for each in (*self._being_built, kind))
            raise LookupError(f"these parts need each other: {circle}")
        self._being_built.append(kind)
        try:
            return factory(self)
        finally:
            self._being_built.pop()
