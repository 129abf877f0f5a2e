"""A private server that speaks MongoDB's protocol, or the real MongoDB that `TEST_MONGO_URI` names."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, Protocol
from urllib.parse import parse_qs, urlsplit

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from tests.servers.process import Server, free_port, own_folder, program

_BUILT = Path(__file__).parents[2] / ".tools" / "mongo-java-server"
_SMALL_AND_QUICK = ["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]


class Mongo(Protocol):
    """Where the tests find MongoDB."""

    @property
    def uri(self) -> str: ...

    def create_database(self) -> str:
        """The URI of a database that nobody uses yet."""


class MongoServer(Server):
    """mongo-java-server, behind the launcher of tests/servers/mongo-java-server."""

    @property
    def uri(self) -> str:
        return f"mongodb://127.0.0.1:{self.port}"

    def create_database(self) -> str:
        return uri_of_database(self.uri, _new_name())

    def answers(self) -> bool:
        try:
            with _client(self.uri, seconds=1) as client:
                client.admin.command("ping")
        except PyMongoError:
            return False
        return True


@contextmanager
def open_mongo() -> Iterator[Mongo]:
    """The MongoDB that `TEST_MONGO_URI` names, or else a server of our own, in memory."""
    if uri := os.environ.get("TEST_MONGO_URI"):
        with external_mongo(uri) as external:
            yield external
    else:
        with mongo_server() as server:
            yield server


@contextmanager
def mongo_server(backend: Literal["memory", "h2"] = "memory") -> Iterator[MongoServer]:
    """Start an empty server that speaks MongoDB's protocol; with `h2` its data outlive a stop and start."""
    java = program("java")
    if java is None or missing() is not None:
        raise FileNotFoundError(missing())
    port = free_port()
    with own_folder() as folder:
        command = [java, *_SMALL_AND_QUICK, "-cp", f"{_BUILT}/classes:{_BUILT}/lib/*", "Launcher", str(port)]
        if backend == "h2":
            command.append(str(folder / "store.h2"))
        with MongoServer(command, folder=folder, port=port) as server:
            yield server


class ExternalMongo:
    """A real MongoDB: neither started nor stopped here."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._made: list[str] = []

    def create_database(self) -> str:
        self._made.append(_new_name())
        return uri_of_database(self.uri, self._made[-1])

    def drop_databases(self) -> None:
        """Drop what `create_database` gave out."""
        with _client(self.uri, seconds=10) as client:
            while self._made:
                client.drop_database(self._made.pop())


@contextmanager
def external_mongo(uri: str) -> Iterator[ExternalMongo]:
    """Use the MongoDB at `uri`; the databases of the tests are dropped afterwards."""
    external = ExternalMongo(uri)
    try:
        yield external
    finally:
        external.drop_databases()


def uri_of_database(uri: str, name: str) -> str:
    """The same URI with another database; who authenticated against the old one still does."""
    parts = urlsplit(uri)
    query, old = parts.query, parts.path.strip("/")
    if "@" in parts.netloc and old and "authsource" not in {key.lower() for key in parse_qs(query)}:
        query = "&".join(filter(None, [query, f"authSource={old}"]))
    return parts._replace(path=f"/{name}", query=query).geturl()


def missing() -> str | None:
    """What to install for the tests on MongoDB; None when all is there."""
    if not program("java"):
        return "Java is missing: apt-get install default-jdk-headless maven, then run make tools"
    if not (_BUILT / "classes" / "Launcher.class").exists():
        return "The MongoDB-protocol server is not built: run make tools (it needs Maven and a JDK)"
    return None


def _new_name() -> str:
    return f"test_{secrets.token_hex(6)}"


def _client(uri: str, *, seconds: float) -> MongoClient[dict[str, Any]]:
    milliseconds = int(seconds * 1000)
    return MongoClient(uri, serverSelectionTimeoutMS=milliseconds, socketTimeoutMS=milliseconds)
