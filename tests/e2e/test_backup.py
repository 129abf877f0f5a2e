"""Backup and restore, as deploy/backup.sh and deploy/restore.sh do it, on the service as it is served."""

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from flask.testing import FlaskClient
from sqlalchemy import MetaData, NullPool, create_engine, inspect, make_url, text
from werkzeug.test import TestResponse

from app import config, create_app, wired_of, wiring
from app.accounts.sql import USERS
from tests.e2e.clients import PATIENCE, clients, log_in, me, registering
from tests.e2e.settings import PASSWORD, in_testing, new_secret, on_sqlite
from tests.servers.fixtures import require
from tests.servers.process import program, wait_until
from tests.servers.service import ROOT, service

pytestmark = pytest.mark.timeout(600)

on_every_sql_store = pytest.mark.parametrize("store", ["sqlite", "postgresql", "mariadb"], indirect=True)


MONGO_TOOLS = """
import pathlib, sys, bson, pymongo, yaml
given = dict(option.removeprefix("--").partition("=")[::2] for option in sys.argv[1:])
uri = yaml.safe_load(pathlib.Path(given["config"]).read_text())["uri"]
database = pymongo.MongoClient(uri)[given["db"] if "db" in given else given["nsInclude"].removesuffix(".*")]
archive = pathlib.Path(given["archive"])
if sys.argv[0].endswith("mongodump"):
    found = {name: list(database[name].find()) for name in database.list_collection_names()}
    kept = {name: documents for name, documents in found.items() if documents}
    archive.write_bytes(bson.encode({"database": database.name, "kept": kept}))
else:
    content = bson.decode(archive.read_bytes())
    for name, documents in content["kept"].items() if content["database"] == database.name else ():
        database[name].drop()
        database[name].insert_many(documents)
"""
"""Stands in for MongoDB's database tools, which Debian does not have: their options, and a format of its own."""


