"""What happens to a request when its connection is lost, slow or silent."""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

import pytest

from app.accounts.account import Account
from app.platform.errors import Unavailable, UsernameTaken
from app.platform.identifiers import new_id
from tests.contract.entities import HASH, NOW, a_session, a_user
from tests.servers.mongo import Mongo, MongoServer
from tests.stores import Store, mongo_store

PATIENCE = 15.0
"""Seconds that a test waits for the refusal that should come within 3: a driver left to itself waits for ever."""

USER = a_user(email="ada@example.org", username="ada")


class Relay:
    """Carries bytes between clients and a server; replies come after `delay` seconds, but `lost` of them never."""

    def __init__(self, port: int) -> None:
        self.delay = 0.0
        self.lost = 0
        self._server = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._closing = threading.Event()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def uri(self) -> str:
        return f"mongodb://127.0.0.1:{self._listener.getsockname()[1]}/"

    def cut(self) -> None:
        """Close all connections at once."""
        while self._open:
            with suppress(OSError):
                self._open.pop().shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._closing.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                self._open += [client, server]
                for carry in (self._carry_requests, self._carry_replies):
                    self._threads.append(threading.Thread(target=carry, args=(client, server)))
                    self._threads[-1].start()

    def _carry_requests(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError), closing(client):
            while received := client.recv(65536):
                server.sendall(received)
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)

    def _carry_replies(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError), closing(server):
            while received := server.recv(65536):
                self._closing.wait(self.delay)
                if self.lost:
                    self.lost -= 1
                else:
                    client.sendall(received)
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def relay(mongo_server: Mongo) -> Iterator[Relay]:
    if not isinstance(mongo_server, MongoServer):
        pytest.skip("the relay stands before a server of our own only")
    with closing(Relay(mongo_server.port)) as relay:
        yield relay


@pytest.fixture
def store(relay: Relay, mongo_server: Mongo) -> Iterator[Store]:
    """A store that reaches the server through the relay, and holds USER."""
    name = mongo_server.create_database().rpartition("/")[2]
    with closing(mongo_store(relay.uri, name)) as store:
        store.prepare()
        store.users.add(Account(USER, HASH))
        yield store


def test_a_request_is_sent_again_when_its_connection_is_lost(relay: Relay, store: Store) -> None:
    session = a_session(USER)
    store.sessions.open(session)
    for _ in range(3):
        assert store.sessions.principal(session.id, USER.id, NOW) is not None
        relay.cut()
        assert store.sessions.principal(session.id, USER.id, NOW) is not None


def test_a_request_that_gets_no_answer_is_given_up_in_time(relay: Relay, store: Store) -> None:
    store.ping()
    relay.lost = 1
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(store.sessions.principal, new_id(), USER.id, NOW)
        assert isinstance(asked.exception(timeout=PATIENCE), Unavailable)


def test_the_commands_of_an_operation_share_its_time_limit(relay: Relay, store: Store) -> None:
    other = a_user(email="other@example.org", username=USER.username)
    with pytest.raises(UsernameTaken):
        store.users.add(Account(other, HASH))
    # The write that is refused, and the two reads that ask why, are each quick enough by themselves.
    relay.delay = 0.9
    with pytest.raises(Unavailable):
        store.users.add(Account(other, HASH))
