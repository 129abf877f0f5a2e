"""What befalls the processes of the service themselves: they are killed, their clock jumps, their memory is short."""

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.clients import Request, clients, repeating
from tests.e2e.settings import PASSWORD, on_sqlite
from tests.faults.people import People, people
from tests.faults.person import Seen
from tests.servers.service import Service, service
from tests.servers.shifted import VARIABLE, set_ahead

pytestmark = pytest.mark.timeout(300)

AllKept = Callable[[People], Seen]
REGISTRATIONS = 1000
HOUR = 3600.0


@pytest.mark.faults("service killed")
@pytest.mark.parametrize(
    "registrations", [pytest.param(40, id="few"), pytest.param(REGISTRATIONS, id="thousand", marks=pytest.mark.long)]
)
def test_of_many_registrations_none_is_lost_when_every_process_is_killed_and_the_store_with_it(
    registrations: int, tmp_path: Path, settings: dict[str, str], all_kept: AllKept
) -> None:
    with (
        service(settings | on_sqlite(tmp_path)) as server,
        people(server.port, only_register=True, may_lose=True) as load,
    ):
        for kills in range(1, 4):
            load.until_registered(kills * registrations // 4)
            with load.during():
                server.kill()
                server.start()
        load.until_registered(registrations)
        seen = all_kept(load)
    assert seen.registered >= registrations


@pytest.mark.faults("clock jump")
@pytest.mark.parametrize(
    "seconds", [pytest.param(HOUR, id="forward", marks=pytest.mark.long), pytest.param(-HOUR, id="back")]
)
def test_a_clock_that_jumps_and_is_set_right_again_costs_nothing_that_was_acknowledged(
    seconds: float, tmp_path: Path, settings: dict[str, str], all_kept: AllKept
) -> None:
    clock = tmp_path / "clock"
    set_ahead(clock, 0)
    settings |= {VARIABLE: str(clock), **on_sqlite(tmp_path)}
    # Nobody resets a password: a mailed token is good for half an hour.
    with (
        service(settings, application="tests.servers.shifted:app") as server,
        people(server.port, clock_jumps=True) as load,
    ):
        load.go_on()
        for ahead in (seconds, 0):
            with load.during():
                set_ahead(clock, ahead)
            load.go_on(20)
        all_kept(load)


@contextmanager
def short_of_memory(server: Service) -> Iterator[None]:
    """Let the workers have no more address space than they have, for a while."""
    for pid in server.worker_pids():
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
        resource.prlimit(pid, resource.RLIMIT_AS, (pages * resource.getpagesize(), resource.RLIM_INFINITY))
    yield
    for pid in server.worker_pids():  # a new one is as the old one was
        resource.prlimit(pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@pytest.mark.long
@pytest.mark.faults("memory short")
def test_a_service_without_memory_refuses_requests_and_costs_nothing_that_was_acknowledged(
    tmp_path: Path, settings: dict[str, str], all_kept: AllKept
) -> None:
    # Without mail: Python waits for ever for a thread that starts, and then has no memory to run (docs/reliability.md).
    # Bodies that take memory, from more clients than there are threads so far.
    large = Request("/auth/register", content={"username": "x", "password": PASSWORD, "name": "x" * 60_000})
    with (
        service(settings | on_sqlite(tmp_path) | {"WEB_CONCURRENCY": "1"}) as server,
        people(server.port, may_lose=True) as load,
    ):
        load.go_on()
        with load.during(), short_of_memory(server), clients(server.port, [repeating(large)] * 48) as crowd:
            crowd.wait_for_more(3)
        load.go_on()
        all_kept(load)
        # A library in another language may abort the process; what the worker does itself may not end it.
        assert "Exception in worker process" not in server.log()
    assert crowd.statuses("/auth/register") <= {422, 503}
