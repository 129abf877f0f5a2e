"""A private MariaDB server."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL

from tests.servers.process import free_port, own_folder, program, run, service_account
from tests.servers.sql import SqlServer

_FIRST_STATEMENTS = """\
CREATE DATABASE IF NOT EXISTS latchkey;
CREATE USER IF NOT EXISTS latchkey@'127.0.0.1' IDENTIFIED BY '{password}';
GRANT ALL ON *.* TO latchkey@'127.0.0.1' WITH GRANT OPTION;
"""


@contextmanager
def mariadb_server() -> Iterator[SqlServer]:
    """Start a MariaDB server; its data end with it."""
    server_program, install = program("mariadbd"), program("mariadb-install-db")
    if server_program is None or install is None:
        raise FileNotFoundError(missing())
    user = service_account("mysql")
    with own_folder(user) as folder:
        address = URL.create(
            "mysql+pymysql", "latchkey", secrets.token_urlsafe(), "127.0.0.1", free_port(), "latchkey",
            {"charset": "utf8mb4"},
        )  # fmt: skip
        first = folder / "first.sql"
        first.write_text(_FIRST_STATEMENTS.format(password=address.password))
        first.chmod(0o644)  # in a folder that nobody else can enter
        run(
            [install, "--no-defaults", f"--datadir={folder}/data", f"--tmpdir={folder}", "--skip-test-db"],
            folder=folder, user=user,
        )  # fmt: skip
        command = [
            server_program,
            "--no-defaults",
            f"--datadir={folder}/data",
            f"--tmpdir={folder}",
            f"--socket={folder}/socket",
            f"--pid-file={folder}/pid",
            f"--init-file={first}",
            "--bind-address=127.0.0.1",
            f"--port={address.port}",
            "--skip-name-resolve",
            "--character-set-server=utf8mb4",
            # A commit still reaches the kernel, so it outlives the server, though not the machine.
            "--innodb-flush-log-at-trx-commit=2",
            "--innodb-doublewrite=0",
            "--innodb-buffer-pool-size=32M",
        ]
        with SqlServer(command, folder=folder, address=address, user=user) as server:
            yield server


def missing() -> str | None:
    """What to install for the tests on MariaDB; None when all is there."""
    if program("mariadbd") and program("mariadb-install-db"):
        return None
    return "MariaDB is missing: apt-get install mariadb-server"
