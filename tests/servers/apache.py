"""Apache in the foreground, with any configuration and the modules of Debian."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.servers.process import Server, own_folder, program

_MODULES = Path("/usr/lib/apache2/modules")
_USUAL = ("mpm_event", "unixd", "authn_core", "authz_core", "authz_user", "proxy", "proxy_http")


@contextmanager
def apache(config: str, *, port: int, modules: Sequence[str] = ()) -> Iterator[Server]:
    """Run Apache with a configuration and, beside the usual ones, these modules until `port` takes connections."""
    found = program("apache2")
    if found is None or missing(*modules):
        raise FileNotFoundError(missing(*modules))
    with own_folder() as folder:
        folder.chmod(0o755)  # the workers, which may run as another user, read and write below it
        files = ((name, _MODULES / f"mod_{name}.so") for name in (*_USUAL, *modules))
        loaded = "".join(f"LoadModule {name}_module {file}\n" for name, file in files if file.exists())
        (folder / "apache.conf").write_text(
            f"{loaded}Listen 127.0.0.1:{port}\nServerName 127.0.0.1:{port}\nUser www-data\nGroup www-data\n"
            f"DefaultRuntimeDir {folder}\nPidFile {folder}/apache.pid\nErrorLog /dev/stderr\n{config}"
        )
        command = [found, "-d", str(folder), "-f", str(folder / "apache.conf"), "-DFOREGROUND"]
        with Server(command, folder=folder, port=port, stop_signal=signal.SIGTERM) as server:
            yield server


def missing(*modules: str) -> str | None:
    """What to install for the tests with Apache and these modules; None when all is there."""
    if program("apache2") is None:
        return "Apache is missing: apt-get install apache2-bin"
    for name in modules:
        if not (_MODULES / f"mod_{name}.so").exists():
            return f"mod_{name} is missing: apt-get install libapache2-mod-{name.replace('_', '-')}"
    return None
