"""What all tests share: which of them run, where their files are, and what is said at the end."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

pytest_plugins = ["tests.servers.fixtures"]

# A busy machine is not a failure. `pytest --hypothesis-profile thorough` looks longer, in a night or before a release.
settings.register_profile("ci", deadline=None, max_examples=50)
settings.register_profile("thorough", deadline=None, max_examples=2000)
settings.load_profile("ci")

SERVERS = {"mongo_server", "postgres_server", "mariadb_server", "redis_server"}
"""Fixtures that start the server of a store."""
PRODUCTS = {"mongodb", "postgresql", "mariadb", "redis"}
"""Parameters that stand for such a server."""
LEFT_OUT = (
    "Left out: all that needs a server, as MongoDB, PostgreSQL, MariaDB, Redis, nginx or a browser."
    " To run it, too: make tools, then make test-all (one file: pytest --all-stores FILE)."
)

ENOUGH = 2**31
"""Bytes that have to be free in memory for the files of the tests."""


def pytest_configure() -> None:
    """Have temporary files in memory, if there is room: SQLite waits for the disk at each commit."""
    memory = Path("/dev/shm")  # noqa: S108 - pytest makes a folder of its own in it
    if memory.is_dir():
        state = os.statvfs(memory)
        if state.f_bavail * state.f_frsize >= ENOUGH and not state.f_flag & os.ST_NOEXEC:
            os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(memory))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all-stores", action="store_true", help="run also what needs the server of a store")
    parser.addoption("--long", action="store_true", help="run also what takes long, as `make faults` does")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without --all-stores only what runs on SQLite and in memory is left; without --long, what is quick."""
    if not config.getoption("--all-stores"):
        _leave_out(config, items, _needs_a_server)
    if not config.getoption("--long"):
        _leave_out(config, items, lambda item: item.get_closest_marker("long") is not None)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if not config.getoption("--all-stores"):
        terminalreporter.write_line(LEFT_OUT)


def _leave_out(config: pytest.Config, items: list[pytest.Item], which: Callable[[pytest.Item], bool]) -> None:
    config.hook.pytest_deselected(items=[item for item in items if which(item)])
    items[:] = [item for item in items if not which(item)]


def _needs_a_server(item: pytest.Item) -> bool:
    parameters = getattr(item, "callspec", None)
    if parameters is not None and PRODUCTS & {value for value in parameters.params.values() if isinstance(value, str)}:
        return True
    return bool(SERVERS & set(getattr(item, "fixturenames", ())))
