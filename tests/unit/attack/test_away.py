"""A check whose requests fail has not passed."""

from collections.abc import Iterator

import pytest

from attack.accounts import Account
from attack.budget import Budget
from attack.check import Check, InconclusiveError, NotApplicableError, Result
from attack.checks import CHECKS
from attack.probe import Probe
from attack.run import CannotExamineError, examine
from attack.target import Target
from attack.wire import UnreachableError
from tests.e2e.foreign import Foreign, foreign
from tests.servers.process import free_port

PLENTY = 1000
EACH = pytest.mark.parametrize(
    "check", [check for check in CHECKS if check.name != "tls"], ids=lambda check: check.name
)
"""All that ask something: `tls` only looks at the URL."""


def probe_of(port: int, scheme: str = "http") -> Probe:
    given = Account("given", "a password", "given@example.com", token="a.b.c", exists=True)
    place = Target("http", "127.0.0.1", port)
    target = Target(scheme, "127.0.0.1", port)
    return Probe(
        target, Budget(PLENTY, PLENTY, PLENTY), "test", given=given, guarded=place, guarded_path="/admin", idle=0.01
    )


def result(check: Check, probe: Probe) -> Result:
    try:
        return check.run(probe).result
    except NotApplicableError:
        return Result.NOT_APPLICABLE
    except (InconclusiveError, UnreachableError):
        return Result.INCONCLUSIVE


@EACH
def test_where_nobody_listens_nothing_passes(check: Check) -> None:
    for scheme in ("http", "https"):
        assert result(check, probe_of(free_port(), scheme)) in {Result.INCONCLUSIVE, Result.NOT_APPLICABLE}, scheme


@pytest.fixture(scope="module")
def server() -> Iterator[Foreign]:
    with foreign() as started:
        yield started


@EACH
def test_where_everything_is_refused_for_now_nothing_passes(check: Check, server: Foreign) -> None:
    for server.status in (429, 502, 503, 504):
        assert result(check, probe_of(server.port)) is not Result.PASSED, server.status


def test_a_server_that_is_not_latchkey_is_not_examined(server: Foreign) -> None:
    server.status = 200
    server.received.clear()
    with pytest.raises(CannotExamineError, match="is no Latchkey"):
        examine(probe_of(server.port), CHECKS, lambda _: None)
    assert [seen.line for seen in server.received][:1] == ["GET /auth/me HTTP/1.1"]
    assert {seen.line.split()[0] for seen in server.received[1:]} <= {"POST"}  # the session of the given account ends


def test_a_redirect_to_another_host_is_not_followed(server: Foreign) -> None:
    with foreign() as other:
        server.status, server.headers = 302, {"Location": f"http://127.0.0.1:{other.port}/auth/me"}
        with pytest.raises(CannotExamineError):
            examine(probe_of(server.port), CHECKS, lambda _: None)
        server.headers = {}
        assert other.received == []


def test_a_short_retry_after_is_waited_out(server: Foreign) -> None:
    server.status, server.headers = 429, {"Retry-After": "7"}
    waited: list[float] = []

    class Patient(Budget):
        def pause(self, seconds: float) -> None:
            waited.append(seconds)

    probe = Probe(Target("http", "127.0.0.1", server.port), Patient(PLENTY, PLENTY, PLENTY), "test")
    with pytest.raises(InconclusiveError, match="rate limited"):
        probe.send("GET", "/auth/me")
    server.headers = {}
    assert waited.count(7) == 4
