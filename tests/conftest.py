"""What all tests share: which of them run, where their files are, and what is said at the end."""

import gc
import os
import sys
from collections.abc import Callable, Generator
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import httpx._transports.default
import pytest
from hypothesis import settings
from werkzeug.routing import Rule

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

SERVED = Path(__file__).parent / "e2e"
"""Where the tests are that take long: those of the service as it is served."""
ENOUGH = 2**31
"""Bytes that have to be free in memory for the files of the tests."""


def pytest_configure() -> None:
    _keep_what_is_compiled()
    _have_temporary_files_in_memory()
    _compile_each_route_once()
    _read_certificates_once()


def _keep_what_is_compiled() -> None:
    """Let Python write its `.pyc` files, even where the environment forbids it, as in many containers.

    Or else each worker compiles all tests again, and each of the hundreds of processes they start the application.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


def _have_temporary_files_in_memory() -> None:
    """SQLite waits for the disk at each commit. Nothing is changed if memory has no room."""
    memory = Path("/dev/shm")  # noqa: S108 - pytest makes a folder of its own in it
    if memory.is_dir():
        state = os.statvfs(memory)
        if state.f_bavail * state.f_frsize >= ENOUGH and not state.f_flag & os.ST_NOEXEC:
            os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(memory))


def _compile_each_route_once() -> None:
    """Keep what werkzeug compiles for each route: nine tenths of the time in which an application is made."""
    compile_builder = Rule._compile_builder  # noqa: SLF001 - it has no other place to be quickened at
    kept: dict[object, Callable[..., tuple[str, str]]] = {}

    def once(rule: Rule, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:  # noqa: FBT001, FBT002 - as there
        key = (tuple(rule._trace), append_unknown)  # noqa: SLF001
        if rule.defaults or key not in kept:
            kept[key] = compile_builder(rule, append_unknown)
        return kept[key]

    Rule._compile_builder = once  # type: ignore[assignment, method-assign]  # noqa: SLF001


def _read_certificates_once() -> None:
    """Share what httpx makes of the certificates of all authorities: it takes 20 ms at each call of `httpx.get`."""
    module: Any = httpx._transports.default  # noqa: SLF001 - it has no other place to be quickened at
    create: Callable[..., Any] = module.create_ssl_context
    by_default = cache(create)

    def once(verify: Any = True, cert: Any = None, trust_env: bool = True) -> Any:  # noqa: FBT001, FBT002
        return by_default() if verify is True and cert is None else create(verify, cert, trust_env)

    module.create_ssl_context = once


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep the collector of garbage from looking at all tests and imports, again and again: a third of their CPU."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        gc.enable()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all-stores", action="store_true", help="run also what needs the server of a store")
    parser.addoption("--long", action="store_true", help="run also what takes long, as `make faults` does")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without --all-stores only what runs on SQLite and in memory is left; without --long, what is quick."""
    if not config.getoption("--all-stores"):
        _leave_out(config, items, _needs_a_server)
    if not config.getoption("--long"):
        _leave_out(config, items, lambda item: item.get_closest_marker("long") is not None)
    _begin_with_the_long_ones(config, items)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if not config.getoption("--all-stores"):
        terminalreporter.write_line(LEFT_OUT)


def _leave_out(config: pytest.Config, items: list[pytest.Item], which: Callable[[pytest.Item], bool]) -> None:
    config.hook.pytest_deselected(items=[item for item in items if which(item)])
    items[:] = [item for item in items if not which(item)]


def _begin_with_the_long_ones(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let every worker begin with some modules of the served tests, so that short tests are left for the end.

    `--dist worksteal` gives each worker an equal part of the list, and to one that has run its part some of another's
    end. Long tests there would keep one worker busy, and take the servers of a module up again in another one.
    """
    if not hasattr(config, "workerinput"):
        return
    workers: int = config.workerinput["workercount"]
    modules: dict[Path, list[pytest.Item]] = {}
    for item in items:
        if item.path.parent == SERVED:
            modules.setdefault(item.path, []).append(item)
    others = iter([item for item in items if item.path not in modules])
    left = len(items)
    items.clear()
    for worker in range(workers):
        served = [item for path in list(modules)[worker::workers] for item in modules[path]]
        size = left // (workers - worker)
        items += [*served, *islice(others, max(0, size - len(served)))]
        left -= size
    items += others


def _needs_a_server(item: pytest.Item) -> bool:
    parameters = getattr(item, "callspec", None)
    if parameters is not None and PRODUCTS & {value for value in parameters.params.values() if isinstance(value, str)}:
        return True
    return bool(SERVERS & set(getattr(item, "fixturenames", ())))
