"""Starting: what is made, what is waited for, and what stops a start with one line."""

import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app import config, wiring
from app.platform.failure import StartError
from tests.e2e.clients import PATIENCE, me, register
from tests.e2e.settings import in_production, in_testing, new_secret
from tests.servers.process import ServerFailedError, free_port, own_folder
from tests.servers.service import Service, service

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def folder() -> Iterator[Path]:
    """The folder that the service runs in."""
    with own_folder() as path:
        yield path


def test_development_needs_no_settings(folder: Path) -> None:
    with Service({"FLASK_ENV": "development"}, folder=folder) as server:
        token = register(server.base_url, "ann")
        documentation = re.search(r"API documentation: (\S+)", server.log())
        assert documentation is not None
        assert documentation[1] == f"http://localhost:{server.port}/swagger/"
        assert httpx.get(documentation[1], timeout=PATIENCE).status_code == 200

        server.stop()
        server.start()
        assert me(server.base_url, token).status_code == 200  # the secret and the database were kept

    made = folder / "instance"
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert {path.name for path in made.iterdir()} >= {"secret_key", "latchkey.db"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in made.iterdir()} == {0o600}


def test_production_without_its_settings_names_them_and_does_not_start(folder: Path) -> None:
    lines = refusal({}, folder)

    assert [line.partition(":")[0] for line in lines] == ["DATABASE_URL", "SECRET_KEY"]
    assert "MONGO_URI=" in lines[0]
    assert list(folder.iterdir()) == [folder / "server.log"]


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"DATABASE_URL": "oracle://ann:planted@localhost/x"}, "DATABASE_URL: "),
        ({"DATABASE_URL": "sqlite:////proc/nowhere/latchkey.db"}, "DATABASE_URL: "),
        ({"LOG_FILE": "nowhere/latchkey.log"}, "LOG_FILE: cannot be opened"),
    ],
    ids=["settings", "store", "log"],
)
def test_a_wrong_value_stops_the_start_with_one_line(
    settings: dict[str, str], line: str, store: dict[str, str], folder: Path
) -> None:
    # One for each place that gunicorn.conf.py reports from; tests/unit has every other value.
    lines = refusal(in_production(**store) | settings, folder)

    assert len(lines) == 1
    assert lines[0].startswith(line)
    assert "planted" not in lines[0]


def test_an_unknown_name_in_the_env_file_stops_the_start(store: dict[str, str], folder: Path) -> None:
    (folder / ".env").write_text("PUBLIC_URL=https://auth.example.com\nSECERT_KEY=planted\n")

    assert refusal(in_testing(**store), folder) == [
        ".env, line 2: SECERT_KEY is not a setting; did you mean SECRET_KEY?"
    ]


def test_settings_are_read_from_the_env_file(store: dict[str, str], folder: Path) -> None:
    (folder / ".env").write_text("PUBLIC_URL=https://auth.example.com\nCOMPOSE_PROJECT_NAME=latchkey\n")
    with Service(in_testing(**store), folder=folder) as server:
        assert "API documentation: https://auth.example.com/swagger/" in server.log()


@pytest.mark.parametrize(
    ("setting", "product"),
    [
        ({"MONGO_URI": "mongodb://ann:planted@127.0.0.1:{port}/latchkey"}, "MongoDB"),
        ({"DATABASE_URL": "postgresql://ann:planted@127.0.0.1:{port}/latchkey"}, "PostgreSQL"),
        ({"DATABASE_URL": "mysql://ann:planted@127.0.0.1:{port}/latchkey"}, "M"),
    ],
    ids=["mongodb", "postgresql", "mysql"],
)
def test_a_store_that_stays_down_is_given_up_with_one_line(setting: dict[str, str], product: str) -> None:
    port = free_port()
    address = {name: url.format(port=port) for name, url in setting.items()}
    with pytest.raises(StartError) as failed:
        wiring.prepare(config.load(in_production(**address), dotenv=None), patience=0)

    line = str(failed.value)
    assert line.startswith(product)
    assert "does not answer" in line
    assert "check MONGO_URI or DATABASE_URL" in line
    assert "\n" not in line
    assert "planted" not in line


def test_a_keyring_sealed_under_another_secret_stops_the_start_and_stays(store: dict[str, str], folder: Path) -> None:
    first = in_testing(WEB_CONCURRENCY="1", **store)
    other = first | {"SECRET_KEY": new_secret()}
    with service(first) as server:
        published = jwks(server)

    (line,) = refusal(other, folder)
    assert line.startswith("SECRET_KEY: ")
    assert "SECRET_KEY_FALLBACKS" in line

    with service(other | {"SECRET_KEY_FALLBACKS": first["SECRET_KEY"]}) as server:
        assert jwks(server) == published


def refusal(settings: dict[str, str], folder: Path) -> list[str]:
    """What the service says, line by line and beside its log, when it does not start with these settings."""
    server = Service(settings, folder=folder)
    with pytest.raises(ServerFailedError, match=r"ended with [1-9]"), server:
        pass
    assert "Traceback" not in server.log()
    return [line for line in server.log().splitlines() if not line.startswith('{"event"')]


def jwks(server: Service) -> Any:
    return httpx.get(f"{server.base_url}/.well-known/jwks.json", timeout=PATIENCE).json()