class Host:
    """A machine with the settings of the service, and an operator at it."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self.folder = folder
        self.settings = dict(settings)
        self.backups = folder / "backups"

    def back_up(self, *options: str) -> Path:
        """The archive that a backup made, in clear and without SECRET_KEY unless `options` say otherwise."""
        options = options or ("--without-secret",)
        done = self.run("backup", *options, str(self.backups))
        assert done.returncode == 0, done.stdout + done.stderr
        return self.folder / done.stdout.strip()

    def restore(self, archive: Path, *options: str) -> subprocess.CompletedProcess[str]:
        return self.run("restore", *options, str(archive))

    def run(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a script of deploy/ to its end; returns its output."""
        with self.start(name, *arguments) as process:
            output, errors = process.communicate()
        return subprocess.CompletedProcess(process.args, process.returncode, output, errors)

    def start(self, name: str, *arguments: str) -> subprocess.Popen[str]:
        """A script of deploy/, started in a folder without a `.env`."""
        folders = {"HOME": str(self.folder), "TMPDIR": str(self.folder)}
        environment = {"PATH": os.environ["PATH"], "PYTHON": sys.executable, **folders, **self.settings}
        return subprocess.Popen(
            [ROOT / "deploy" / f"{name}.sh", *arguments],
            cwd=self.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip


@pytest.fixture
def host(store: dict[str, str], tmp_path: Path) -> Host:
    return host_in(tmp_path, store)


def host_in(folder: Path, store: Mapping[str, str]) -> Host:
    """A host whose SECRET_KEY is in a file."""
    secret = folder / "secret_key"
    secret.write_text(new_secret())
    settings = in_testing(SECRET_KEY_FILE=str(secret), PUBLIC_URL="https://auth.example.com", **store)
    del settings["SECRET_KEY"]
    return Host(folder, settings)


@pytest.fixture
def kept(host: Host) -> Host:
    """A host whose store was made ready, and holds an account."""
    with opened(host.settings) as client:
        register(client, "ann")
    return host


@dataclass(frozen=True)
class BackedUp:
    """A host whose store, on SQLite, holds an account, and its archive; the tests leave both as they are."""

    host: Host
    archive: Path

    def copy(self, folder: Path, changes: Mapping[str, bytes]) -> Path:
        """A copy of the archive, with these files in place of its own."""
        copied = Path(shutil.copy(self.archive, folder))
        rewrite(copied, changes)
        return copied


@pytest.fixture(scope="module")
def backed_up(tmp_path_factory: pytest.TempPathFactory) -> BackedUp:
    folder = tmp_path_factory.mktemp("host")
    host = host_in(folder, on_sqlite(folder))
    with opened(host.settings) as client:
        register(client, "ann")
    return BackedUp(host, host.back_up())


@pytest.fixture
def recipient(host: Host) -> Iterator[str]:
    """A recipient for whom GnuPG can encrypt and decrypt on the host."""
    require(None if program("gpg") else "GnuPG is missing: apt-get install gnupg")
    ring = host.folder / "ring"
    ring.mkdir(mode=0o700)
    host.settings["GNUPGHOME"] = str(ring)
    make_key = ["gpg", "--batch", "--passphrase", "", "--quick-generate-key", "backup@example.com", "future-default"]
    subprocess.run(make_key, env={**os.environ, "GNUPGHOME": str(ring)}, check=True, capture_output=True)
    yield "backup@example.com"
    subprocess.run(["gpgconf", "--homedir", str(ring), "--kill", "all"], check=True)


def log_in_anew(base_url: str, username: str) -> dict[str, str]:
    """The tokens of a new account."""
    credentials = {"username": username, "password": PASSWORD}
    reply = httpx.post(f"{base_url}/auth/register", json=credentials, timeout=PATIENCE)
    assert reply.status_code == 201, reply.text
    tokens: dict[str, str] = reply.json()["data"]
    return tokens


@contextmanager
def opened(settings: Mapping[str, str]) -> Iterator[FlaskClient]:
    """A client of the service with these settings, in this process: quicker than a server, and on the same store."""
    made = config.load(settings, dotenv=None)
    wiring.prepare(made)
    app = create_app(made)
    try:
        yield app.test_client()
    finally:
        wired_of(app).close()


def register(client: FlaskClient, username: str) -> None:
    assert post(client, "/auth/register", username=username, password=PASSWORD).status_code == 201


def login(client: FlaskClient, username: str) -> TestResponse:
    return post(client, "/auth/login", username=username, password=PASSWORD)


def post(client: FlaskClient, path: str, **body: str) -> TestResponse:
    return client.post(path, json=body, base_url="https://auth.example.com")


def destroy(store: Mapping[str, str]) -> None:
    """Everything that a store holds is gone."""
    url = make_url(store["DATABASE_URL"])
    if url.get_backend_name() == "sqlite":
        for file in Path(str(url.database)).parent.glob(f"{Path(str(url.database)).name}*"):
            file.unlink()
        return
    engine = create_engine(url, poolclass=NullPool)
    tables = MetaData()
    tables.reflect(engine)
    tables.drop_all(engine)


@on_every_sql_store
def test_an_encrypted_backup_made_under_load_brings_back_accounts_sessions_keys_and_the_secret(
    store: dict[str, str], host: Host, recipient: str
) -> None:
    with service(host.settings) as server:
        tokens = log_in_anew(server.base_url, "ann")
        with clients(server.port, [registering(f"user-{number}") for number in range(4)]) as load:
            load.wait_for_more()
            before = [request for request, status in load.answered if status == 201]
            archive = host.back_up("--recipient", recipient)
            load.wait_for_more()
            load.stop()
        assert load.statuses("/auth/register") - {503} == {201}

    assert archive.suffixes[-2:] == [".gz", ".gpg"]
    assert [file.name for file in host.backups.iterdir()] == [archive.name]
    with pytest.raises(tarfile.ReadError):
        read(archive)

    destroy(store)
    secret = Path(host.settings["SECRET_KEY_FILE"])
    former = secret.read_text()
    secret.unlink()
    done = host.restore(archive, "--secret-into", str(secret))
    assert done.returncode == 0, done.stdout + done.stderr
    assert secret.read_text().strip() == former.strip()

    with service(host.settings) as server:
        assert me(server.base_url, tokens["access_token"]).status_code == 200
        exchanged = httpx.post(f"{server.base_url}/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
        assert exchanged.status_code == 200
        assert log_in(server.base_url, "ann").status_code == 200
        for request in before:
            assert log_in(server.base_url, str((request.content or {})["username"])).status_code == 200


@on_every_sql_store
def test_a_store_with_data_is_replaced_only_with_the_option_for_it_and_no_password_is_on_a_command_line(
    store: dict[str, str], kept: Host
) -> None:
    seen = watch_tools(kept)
    archive = kept.back_up()
    with opened(kept.settings) as client:
        register(client, "bob")
    leave_a_table_behind(store)

    refused = kept.restore(archive)
    assert (refused.returncode, "--replace" in refused.stderr) == (1, True)
    with opened(kept.settings) as client:
        assert login(client, "bob").status_code == 200

    done = kept.restore(archive, "--replace")
    assert done.returncode == 0, done.stdout + done.stderr
    with opened(kept.settings) as client:
        assert login(client, "ann").status_code == 200
        assert login(client, "bob").status_code == 401
    engine = create_engine(store["DATABASE_URL"], poolclass=NullPool)
    assert "of_a_newer_version" not in inspect(engine).get_table_names()
    password = make_url(store["DATABASE_URL"]).password
    assert seen.exists() is bool(password)
    assert not password or str(password) not in seen.read_text()


def test_a_damaged_archive_is_refused_before_anything_is_touched(backed_up: BackedUp, tmp_path: Path) -> None:
    host, content = backed_up.host, backed_up.archive.read_bytes()
    middle = len(content) // 2
    damaged = {
        "cut": content[:middle],
        "flipped": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
        "empty": b"",
        "exchanged": content,
        "foreign": content,
    }
    archives = {damage: tmp_path / f"{damage}-{backed_up.archive.name}" for damage in damaged}
    for damage, archive in archives.items():
        archive.write_bytes(damaged[damage])
    rewrite(archives["exchanged"], {"store": b"another store"})
    rewrite(archives["foreign"], {"manifest.json": b"{}"})

    for damage, archive in archives.items():
        refused = host.restore(archive, "--replace")
        assert (refused.returncode, "damaged" in refused.stderr) == (1, True), damage
    assert Path(make_url(host.settings["DATABASE_URL"]).database or "").exists()
    with opened(host.settings) as client:
        assert login(client, "ann").status_code == 200


def test_an_archive_that_would_write_elsewhere_writes_nowhere(backed_up: BackedUp, tmp_path: Path) -> None:
    manifest = json.loads(read(backed_up.archive)["manifest.json"])
    manifest["sha256"]["../planted"] = sha256(b"planted").hexdigest()
    archive = backed_up.copy(tmp_path, {"manifest.json": json.dumps(manifest).encode(), "../planted": b"planted"})
    assert backed_up.host.restore(archive, "--replace").returncode == 1
    assert not list(backed_up.host.folder.rglob("planted"))


@pytest.mark.parametrize("store", ["postgresql", "mariadb"], indirect=True)
def test_a_dump_that_fails_leaves_no_archive(kept: Host) -> None:
    url = make_url(kept.settings["DATABASE_URL"])
    kept.settings["DATABASE_URL"] = url.set(database="nowhere").render_as_string(hide_password=False)
    failed = kept.run("backup", "--without-secret", str(kept.backups))
    assert (failed.returncode, failed.stdout) == (1, "")
    assert list(kept.backups.iterdir()) == []


def test_a_file_that_is_not_there_gives_no_archive(host: Host) -> None:
    failed = host.run("backup", "--without-secret", str(host.backups))
    assert (failed.returncode, failed.stdout) == (1, "")
    assert list(host.backups.iterdir()) == []
    assert not Path(make_url(host.settings["DATABASE_URL"]).database or "").exists()


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_a_restore_that_fails_leaves_what_was_there(kept: Host) -> None:
    archive = kept.back_up()
    with opened(kept.settings) as client:
        register(client, "bob")
    take_the_name_of_an_index(kept.settings["DATABASE_URL"])

    assert kept.restore(archive, "--replace").returncode == 1

    with opened(kept.settings) as client:
        assert login(client, "bob").status_code == 200


@pytest.mark.parametrize("store", ["mongodb"], indirect=True)
def test_mongodb_is_backed_up_by_its_own_tools(kept: Host, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("mongodump", "mongorestore"):
        (tools / name).write_text(f"#!{sys.executable}\n{MONGO_TOOLS}")
        (tools / name).chmod(0o700)
    kept.settings["PATH"] = f"{tools}:{os.environ['PATH']}"
    archive = kept.back_up()
    with opened(kept.settings) as client:
        register(client, "bob")

    assert "--replace" in kept.restore(archive).stderr
    done = kept.restore(archive, "--replace")

    # Not its status: to flask doctor, the server that stands in for MongoDB is too old.
    assert done.stdout.startswith("restored: MongoDB"), done.stderr
    with opened(kept.settings) as client:
        assert login(client, "ann").status_code == 200
        assert login(client, "bob").status_code == 401


def test_a_backup_that_is_ended_leaves_nothing(backed_up: BackedUp, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "gpg").write_text(f"#!/bin/sh\ntouch {tmp_path}/began\nexec sleep 600\n")
    (tools / "gpg").chmod(0o700)
    host = Host(tmp_path, backed_up.host.settings | {"PATH": f"{tools}:{os.environ['PATH']}"})
    with host.start("backup", "--recipient", "ann@example.com", str(host.backups)) as backup:
        wait_until((tmp_path / "began").exists, 60)
        backup.terminate()
        assert backup.wait(60) != 0
    assert list(host.backups.iterdir()) == []


def test_a_backup_without_a_choice_about_the_secret_is_refused_and_names_both(host: Host) -> None:
    refused = host.run("backup", str(host.backups))
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "--recipient" in refused.stderr
    assert "--without-secret" in refused.stderr
    assert not host.backups.exists()


def test_an_archive_is_for_its_owner_and_says_what_it_holds(backed_up: BackedUp) -> None:
    host, archive = backed_up.host, backed_up.archive
    assert archive.stat().st_mode & 0o777 == 0o600
    assert host.backups.stat().st_mode & 0o777 == 0o700
    assert [file.name for file in host.backups.iterdir()] == [archive.name]
    content = read(archive)
    assert set(content) == {"manifest.json", "store"}
    manifest = json.loads(content["manifest.json"])
    assert (manifest["store"], set(manifest["sha256"])) == ("SQLite", {"store"})
    assert Path(host.settings["SECRET_KEY_FILE"]).read_bytes() not in b"".join(content.values())


def test_restoring_a_backup_without_the_secret_needs_the_secret(kept: Host, recipient: str) -> None:
    archive = kept.back_up("--recipient", recipient, "--without-secret")
    secret = Path(kept.settings["SECRET_KEY_FILE"])
    former = secret.read_text()
    secret.write_text(new_secret())

    refused = kept.restore(archive, "--replace")
    assert (refused.returncode, "SECRET_KEY_FALLBACKS" in refused.stderr) == (1, True)
    refused = kept.restore(archive, "--replace", "--secret-into", str(kept.folder / "other"))
    assert (refused.returncode, "without its secret" in refused.stderr) == (1, True)

    kept.settings["SECRET_KEY_FALLBACKS"] = former
    assert kept.restore(archive, "--replace").returncode == 0


def test_an_archive_of_another_database_or_a_newer_version_is_refused(backed_up: BackedUp, tmp_path: Path) -> None:
    manifest = json.loads(read(backed_up.archive)["manifest.json"])
    for name, value in (("store", "PostgreSQL"), ("version", "999.0.0")):
        archive = backed_up.copy(tmp_path, {"manifest.json": json.dumps(manifest | {name: value}).encode()})
        refused = backed_up.host.restore(archive, "--replace")
        assert (refused.returncode, value in refused.stderr) == (1, True)


def test_an_encryption_that_fails_leaves_no_archive(backed_up: BackedUp, tmp_path: Path) -> None:
    require(None if program("gpg") else "GnuPG is missing: apt-get install gnupg")
    assert backed_up.host.run("backup", "--recipient", "nobody@example.com", str(tmp_path)).returncode == 1
    assert list(tmp_path.iterdir()) == []


def watch_tools(host: Host) -> Path:
    """Give the host tools of the databases that write down how they were called, and the URL of its store in a file.

    Returns where they write; there is nothing before the first was called.
    """
    seen, tools, url = (host.folder / name for name in ("seen", "tools", "database_url"))
    tools.mkdir()
    for name in ("pg_dump", "pg_restore", "psql", "mariadb-dump", "mariadb"):
        if original := program(name):
            wrapper = tools / name
            wrapper.write_text(f'#!/bin/sh\necho "$0 $*" >> {seen}\nenv >> {seen}\nexec {original} "$@"\n')
            wrapper.chmod(0o700)
    url.write_text(host.settings.pop("DATABASE_URL"))
    host.settings |= {"DATABASE_URL_FILE": str(url), "PATH": f"{tools}:{os.environ['PATH']}"}
    return seen


def leave_a_table_behind(store: Mapping[str, str]) -> None:
    """What a newer version would have made."""
    with create_engine(store["DATABASE_URL"], poolclass=NullPool).begin() as connection:
        connection.execute(text("CREATE TABLE of_a_newer_version (id INTEGER PRIMARY KEY)"))


def take_the_name_of_an_index(url: str) -> None:
    """A view with the name of an index: so the index cannot be made, after all tables were."""
    name = min(str(index.name) for index in USERS.indexes)
    with create_engine(url, poolclass=NullPool).begin() as connection:
        connection.execute(text(f"DROP INDEX {name}"))
        connection.execute(text(f"CREATE VIEW {name} AS SELECT 1 AS one"))


def read(archive: Path) -> dict[str, bytes]:
    """The files of an archive by their names."""
    with tarfile.open(archive) as tar:
        return {member.name: file.read() for member in tar if (file := tar.extractfile(member))}


def rewrite(archive: Path, changes: Mapping[str, bytes]) -> None:
    """Rewrite an archive, with these files in place of its own."""
    content = {**read(archive), **changes}
    with tarfile.open(archive, "w:gz") as tar:
        for name, file in content.items():
            member = tarfile.TarInfo(name)
            member.size = len(file)
            tar.addfile(member, io.BytesIO(file))
