"""Backup and restore, as deploy/backup.sh and deploy/restore.sh do it, on the service as it is served."""

import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from flask.testing import FlaskClient
from sqlalchemy import MetaData, NullPool, create_engine, inspect, make_url, text
from werkzeug.test import TestResponse

from app import config, create_app, wired_of, wiring
from app.accounts.sql import USERS
from tests.e2e.clients import PATIENCE, clients, log_in, me, registering
from tests.e2e.settings import PASSWORD, in_testing, new_secret
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
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "PYTHON": sys.executable, **self.settings}
        return subprocess.Popen(
            [ROOT / "deploy" / f"{name}.sh", *arguments],
            cwd=self.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip


@pytest.fixture
def host(store: dict[str, str], tmp_path: Path) -> Host:
    """A host whose SECRET_KEY is in a file."""
    secret = tmp_path / "secret_key"
    secret.write_text(new_secret())
    settings = in_testing(SECRET_KEY_FILE=str(secret), PUBLIC_URL="https://auth.example.com", **store)
    del settings["SECRET_KEY"]
    return Host(tmp_path, settings)


@pytest.fixture
def kept(host: Host) -> Host:
    """A host whose store was made ready, and holds an account."""
    with opened(host.settings) as client:
        register(client, "ann")
    return host


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
def test_a_backup_made_under_load_brings_back_accounts_sessions_and_keys(
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

    destroy(store)
    Path(host.settings["SECRET_KEY_FILE"]).unlink()
    done = host.restore(archive, "--secret-into", host.settings["SECRET_KEY_FILE"])
    assert done.returncode == 0, done.stdout + done.stderr

    with service(host.settings) as server:
        assert me(server.base_url, tokens["access_token"]).status_code == 200
        exchanged = httpx.post(f"{server.base_url}/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
        assert exchanged.status_code == 200
        assert log_in(server.base_url, "ann").status_code == 200
        for request in before:
            assert log_in(server.base_url, str((request.content or {})["username"])).status_code == 200


@on_every_sql_store
def test_a_store_with_data_is_replaced_only_with_the_option_for_it(store: dict[str, str], kept: Host) -> None:
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


def test_a_damaged_archive_is_refused_before_anything_is_touched(store: dict[str, str], kept: Host) -> None:
    whole = kept.back_up()
    content, middle = whole.read_bytes(), whole.stat().st_size // 2
    damaged = {
        "cut": content[:middle],
        "flipped": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
        "empty": b"",
        "exchanged": content,
        "foreign": content,
    }
    archives = {damage: kept.folder / f"{damage}-{whole.name}" for damage in damaged}
    for damage, archive in archives.items():
        archive.write_bytes(damaged[damage])
    rewrite(archives["exchanged"], {"store": b"another store"})
    rewrite(archives["foreign"], {"manifest.json": b"{}"})

    for damage, archive in archives.items():
        refused = kept.restore(archive, "--replace")
        assert (refused.returncode, "damaged" in refused.stderr) == (1, True), damage
    assert Path(make_url(store["DATABASE_URL"]).database or "").exists()
    with opened(kept.settings) as client:
        assert login(client, "ann").status_code == 200


def test_an_archive_that_would_write_elsewhere_writes_nowhere(kept: Host) -> None:
    archive = kept.back_up()
    manifest = read(archive)["manifest.json"].replace(b'"store":', b'"../planted":')
    rewrite(archive, {"manifest.json": manifest, "../planted": b"planted"})
    assert kept.restore(archive, "--replace").returncode == 1
    assert not list(kept.folder.rglob("planted"))


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


@on_every_sql_store
def test_no_password_is_on_a_command_line(kept: Host, tmp_path: Path) -> None:
    password = make_url(kept.settings["DATABASE_URL"]).password
    seen = tmp_path / "seen"
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("pg_dump", "pg_restore", "psql", "mariadb-dump", "mariadb"):
        if original := program(name):
            wrapper = tools / name
            wrapper.write_text(f'#!/bin/sh\necho "$0 $*" >> {seen}\nenv >> {seen}\nexec {original} "$@"\n')
            wrapper.chmod(0o700)
    watched = Host(tmp_path, kept.settings | {"PATH": f"{tools}:{os.environ['PATH']}"})
    del watched.settings["DATABASE_URL"]
    url = tmp_path / "database_url"
    url.write_text(kept.settings["DATABASE_URL"])
    watched.settings["DATABASE_URL_FILE"] = str(url)

    assert watched.restore(watched.back_up(), "--replace").returncode == 0

    assert seen.exists() is bool(password)
    assert not password or str(password) not in seen.read_text()


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


def test_a_backup_that_is_ended_leaves_nothing(kept: Host, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "gpg").write_text(f"#!/bin/sh\ntouch {tmp_path}/began\nexec sleep 600\n")
    (tools / "gpg").chmod(0o700)
    kept.settings["PATH"] = f"{tools}:{os.environ['PATH']}"
    with kept.start("backup", "--recipient", "ann@example.com", str(kept.backups)) as backup:
        wait_until((tmp_path / "began").exists, 60)
        backup.terminate()
        assert backup.wait(60) != 0
    assert list(kept.backups.iterdir()) == []


def test_a_backup_without_a_choice_about_the_secret_is_refused_and_names_both(kept: Host) -> None:
    refused = kept.run("backup", str(kept.backups))
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "--recipient" in refused.stderr
    assert "--without-secret" in refused.stderr
    assert not kept.backups.exists()


def test_an_archive_is_for_its_owner_and_says_what_it_holds(kept: Host) -> None:
    archive = kept.back_up()
    assert archive.stat().st_mode & 0o777 == 0o600
    assert kept.backups.stat().st_mode & 0o777 == 0o700
    assert [file.name for file in kept.backups.iterdir()] == [archive.name]
    content = read(archive)
    assert set(content) == {"manifest.json", "store"}
    manifest = json.loads(content["manifest.json"])
    assert (manifest["store"], set(manifest["sha256"])) == ("SQLite", {"store"})


def test_restoring_a_backup_without_the_secret_needs_the_secret(kept: Host) -> None:
    archive = kept.back_up("--without-secret")
    secret = Path(kept.settings["SECRET_KEY_FILE"])
    assert secret.read_bytes() not in b"".join(read(archive).values())
    former = secret.read_text()
    secret.write_text(new_secret())

    refused = kept.restore(archive, "--replace")
    assert (refused.returncode, "SECRET_KEY_FALLBACKS" in refused.stderr) == (1, True)
    assert kept.restore(archive, "--replace", "--secret-into", str(kept.folder / "other")).returncode == 1

    kept.settings["SECRET_KEY_FALLBACKS"] = former
    assert kept.restore(archive, "--replace").returncode == 0


def test_an_archive_of_another_database_or_a_newer_version_is_refused(kept: Host) -> None:
    for name, value in (("store", "PostgreSQL"), ("version", "999.0.0")):
        archive = kept.back_up()
        manifest = json.loads(read(archive)["manifest.json"]) | {name: value}
        rewrite(archive, {"manifest.json": json.dumps(manifest).encode()})
        refused = kept.restore(archive, "--replace")
        assert (refused.returncode, value in refused.stderr) == (1, True)
        archive.unlink()


def test_an_archive_is_encrypted_for_a_recipient_and_holds_the_secret(kept: Host, recipient: str) -> None:
    archive = kept.back_up("--recipient", recipient)
    assert archive.suffixes[-2:] == [".gz", ".gpg"]
    assert [file.name for file in kept.backups.iterdir()] == [archive.name]
    with pytest.raises(tarfile.ReadError):
        read(archive)
    secret = Path(kept.settings["SECRET_KEY_FILE"])
    former = secret.read_text()
    secret.unlink()
    assert kept.restore(archive, "--replace", "--secret-into", str(secret)).returncode == 0
    assert secret.read_text().strip() == former.strip()


def test_an_encrypted_archive_can_leave_the_secret_out(kept: Host, recipient: str) -> None:
    archive = kept.back_up("--recipient", recipient, "--without-secret")
    refused = kept.restore(archive, "--replace", "--secret-into", str(kept.folder / "other"))
    assert (refused.returncode, "without its secret" in refused.stderr) == (1, True)
    assert kept.restore(archive, "--replace").returncode == 0


def test_an_encryption_that_fails_leaves_no_archive(kept: Host) -> None:
    require(None if program("gpg") else "GnuPG is missing: apt-get install gnupg")
    assert kept.run("backup", "--recipient", "nobody@example.com", str(kept.backups)).returncode == 1
    assert list(kept.backups.iterdir()) == []


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
