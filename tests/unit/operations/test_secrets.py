"""`flask secrets make` makes each secret once, keeps given ones, and never loses one by mistake."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from app.config import load
from app.operations.secrets import secrets

ROOT = Path(__file__).parents[3]
GIVEN = "Qd7fK2mZ9tR4wL8pN3yB6hJ1sD5gX0aC-vE"
OTHER = "Wn5kT8xC2vB7rJ4mZ1qL9sF6hP3dG0yA_uR"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "secrets"


def make(folder: Path, *options: str, **environment: str) -> Result:
    """Run the command with only these variables set."""
    names = (
        "SECRET_KEY", "SECRET_KEY_FALLBACKS", "MONGO_INITDB_ROOT_PASSWORD", "MONGO_APP_PASSWORD",
        "MONGO_INITDB_DATABASE", "POSTGRES_OWNER", "POSTGRES_PASSWORD", "MYSQL_OWNER", "MARIADB_PASSWORD",
        "GRAFANA_OWNER", "GRAFANA_ADMIN_PASSWORD",
    )  # fmt: skip
    empty = dict.fromkeys(names, "")  # as compose passes an unset variable
    return CliRunner().invoke(secrets, ["make", str(folder), *options], env=empty | environment)


def kept(folder: Path) -> dict[str, str]:
    """The files in the folder, by their paths in it."""
    return {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*") if file.is_file()}


def test_secrets_are_made_once_and_stay(folder: Path) -> None:
    assert make(folder).exit_code == 0
    first = kept(folder)
    assert set(first) == {"app/secret_key", "app/mongo_uri", "mongo/password", "mongo/app_password"}
    assert make(folder).exit_code == 0
    assert kept(folder) == first


def test_no_two_made_secrets_are_alike(tmp_path: Path) -> None:
    make(tmp_path / "a")
    make(tmp_path / "b")
    made = [*kept(tmp_path / "a").values(), *kept(tmp_path / "b").values()]
    assert len(set(made)) == 8


def test_the_service_accepts_the_secrets_that_were_made(folder: Path) -> None:
    make(folder)
    files = {"SECRET_KEY_FILE": f"{folder}/app/secret_key", "MONGO_URI_FILE": f"{folder}/app/mongo_uri"}
    settings = load(files, dotenv=None)
    password = kept(folder)["mongo/app_password"].strip()
    assert settings.store.mongo_uri is not None
    assert settings.store.mongo_uri.get_secret_value() == f"mongodb://latchkey_app:{password}@mongo:27017/latchkey"


def test_the_service_does_not_know_the_password_of_mongodbs_root(folder: Path) -> None:
    make(folder)
    files = kept(folder)
    root = files.pop("mongo/password").strip()
    assert not any(root in text for text in files.values())


def test_only_their_owner_may_read_the_files(folder: Path) -> None:
    make(folder, MONGO_INITDB_ROOT_PASSWORD="given")
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.rglob("*") if file.is_file()} == {0o600}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_each_file_belongs_to_the_user_that_reads_it(folder: Path) -> None:
    for _ in range(2):
        assert make(folder, "--app-owner=10001", "--mongo-owner=999").exit_code == 0
    owners = {file.name: (file.stat().st_uid, file.stat().st_gid) for file in folder.rglob("*") if file.is_file()}
    assert owners == {
        "secret_key": (10001, 10001),
        "mongo_uri": (10001, 10001),
        "password": (999, 999),
        "app_password": (999, 999),
    }


def test_a_given_secret_is_kept_and_stays_when_it_is_no_longer_given(folder: Path) -> None:
    make(
        folder,
        SECRET_KEY=GIVEN,
        MONGO_INITDB_ROOT_PASSWORD="of the root",
        MONGO_APP_PASSWORD="p@ß/w",
        MONGO_INITDB_DATABASE="accounts",
    )
    assert kept(folder) == {
        "app/secret_key": f"{GIVEN}\n",
        "app/mongo_uri": "mongodb://latchkey_app:p%40%C3%9F%2Fw@mongo:27017/accounts\n",
        "mongo/password": "of the root\n",
        "mongo/app_password": "p@ß/w\n",
    }
    assert make(folder).exit_code == 0
    assert kept(folder)["app/secret_key"] == f"{GIVEN}\n"
    assert kept(folder)["mongo/password"] == "of the root\n"
    assert kept(folder)["mongo/app_password"] == "p@ß/w\n"


@pytest.mark.parametrize("name", ["SECRET_KEY", "MONGO_INITDB_ROOT_PASSWORD", "MONGO_APP_PASSWORD"])
def test_a_secret_other_than_the_kept_one_ends_the_command_and_changes_nothing(folder: Path, name: str) -> None:
    make(folder, **{name: GIVEN})
    before = kept(folder)
    result = make(folder, **{name: OTHER})
    assert result.exit_code == 1
    assert result.output.startswith(f"Error: {name}: {folder}")
    assert "another secret is kept here" in result.output
    assert not any(secret in result.output for secret in (GIVEN, OTHER))
    assert kept(folder) == before


def test_the_given_secret_replaces_the_kept_one_on_request(folder: Path) -> None:
    make(folder)
    result = make(
        folder, "--replace", SECRET_KEY=GIVEN, MONGO_INITDB_ROOT_PASSWORD="of the root", MONGO_APP_PASSWORD="given"
    )
    assert result.exit_code == 0
    assert kept(folder) == {
        "app/secret_key": f"{GIVEN}\n",
        "app/mongo_uri": "mongodb://latchkey_app:given@mongo:27017/latchkey\n",
        "mongo/password": "of the root\n",
        "mongo/app_password": "given\n",
    }


def test_a_secret_key_that_is_among_the_fallbacks_may_be_replaced(folder: Path) -> None:
    make(folder, SECRET_KEY=GIVEN)
    assert make(folder, SECRET_KEY=OTHER, SECRET_KEY_FALLBACKS=f"x, {GIVEN}").exit_code == 0
    assert kept(folder)["app/secret_key"] == f"{OTHER}\n"


@pytest.mark.parametrize("weak", ["pl4nted", "changeme" * 5, "a,b" * 20])
def test_a_secret_key_that_the_service_would_refuse_is_not_kept(folder: Path, weak: str) -> None:
    result = make(folder, SECRET_KEY=weak)
    assert result.exit_code == 1
    assert result.output.startswith("Error: SECRET_KEY: ")
    assert weak not in result.output
    assert not folder.exists()


ALL = {name: str(os.geteuid()) for name in ("POSTGRES_OWNER", "MYSQL_OWNER", "GRAFANA_OWNER")}
"""The options of all overlays together."""


def test_secrets_of_other_containers_are_made_once(folder: Path) -> None:
    assert make(folder, **ALL).exit_code == 0
    first = kept(folder)
    assert set(first) - {"app/secret_key", "app/mongo_uri", "mongo/password", "mongo/app_password"} == {
        "postgres/password", "app/postgres_url", "mysql/password", "mysql/root_password", "app/mysql_url",
        "grafana/password",
    }  # fmt: skip
    assert len(set(first.values())) == 10
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.rglob("*") if file.is_file()} == {0o600}
    assert make(folder, **ALL).exit_code == 0
    assert kept(folder) == first


@pytest.mark.parametrize(
    ("reader", "url"),
    [
        ("postgres", "postgresql+psycopg://latchkey:{}@postgres:5432/latchkey"),
        ("mysql", "mysql+pymysql://latchkey:{}@mysql:3306/latchkey"),
    ],
)
def test_the_service_takes_the_address_of_an_sql_database(folder: Path, reader: str, url: str) -> None:
    make(folder, **ALL, POSTGRES_PASSWORD="p@ß/w", MARIADB_PASSWORD="p@ß/w")
    files = {"SECRET_KEY_FILE": f"{folder}/app/secret_key", "DATABASE_URL_FILE": f"{folder}/app/{reader}_url"}
    settings = load(files, dotenv=None)
    assert settings.store.database_url is not None
    assert settings.store.database_url.get_secret_value() == url.format("p%40%C3%9F%2Fw")
    assert kept(folder)[f"{reader}/password"] == "p@ß/w\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_other_containers_own_their_files(folder: Path) -> None:
    owners = ("--postgres-owner=999", "--mysql-owner=998", "--grafana-owner=472")
    assert make(folder, "--app-owner=10001", "--mongo-owner=997", *owners).exit_code == 0
    assert {str(file.relative_to(folder)): file.stat().st_uid for file in folder.rglob("*") if file.is_file()} == {
        "app/secret_key": 10001, "app/mongo_uri": 10001, "app/postgres_url": 10001, "app/mysql_url": 10001,
        "mongo/password": 997, "mongo/app_password": 997, "postgres/password": 999,
        "mysql/password": 998, "mysql/root_password": 998,
        "grafana/password": 472,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "reader"),
    [("POSTGRES_PASSWORD", "postgres"), ("MARIADB_PASSWORD", "mysql"), ("GRAFANA_ADMIN_PASSWORD", "grafana")],
)
def test_a_password_other_than_the_kept_one_is_refused_by_its_name(folder: Path, name: str, reader: str) -> None:
    assert make(folder, **ALL, **{name: GIVEN}).exit_code == 0
    result = make(folder, **ALL, **{name: OTHER})
    assert result.exit_code == 1
    assert result.output.startswith(f"Error: {name}: {folder}/{reader}/password: another secret is kept here")
    assert kept(folder)[f"{reader}/password"] == f"{GIVEN}\n"
    assert make(folder, "--replace", **ALL, **{name: OTHER}).exit_code == 0
    assert kept(folder)[f"{reader}/password"] == f"{OTHER}\n"


@pytest.mark.parametrize("weak", ["admin", "grafana"])
def test_grafana_gets_no_password_that_is_easy_to_guess(folder: Path, weak: str) -> None:
    result = make(folder, **ALL, GRAFANA_ADMIN_PASSWORD=weak)
    assert result.exit_code == 1
    assert result.output.startswith("Error: GRAFANA_ADMIN_PASSWORD: has fewer than 10 characters")
    assert not folder.exists()


def test_a_folder_that_cannot_be_written_ends_the_command_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = make(tmp_path / "file" / "x")
    assert result.exit_code == 1
    assert "cannot be read or made" in result.output
    assert isinstance(result.exception, SystemExit)


def test_the_command_runs_without_any_settings(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "app.commands:before_settings", "secrets", "make", str(folder)],
        cwd=ROOT,
        env={"PATH": os.defpath},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert set(kept(folder)) == {"app/secret_key", "app/mongo_uri", "mongo/password", "mongo/app_password"}
