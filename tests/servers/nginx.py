"""nginx in the foreground, with any configuration."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.process import Server, own_folder, program


@contextmanager
def nginx(config: str | Path, *, port: int, prefix: Path | None = None) -> Iterator[Server]:
    """Run nginx with a configuration, given as text or as the path of a file, until `port` takes connections.

    Relative paths in the configuration start at `prefix` (default: a temporary folder, `server.folder`).
    """
    nginx_program = program("nginx")
    if nginx_program is None:
        raise FileNotFoundError(missing())
    with own_folder() as folder:
        # The workers, which may run as another user, read and write below it.
        folder.chmod(0o755)
        if isinstance(config, str):
            text, config = config, folder / "nginx.conf"
            config.write_text(text)
        directives = "daemon off;"
        if not re.search(r"^\s*pid\s", config.read_text(), re.MULTILINE):
            directives += f" pid {folder}/nginx.pid;"
        command = [
            nginx_program, "-p", f"{prefix or folder}/", "-c", str(config.resolve()),
            "-e", "stderr", "-g", directives,
        ]  # fmt: skip
        with Server(command, folder=folder, port=port) as server:
            yield server


def missing() -> str | None:
    """What to install for the tests through nginx; None when all is there."""
    return None if program("nginx") else "nginx is missing: apt-get install nginx"
