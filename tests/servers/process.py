"""What every real server of the tests shares: a folder of its own, a port, a log, a start and an end.

Linux only, as the service itself: a server's children are found in /proc.
"""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Self, TypedDict

_PORTS = range(20_000, 32_000)
_BLOCK = 100
"""So many ports are reserved at a time."""
_reserved: list[int] = []
_blocks: list[socket.socket] = []
"""Each reserves a block of ports until this process ends."""
START_SECONDS = 60.0
STOP_SECONDS = 10.0
KILL_SECONDS = 10.0

# Waits beside a server. A line on its input says that the server was stopped in order; the end of the input
# without one says that the run of the tests was killed, and then the server and its folder go too.
_WATCHER = """
read -r line && exit
kill -s CONT -- "-$1"; kill -s "$2" -- "-$1"
for tenth in $(seq 50); do kill -s 0 -- "-$1" || break; sleep 0.1; done
kill -s KILL -- "-$1"
rm -rf -- "$3"
"""


class ServerFailedError(RuntimeError):
    """A server did not start, or one of its tools failed; the message ends with what it said."""


class Server:
    """A server in a folder and on a loopback port of its own, as a context manager: started, then stopped.

    Inside, `stop` and `start` bring it back on the same port and data, and `freeze` and `thaw` make it hang.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        folder: Path,
        port: int,
        user: str | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        stop_seconds: float = STOP_SECONDS,
    ) -> None:
        """`user`: the account it runs as (None: the caller's); `stop_signal` asks it to end, and after
        `stop_seconds` it is killed."""
        self.command = list(command)
        self.folder = folder
        self.port = port
        self._user = user
        self._stop_signal = stop_signal
        self._stop_seconds = stop_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._watcher: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it and return once it answers; ServerFailedError with its log when it does not."""
        if self._process is not None:
            return
        with self._log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd=self.folder, start_new_session=True, **_account(self._user),
            )  # fmt: skip
        self._watcher = subprocess.Popen(
            ["/bin/sh", "-c", _WATCHER, "sh", str(self.pid), str(int(self._stop_signal)), self.folder],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/",
            start_new_session=True,
        )  # fmt: skip
        try:
            self._wait_for_answer(self._process)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End it and every process it started: asked first, then killed. Stopping twice does nothing."""
        if self._process is None:
            return
        process, self._process = self._process, None
        pids = _tree(process.pid)
        _send(signal.SIGCONT, pids)
        _send(self._stop_signal, [process.pid])

        def ended() -> bool:
            return process.poll() is not None and not any(map(alive, pids))

        try:
            wait_until(ended, self._stop_seconds)
        except TimeoutError:
            pids = [*pids, *_tree(process.pid)]
            _send(signal.SIGKILL, pids)
            wait_until(ended, KILL_SECONDS)
        if self._watcher is not None:
            self._watcher.communicate(b"stopped\n")

    def kill(self) -> None:
        """End it at once, as a crash does; `start` brings it back on what it had written."""
        pids = self.pids()
        _send(signal.SIGKILL, pids)
        self.stop()
        wait_until(lambda: not any(map(alive, pids)), KILL_SECONDS)

    def freeze(self) -> None:
        """Stop its processes in place: connections are still taken by the kernel, and nothing answers."""
        # The parent first, or it could start a child that is missed.
        _send(signal.SIGSTOP, [self.pid])
        _send(signal.SIGSTOP, self.pids())
        wait_until(lambda: all(_state(pid) in {"T", "Z"} for pid in self.pids()), STOP_SECONDS)

    def thaw(self) -> None:
        """Let a frozen server go on where it was."""
        _send(signal.SIGCONT, self.pids())

    @property
    def pid(self) -> int:
        if self._process is None:
            raise ServerFailedError(f"{self.command[0]} is not running: call start()")
        return self._process.pid

    def pids(self) -> list[int]:
        """Its process and all that it started."""
        return _tree(self.pid)

    def answers(self) -> bool:
        """Whether it serves; by default, whether its port takes a connection."""
        with suppress(OSError), closing(socket.create_connection(("127.0.0.1", self.port), timeout=1)):
            return True
        return False

    def log(self) -> str:
        """What it has written to its standard output and error in all its starts."""
        return self._log_path.read_text(errors="replace")

    def _wait_for_answer(self, process: subprocess.Popen[bytes]) -> None:
        try:
            wait_until(lambda: process.poll() is not None or self.answers(), START_SECONDS)
        except TimeoutError:
            raise ServerFailedError(f"{self.command[0]} does not answer:\n{self.log()[-4000:]}") from None
        if process.returncode is not None:
            raise ServerFailedError(f"{self.command[0]} ended with {process.returncode}:\n{self.log()[-4000:]}")

    @property
    def _log_path(self) -> Path:
        return self.folder / "server.log"


def wait_until(condition: Callable[[], bool], seconds: float) -> None:
    """Return as soon as `condition()` holds; TimeoutError when it does not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds} s")
        time.sleep(0.01)


