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


class Pair:
    """A primary, and a standby that confirms each of its commits; `fail_over` makes the one take the other's place."""

    def __init__(self, primary: SqlServer, standby: SqlServer, promote: list[str], user: str | None) -> None:
        self.primary = primary
        self.standby = standby
        self._promote = promote
        self._user = user

    @property
    def url(self) -> str:
        """Both hosts, as libpq takes them."""
        address = self.primary.address
        places = f"127.0.0.1:{self.primary.port},127.0.0.1:{self.standby.port}"
        return f"postgresql://{address.username}:{address.password}@{places}/{address.database}"

    def fail_over(self) -> None:
        """Kill the primary and promote the standby."""
        self.primary.kill()
        self.promote()

    def promote(self) -> None:
        run(self._promote, folder=self.standby.folder, user=self._user)


@contextmanager
def postgres_pair() -> Iterator[Pair]:
    """Start a primary and a synchronous standby; their data end with them."""
    programs, user = _programs(), service_account("postgres")
    if programs is None:
        raise FileNotFoundError(missing())
    with postgres_server() as primary, own_folder(user) as folder:
        address = primary.address.set(port=free_port())
        source = (
            f"host=127.0.0.1 port={primary.port} user=latchkey password={address.password} application_name=standby"
        )
        run(
            [
                f"{programs}/pg_basebackup", "--pgdata=data", "--write-recovery-conf", "--wal-method=stream",
                "--checkpoint=fast", "--no-sync", f"--dbname={source}",
            ],
            folder=folder, user=user,
        )  # fmt: skip
        command = [*primary.command]
        command[command.index(f"port={primary.port}")] = f"port={address.port}"
        with SqlServer(command, folder=folder, address=address, user=user, stop_signal=signal.SIGINT) as standby:
            primary.execute("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
            primary.execute("SELECT pg_reload_conf()")
            promote = [f"{programs}/pg_ctl", "promote", "--pgdata=data", "--wait"]
            yield Pair(primary, standby, promote, user)


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
