"""Clients that are made from the OpenAPI document compile, and can register, log in, refresh and read errors.

`tests/tools/clients/` has the application for each language, `tests/tools/clients.sh` fetches what makes the client.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from app.features import ENDPOINTS
from tests.e2e.clients import PATIENCE
from tests.e2e.settings import PASSWORD, in_testing, on_sqlite
from tests.servers.fixtures import require
from tests.servers.process import program
from tests.servers.service import ROOT, Service, service

pytestmark = pytest.mark.timeout(300)  # the first run fetches packages

SOURCES = ROOT / "tests" / "tools" / "clients"
READY = ROOT / ".tools" / "clients"
QUICK = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
"""Options of Java for programs that end soon: to optimize their code would take longer than they run."""
DOCUMENT = "openapi.json"
NEEDED = {
    "python": ((), ""),
    "typescript": (("node", "npm"), "Node.js is missing: apt-get install nodejs npm"),
    "go": (("go",), "Go is missing: apt-get install golang-go"),
    "java": (("java", "javac", "mvn"), "Java or Maven is missing: apt-get install default-jdk-headless maven"),
}
"""The programs that have to be installed for each language, and what is said where they are not."""


@pytest.fixture(scope="module")
def latchkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    store = on_sqlite(tmp_path_factory.mktemp("store"))
    with service(in_testing(WEB_CONCURRENCY="1", LOGIN_BY_MAIL="on", **store)) as server:
        yield server


@pytest.fixture(scope="module")
def document(latchkey: Service) -> bytes:
    """The OpenAPI document as it is served."""
    return httpx.get(f"{latchkey.base_url}/openapi.json", timeout=PATIENCE).content


@pytest.mark.parametrize("language", NEEDED)
def test_a_generated_client_has_every_operation_and_an_application_on_it_logs_in(
    language: str, latchkey: Service, document: bytes, tmp_path: Path
) -> None:
    tools = made_ready(language)
    (tmp_path / DOCUMENT).write_bytes(document)
    command = BUILDS[language](tools, tmp_path)

    said = json.loads(run([*command, latchkey.base_url, f"user.{language}", PASSWORD], tmp_path))

    help_url = f"http://localhost:{latchkey.port}/errors/invalid_credentials"
    assert said.pop("user")
    assert said == {"price": 1234567.89, "code": "invalid_credentials", "help": help_url}


def test_redocly_finds_no_fault_in_the_document(document: bytes, tmp_path: Path) -> None:
    tools = made_ready("typescript")
    # It warns about localhost, and rightly: a real PUBLIC_URL is the remedy.
    public = json.loads(document) | {"servers": [{"url": "https://auth.latchkey.test"}]}
    (tmp_path / DOCUMENT).write_text(json.dumps(public))
    beside_its_packages(tools, tmp_path, "lint.mjs")
    assert json.loads(run(["node", "lint.mjs", DOCUMENT], tmp_path)) == []


def made_ready(language: str) -> Path:
    """The folder with what tests/tools/clients.sh fetches."""
    programs, missing = NEEDED[language]
    require(None if all(program(name) for name in programs) else missing)
    fetched = subprocess.run(
        [ROOT / "tests" / "tools" / "clients.sh", language], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, env=os.environ | {"PYTHON": sys.executable}, text=True, check=False,
    )  # fmt: skip
    require(None if fetched.returncode == 0 else f"{language} cannot be made ready:\n{fetched.stdout[-2000:]}")
    return READY / language


def run(command: list[str | Path], folder: Path, **environment: str) -> str:
    """The output of a command; if it fails, the error shows all of its output."""
    done = subprocess.run(
        command, cwd=folder, env=os.environ | environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}{done.stderr[-4000:]}"
    return done.stdout


def build_python(tools: Path, folder: Path) -> list[str | Path]:
    python = tools / "bin" / "python"
    (folder / "config.yml").write_text("post_hooks: []\n")  # they would format it
    run(
        [
            python, "-m", "openapi_python_client", "generate", "--path", DOCUMENT,
            "--config", "config.yml", "--meta", "none", "--output-path", "latchkey_client",
        ],
        folder,
    )  # fmt: skip

    methods = {path.stem for path in (folder / "latchkey_client" / "api").glob("*/*.py")} - {"__init__"}
    assert len(methods) == len(ENDPOINTS)
    shutil.copy(SOURCES / "python" / "client.py", folder)
    (folder / "latchkey_client" / "py.typed").touch()
    run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--follow-imports=silent",
            "--python-executable",
            python,
            "client.py",
        ],
        folder,
    )
    return [python, "client.py"]


def build_typescript(tools: Path, folder: Path) -> list[str | Path]:
    beside_its_packages(tools, folder, "client.ts", "tsconfig.json")
    packages = folder / "node_modules"
    run(["node", packages / "openapi-typescript" / "bin" / "cli.js", DOCUMENT, "-o", "latchkey.d.ts"], folder)
    run(["node", packages / "typescript" / "bin" / "tsc"], folder)
    return ["node", "client.js"]


def beside_its_packages(tools: Path, folder: Path, *sources: str) -> None:
    """Lay sources beside the packages that they import."""
    for name in (*sources, "package.json"):
        shutil.copy(SOURCES / "typescript" / name, folder)
    (folder / "node_modules").symlink_to(tools / "node_modules")


def build_go(tools: Path, folder: Path) -> list[str | Path]:
    for name in ("client.go", "go.mod", "go.sum"):
        shutil.copy(SOURCES / "go" / name, folder)
    (folder / "latchkey").mkdir()
    run(
        [
            tools / "oapi-codegen", "-generate", "types,client", "-package", "latchkey",
            "-o", "latchkey/latchkey.gen.go", DOCUMENT,
        ],
        folder,
    )  # fmt: skip
    kept = ROOT / ".tools" / "go"
    run(
        [tools / "go", "build", "-o", "client", "."],
        folder,
        GOMODCACHE=str(kept / "modules"), GOCACHE=str(kept / "cache"), GOFLAGS="-mod=readonly -buildvcs=false",
        GOPROXY="off",
    )  # fmt: skip
    return ["./client"]


def build_java(tools: Path, folder: Path) -> list[str | Path]:
    generator = tools / "generator" / "openapi-generator-cli.jar"
    run(
        [
            "java", *QUICK, "-jar", generator, "generate", "-i", DOCUMENT, "-g", "java", "--library", "native",
            "-o", "made", "--global-property", "apiDocs=false,modelDocs=false,apiTests=false,modelTests=false",
        ],
        folder,
    )  # fmt: skip
    sources = [str(source) for source in (folder / "made" / "src" / "main" / "java").rglob("*.java")]
    (folder / "sources.txt").write_text("\n".join([*sources, str(SOURCES / "java" / "Client.java")]))
    compiler = ["javac", *(f"-J{option}" for option in QUICK), "-nowarn"]
    run([*compiler, "-cp", f"{tools}/lib/*", "-d", "classes", "@sources.txt"], folder)
    return ["java", *QUICK, "-cp", f"classes:{tools}/lib/*", "Client"]


BUILDS: dict[str, Callable[[Path, Path], list[str | Path]]] = {
    "python": build_python,
    "typescript": build_typescript,
    "go": build_go,
    "java": build_java,
}