def free_port() -> int:
    """A loopback port that nobody listens on, and another at each call, also of the test runs beside this one.

    Below 32768, where Linux takes the ports of outgoing connections from: else one of them could take the
    port of a server that is stopped for a while, or a client that knocks there could reach itself.
    """
    while True:
        if not _reserved:
            _reserved.extend(_reserve_block())
        port = _reserved.pop()
        with closing(socket.socket()) as candidate, suppress(OSError):
            candidate.bind(("127.0.0.1", port))
            return port


def _reserve_block() -> range:
    """Ports that no other process reserves: a server may not listen on its port yet, or be stopped for a while."""
    while True:
        first = _PORTS.start + secrets.randbelow(len(_PORTS) // _BLOCK) * _BLOCK
        # A name among Linux's abstract sockets is one process's, and free again when that ends, however it ends.
        mark = socket.socket(socket.AF_UNIX)
        try:
            mark.bind(f"\0latchkey-tests-ports-{first}")
        except OSError:
            mark.close()
            continue
        _blocks.append(mark)
        return range(first, first + _BLOCK)


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not collected by its parent does not."""
    return _state(pid) not in {"", "Z"}


def program(name: str) -> str | None:
    """The path of an installed program, or None; the system's folders count even if PATH omits them."""
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]))


def service_account(name: str) -> str | None:
    """The account for a server that refuses to run as root: `name` for root, for others None, themselves."""
    return name if os.geteuid() == 0 else None


@contextmanager
def own_folder(user: str | None = None) -> Iterator[Path]:
    """A temporary folder that belongs to `user` (None: the caller) and is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="latchkey-", ignore_cleanup_errors=True) as name:
        if user is not None:
            shutil.chown(name, user, pwd.getpwnam(user).pw_gid)
        yield Path(name)


def run(command: Sequence[str], *, folder: Path, user: str | None = None) -> None:
    """Run a server's tool to its end in `folder`; ServerFailedError with its output when it fails."""
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        cwd=folder, text=True, check=False, **_account(user),
    )  # fmt: skip
    if done.returncode != 0:
        raise ServerFailedError(f"{command[0]} ended with {done.returncode}:\n{done.stdout}")


class _Account(TypedDict):
    user: str | None
    group: int | None
    extra_groups: list[int] | None


def _account(user: str | None) -> _Account:
    """What subprocess needs to run as `user` with nothing of the caller's; None: as the caller."""
    if user is None:
        return {"user": None, "group": None, "extra_groups": None}
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


def _tree(pid: int) -> list[int]:
    """A process and all its descendants that are alive, parents before their children."""
    found = [pid]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            with suppress(OSError):
                found += [int(child) for child in children.read_text().split()]
    return found


def _state(pid: int) -> str:
    """The letter of a process's state in /proc, "" when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def _send(number: signal.Signals, pids: Sequence[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
