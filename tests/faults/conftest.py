"""What the tests of faults share: the service as they start it, what they break, and a note of what was seen."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import own_server, store
from tests.e2e.settings import in_testing
from tests.faults.disks import small_disk
from tests.faults.people import People
from tests.faults.person import Seen
from tests.servers.smtp import SmtpServer, smtp_server

__all__ = ["own_server", "small_disk", "store"]


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark as long what its module says takes long."""
    takes_long = getattr(getattr(item, "module", None), "takes_long", None)
    parameters = getattr(item, "callspec", None)
    if takes_long is not None and parameters is not None and takes_long(parameters.params):
        item.add_marker(pytest.mark.long)


@pytest.fixture
def mail() -> Iterator[SmtpServer]:
    """A mail server, which people get their mail from."""
    with smtp_server() as server:
        yield server


@pytest.fixture
def settings(mail: SmtpServer, tmp_path: Path) -> dict[str, str]:
    """The settings of the service, without its store.

    No client waits for the sake of a limit, and a refresh token that was spent in vain may be spent again until the
    end of the test, however long the fault lasts.
    """
    return in_testing(
        RATE_LIMITS="off",
        REFRESH_GRACE_SECONDS="3600",
        SMTP_URL=f"smtp://127.0.0.1:{mail.port}?tls=off",
        MAIL_DIR=str(tmp_path / "mail"),
    )


@pytest.fixture
def all_kept(
    request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> Callable[[People], Seen]:
    """Ends the people of a test, checks that no promise was broken to them, and notes what they saw."""

    def settle(load: People) -> Seen:
        seen = load.settle()
        assert seen.broken == []
        assert seen.slowest > 0
        kinds = [mark.args[0] for mark in request.node.iter_markers("faults")]
        record_property("seen", {"kinds": kinds, **seen.summary()})
        return seen

    return settle
