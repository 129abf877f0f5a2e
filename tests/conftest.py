"""What all tests share: which of them run, and what is said at the end."""

import pytest

pytest_plugins = ["tests.servers.fixtures"]

SERVERS = {"mongo_server", "postgres_server", "mariadb_server", "redis_server"}
"""Fixtures that start the server of a store."""
PRODUCTS = {"mongodb", "postgresql", "mariadb", "redis"}
"""Parameters that stand for such a server."""
LEFT_OUT = (
    "Left out: all that needs a server, as MongoDB, PostgreSQL, MariaDB, Redis, nginx or a browser."
    " To run it, too: make tools, then make test-all (one file: pytest --all-stores FILE)."
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all-stores", action="store_true", help="run also what needs the server of a store")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without --all-stores only what runs on SQLite and in memory is left."""
    if not config.getoption("--all-stores"):
        config.hook.pytest_deselected(items=[item for item in items if _needs_a_server(item)])
        items[:] = [item for item in items if not _needs_a_server(item)]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if not config.getoption("--all-stores"):
        terminalreporter.write_line(LEFT_OUT)


def _needs_a_server(item: pytest.Item) -> bool:
    parameters = getattr(item, "callspec", None)
    if parameters is not None and PRODUCTS & {value for value in parameters.params.values() if isinstance(value, str)}:
        return True
    return bool(SERVERS & set(getattr(item, "fixturenames", ())))
