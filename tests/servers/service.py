"""The service itself under gunicorn, as it is served: nothing of this process's environment but the paths."""

import http.client
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from tests.servers.process import Server, alive, free_port, own_folder, wait_until

ROOT = Path(__file__).parents[2]
STOP_SECONDS = 45.0
"""Longer than gunicorn's graceful time-out."""


class Service(Server):
    """gunicorn with the application; in its folder are `server.log` and what it makes itself."""

    def __init__(
        self,
        environment: Mapping[str, str],
        *,
        folder: Path,
        options: Sequence[str] = (),
        code: Path = ROOT,
        application: str = "app.wsgi:app",
    ) -> None:
        """`environment` holds the settings but PORT; `options` are gunicorn's, which override its file.

        `code` is the folder of the version that is served, `application` where in it gunicorn finds it.
        """
        port = free_port()
        settings = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(folder),
            "PYTHONPATH": str(code),
            "PORT": str(port),
            **environment,
        }
        command = [
            "env", "-i", *(f"{name}={value}" for name, value in settings.items()),
            sys.executable, "-m", "gunicorn", "--config", f"{code}/gunicorn.conf.py", *options, application,
        ]  # fmt: skip
        super().__init__(command, folder=folder, port=port, stop_seconds=STOP_SECONDS)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answers(self) -> bool:
        try:
            with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)) as connection:
                connection.request("GET", "/health")
                return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False

    def worker_pids(self) -> list[int]:
        """The processes that take requests; a worker that was killed is not among them."""
        return [pid for pid in self.pids()[1:] if alive(pid)]

    def terminate(self) -> None:
        """Ask it to end, as an orchestrator does, and return at once."""
        self.signal(signal.SIGTERM)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process that watches over the workers."""
        os.kill(self.pid, number)

    def exit_status(self, seconds: float) -> int:
        """What it ended with; TimeoutError when it has not ended within `seconds`."""
        process = self._process
        if process is None:
            raise RuntimeError("the service was not started, or is stopped already")
        wait_until(lambda: process.poll() is not None, seconds)
        return process.returncode


@contextmanager
def service(
    environment: Mapping[str, str],
    *,
    options: Sequence[str] = (),
    code: Path = ROOT,
    application: str = "app.wsgi:app",
) -> Iterator[Service]:
    """Start the service with these settings, in an empty folder of its own and without a `.env`."""
    with own_folder() as folder:
        made = Service(environment, folder=folder, options=options, code=code, application=application)
        with made as server:
            yield server
