"""A private Redis server."""

from collections.abc import Iterator
from contextlib import contextmanager

import redis

from tests.servers.process import Server, free_port, own_folder, program


class RedisServer(Server):
    """A Redis server that keeps its data on disk."""

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url, socket_timeout=1) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


@contextmanager
def redis_server() -> Iterator[RedisServer]:
    """Start an empty Redis server; its data end with it."""
    server_program = program("redis-server")
    if server_program is None:
        raise FileNotFoundError(missing())
    port = free_port()
    with own_folder() as folder:
        command = [
            server_program, "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder),
            "--save", "", "--appendonly", "yes", "--appendfsync", "no",
        ]  # fmt: skip
        with RedisServer(command, folder=folder, port=port) as server:
            yield server


def missing() -> str | None:
    """What to install for the tests on Redis; None when all is there."""
    return None if program("redis-server") else "Redis is missing: apt-get install redis-server"
