"""A private PostgreSQL server."""

import secrets
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL

from tests.servers.process import free_port, own_folder, program, run, service_account
from tests.servers.sql import SqlServer


@contextmanager
def postgres_server() -> Iterator[SqlServer]:
    """Start a PostgreSQL server; its data end with it."""
    programs = _programs()
    if programs is None:
        raise FileNotFoundError(missing())
    user = service_account("postgres")
    with own_folder(user) as folder:
        address = URL.create(
            "postgresql+psycopg", "latchkey", secrets.token_urlsafe(), "127.0.0.1", free_port(), "postgres"
        )
        password_file = folder / "password"
        password_file.write_text(str(address.password))
        password_file.chmod(0o644)  # in a folder that nobody else can enter
        run(
            [
                f"{programs}/initdb", "--pgdata=data", "--username=latchkey", "--pwfile=password",
                "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync",
            ],
            folder=folder, user=user,
        )  # fmt: skip
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(address.port),
            "unix_socket_directories": "",
            # A commit still reaches the kernel, so it outlives the server, though not the machine.
            "fsync": "off",
            "shared_buffers": "32MB",
        }
        command = [f"{programs}/postgres", "-D", "data"]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        # SIGTERM would wait for the clients to leave; SIGINT sends them away.
        with SqlServer(command, folder=folder, address=address, user=user, stop_signal=signal.SIGINT) as server:
            yield server


def missing() -> str | None:
    """What to install for the tests on PostgreSQL; None when all is there."""
    return None if _programs() else "PostgreSQL is missing: apt-get install postgresql"


def _programs() -> Path | None:
    """The folder of the newest PostgreSQL's programs."""
    packaged = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    for initdb in sorted(packaged, key=lambda path: int(path.parts[-3]), reverse=True):
        return initdb.parent
    # A link elsewhere would not find its share files beside it.
    found = program("initdb")
    return Path(found).resolve().parent if found else None
