"""Finds the hooks that the setting HOOKS names."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Final

from app.hooks.calls import Hooks
from app.platform.failure import StartError

if TYPE_CHECKING:
    from collections.abc import Sequence

GROUP: Final = "latchkey.hooks"
"""The group of the entry points that a package offers its hooks by."""
METHODS: Final = ("add_claims", "check_registration", "on_event")


def load(names: Sequence[str], seconds: float) -> Hooks:
    """The hooks of these names: `module:attribute`, or the name of an entry point. A class is called to make the hook.

    Raises StartError if one cannot be loaded, or is no hook: an instance without it would let in whom it refuses.
    """
    return Hooks([_load(name) for name in names], seconds)


def _load(name: str) -> object:
    entry = EntryPoint(name, name, GROUP) if ":" in name else _installed(name)
    try:
        found = entry.load()
        hook: object = found() if isinstance(found, type) else found
    except Exception as error:
        raise StartError(f"HOOKS: {name} cannot be loaded ({type(error).__name__}: {error})") from error
    if not any(callable(getattr(hook, method, None)) for method in METHODS):
        raise StartError(f"HOOKS: {name} has none of the methods {', '.join(METHODS)}")
    return hook


def _installed(name: str) -> EntryPoint:
    found = {entry.value: entry for entry in entry_points(group=GROUP, name=name)}
    if not found:
        raise StartError(
            f"HOOKS: no installed package has an entry point {name} in the group {GROUP}; name it as module:attribute"
        )
    if len(found) > 1:
        raise StartError(f"HOOKS: several installed packages have an entry point {name}; name it as module:attribute")
    return next(iter(found.values()))
