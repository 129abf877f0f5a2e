"""The applications of examples/, each started as its README says."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from tests.servers.fixtures import require
from tests.servers.process import Server, free_port, own_folder, program
from tests.servers.service import ROOT

EXAMPLES = ROOT / "examples"
NAMES = ("flask", "fastapi", "express", "go", "java")
RECEIVERS = ("webhooks/python", "webhooks/node", "webhooks/go", "webhooks/java")
CLIENTS = ("login/python", "login/node", "login/go", "login/java")
READY = ROOT / ".tools" / "examples"
"""Where tests/tools/examples.sh puts those that it makes ready."""
SECONDS = 60
"""How long a command may take."""


@contextmanager
def example(name: str, *, latchkey: str, port: int | None = None, **settings: str) -> Iterator[Server]:
    """Run an example on this port or a free one, with the issuer `latchkey` and these settings."""
    command = _COMMANDS[name]()
    port = port or free_port()
    environment = {"PATH": "/usr/bin:/bin", "LATCHKEY_URL": latchkey, "PORT": str(port), **settings}
    assigned = [f"{setting}={value}" for setting, value in environment.items()]
    with own_folder() as folder, Server(["env", "-i", *assigned, *command], folder=folder, port=port) as server:
        yield server


def run(name: str, *arguments: str, typed: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """What an example that is a command does with these arguments, settings and lines that are typed."""
    environment = [f"{setting}={value}" for setting, value in {"PATH": "/usr/bin:/bin", **settings}.items()]
    command = ["env", "-i", *environment, *_COMMANDS[name](), *arguments]
    return subprocess.run(command, input=typed, capture_output=True, text=True, timeout=SECONDS, check=False)


def pins(name: str) -> dict[str, str]:
    """The versions that the requirements of a Python example name, by package."""
    lines = (EXAMPLES / name / "requirements.txt").read_text().splitlines()
    return {package.partition("[")[0]: pinned for package, _, pinned in (line.partition("==") for line in lines)}


def mcp_python() -> Path:
    """The Python that has what examples/mcp/requirements.txt names, which nothing else here may need."""
    return _made_ready("mcp") / "bin" / "python"


def _python(name: str) -> list[str]:
    """Runs on the packages of the tests, if those are the ones that the example names."""
    installed = {package: version(package) for package in pins(name)}
    assert installed == pins(name), f"examples/{name}/requirements.txt and requirements-dev.txt name other versions"
    return [sys.executable, str(EXAMPLES / name / "app.py")]


def _node(name: str) -> list[str]:
    require(None if program("npm") else "npm is missing: apt-get install npm")
    return _node_running(_made_ready(name) / "server.js")


def _node_running(script: Path) -> list[str]:
    node = program("node")
    require(None if node else "Node.js is missing: apt-get install nodejs")
    return [str(node), *_options_of_old_node(str(node)), str(script)]


def _options_of_old_node(node: str) -> list[str]:
    """Debian 12 has Node.js 18, which had what the example needs (Node.js 20) behind options."""
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    return ["--experimental-global-webcrypto", "--dns-result-order=ipv4first"] if said.startswith("v18.") else []


def _go(name: str) -> list[str]:
    require(None if program("go") else "Go is missing: apt-get install golang-go")
    return [str(_made_ready(name) / "hello")]


def _java(name: str, main: str) -> list[str]:
    java = program("java")
    require(None if java and program("mvn") else "Java or Maven is missing: apt-get install default-jdk-headless maven")
    made = _made_ready(name)
    return [str(java), "-Xmx64m", "-XX:TieredStopAtLevel=1", "-cp", f"{made}/classes:{made}/lib/*", main]


def _made_ready(name: str) -> Path:
    made = subprocess.run(
        [ROOT / "tests" / "tools" / "examples.sh", name], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, env=os.environ | {"PYTHON": sys.executable}, text=True, check=False,
    )  # fmt: skip
    require(None if made.returncode == 0 else f"examples/{name} cannot be made ready:\n{made.stdout[-2000:]}")
    return READY / name


_COMMANDS: dict[str, Callable[[], list[str]]] = {
    "flask": lambda: _python("flask"),
    "fastapi": lambda: _python("fastapi"),
    "mcp": lambda: [str(mcp_python()), str(EXAMPLES / "mcp" / "server.py")],
    "express": lambda: _node("express"),
    "go": lambda: _go("go"),
    "java": lambda: _java("java", "Hello"),
    "webhooks/python": lambda: _python("webhooks/python"),
    "webhooks/node": lambda: _node("webhooks/node"),
    "webhooks/go": lambda: _go("webhooks/go"),
    "webhooks/java": lambda: _java("webhooks/java", "Receiver"),
    "login/python": lambda: [sys.executable, str(EXAMPLES / "login" / "python" / "client.py")],
    "login/node": lambda: _node_running(EXAMPLES / "login" / "node" / "client.mjs"),
    "login/go": lambda: _go("login/go"),
    "login/java": lambda: _java("login/java", "Client"),
}
