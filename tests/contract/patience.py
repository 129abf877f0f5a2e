"""Time limits for the stores under test that a busy machine does not reach.

A race has many more threads than the machine has cores, and they wait for few connections: beside other work, the
limits that a request needs would make some of them Unavailable. A machine that stands still for a second or two does
the same to a single request. The limits themselves are tried by tests/contract/test_store.py and
tests/api/test_store_down.py, on stores of their own.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from pkgutil import walk_packages
from typing import Any

import app.store
from app.store.mongo import connection
from tests.stores import Store

SECONDS = 60
LIMITS = {
    "PLACE_SECONDS": SECONDS,
    "ANSWER_SECONDS": SECONDS,
    "OPERATION_SECONDS": SECONDS,
    "STATEMENT_MILLISECONDS": SECONDS * 1000,
    "_PLACE_SECONDS": SECONDS,  # of SQLite
    "_BUSY_SECONDS": SECONDS,
    "REQUEST_SECONDS": SECONDS,
}
"""The constants of `app/`, by their names in every module that has or imports them."""


def be_patient(change: Callable[[object, str, Any], None] = setattr) -> None:
    """Raise the limits, by `change(module, name, value)`: for stores that are made now, and for operations from now."""
    # A backend that is imported at its first use would keep what it finds then.
    for found in walk_packages(app.store.__path__, "app.store."):
        import_module(found.name)
    for module in [module for name, module in sys.modules.items() if name.startswith("app.")]:
        for limit in LIMITS.keys() & vars(module).keys():
            change(module, limit, LIMITS[limit])
    # A sign of life that comes late fails whatever waits for MongoDB.
    change(connection, "_DEFAULTS", connection._DEFAULTS | {"connectTimeoutMS": SECONDS * 1000})  # noqa: SLF001


def patiently(make: Callable[[], Store]) -> Store:
    """A store in a process that only races."""
    be_patient()
    return make()
