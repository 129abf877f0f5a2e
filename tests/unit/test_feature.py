"""A new feature is a package, a migration and a line in the list of features: the rest follows from its declaration."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.store.sql.schema import REVISION

ROOT = Path(__file__).parents[2]
PACKAGE = {
    "__init__.py": '''
"""Notes, with all that a feature can declare."""

from datetime import timedelta

import click

from app.feature import Feature, Job, Tag
from app.notes import controller
from app.notes.model import Notes
from app.notes.service import NoteService


@click.command("notes")
def notes():
    click.echo("a command of notes")


FEATURE = Feature(
    tags=(Tag("notes", "Notes of users.", (controller.write,)),),
    services={NoteService: lambda parts: NoteService(parts.get(Notes), parts.clock)},
    repositories=(Notes,),
    erase=lambda parts: parts.get(NoteService).erase,
    expires=(Notes,),
    jobs=(lambda parts: Job("notes", timedelta(hours=1), parts.get(NoteService).remind),),
    commands=(notes,),
)
''',
    "model.py": '''
"""Notes."""

from typing import Protocol


class Notes(Protocol):
    def add(self, owner_id, text, expires_at): ...
    def texts(self): ...
    def remove_of(self, owner_id): ...
    def delete_expired(self, now, limit): ...
''',
    "mongo.py": '''
"""Notes in MongoDB."""

from app.store.mongo.indexes import Index


class MongoNotes:
    INDEXES = (Index("notes", "owner_id"),)

    def __init__(self, connection):
        self._connection = connection

    def add(self, owner_id, text, expires_at):
        self._connection["notes"].insert_one({"owner_id": owner_id, "text": text, "expires_at": expires_at})

    def texts(self):
        return sorted(note["text"] for note in self._connection["notes"].find())
''',
    "sql.py": '''
"""Notes in SQL."""

from sqlalchemy import Column, String, Table, delete, insert, select

from app.store.sql.columns import INSTANT, exact
from app.store.sql.schema import METADATA, ON_MYSQL

NOTES = Table(
    "notes",
    METADATA,
    Column("owner_id", exact(36), nullable=False),
    Column("text", String(100), nullable=False),
    Column("expires_at", INSTANT, nullable=False),
    **ON_MYSQL,
)


class SqlNotes:
    def __init__(self, database):
        self._database = database

    def add(self, owner_id, text, expires_at):
        self._database.change(insert(NOTES), {"owner_id": owner_id, "text": text, "expires_at": expires_at})

    def texts(self):
        return sorted(row[0] for row in self._database.rows(select(NOTES.c.text)))

    def remove_of(self, owner_id):
        return self._database.change(delete(NOTES).where(NOTES.c.owner_id == owner_id), {})

    def delete_expired(self, now, limit):
        return self._database.change(delete(NOTES).where(NOTES.c.expires_at <= now), {})
''',
    "service.py": '''
"""The rules for notes."""

from datetime import timedelta


class NoteService:
    def __init__(self, notes, clock):
        self.notes = notes
        self.clock = clock

    def write(self, owner_id, text, days):
        self.notes.add(owner_id, text, self.clock() + timedelta(days=days))

    def remind(self):
        self.write("nobody", "of the job", 1)
        return 1

    def erase(self, owner_id):
        self.notes.remove_of(owner_id)
        yield
''',
    "controller.py": '''
"""The endpoint of notes."""

from app.notes.service import NoteService
from app.web.call import Call
from app.web.endpoint import endpoint
from app.web.guard import public
from app.web.input import Body
from app.web.view import Nothing


class NewNote(Body):
    """A note."""

    owner: str
    text: str
    days: int


@endpoint("POST /notes", access=public, operation="writeNote", body=NewNote, returns=Nothing)
def write(call: Call, body: NewNote) -> Nothing:
    """Write a note."""
    call.get(NoteService).write(body.owner, body.text, body.days)
    return Nothing()
''',
}
MIGRATION = f'''
"""Notes."""

import sqlalchemy as sa
from alembic import op

from app.store.sql.columns import INSTANT, exact

revision = "9999"
down_revision = "{REVISION}"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "notes",
        sa.Column("owner_id", exact(36), nullable=False),
        sa.Column("text", sa.String(100), nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
    )
'''
USE = '''
"""Uses the features, and prints what came of it."""

import json

from app import config, create_app, wiring
from app.notes.model import Notes
from app.platform import clock
from tests.api.service import SETTINGS
from tests.contract.mongo_stores import in_memory
from tests.stores import mongo_store

settings = config.load(SETTINGS | {"DATABASE_URL": "sqlite:///notes.db", "RATE_LIMITS": "off"}, dotenv=None)
wired = wiring.build(settings)
wired.prepare()
notes = wired.get(Notes)
app = create_app(settings)
client = app.test_client()
used = {"problems": wired.store.problems()}

reply = client.post("/auth/register", json={"username": "ann", "password": "correct horse battery staple"})
ann, token = reply.json["data"]["user"]["id"], reply.json["data"]["access_token"]
wrote = [
    client.post("/notes", json={"owner": owner, "text": text, "days": days}).status_code
    for owner, text, days in ((ann, "of Ann", 1), ("bob", "of Bob", 1), ("bob", "expired", -1))
]
used["wrote"], used["written"] = wrote, notes.texts()
described = client.get("/openapi.json").json
used["documented"] = "/notes" in described["paths"] and {"name": "notes", "description": "Notes of users."} in (
    described["tags"]
)
used["command"] = app.test_cli_runner().invoke(args=["notes"]).output

wired.jobs.run_due()
used["after the jobs"] = notes.texts()
client.delete(
    "/auth/me", json={"password": "correct horse battery staple"}, headers={"Authorization": f"Bearer {token}"}
)
used["after the deletion"] = notes.texts()

server = in_memory()
store = mongo_store("", "latchkey", client=server)
store.prepare()
store.repository(Notes).add("ann", "in MongoDB", clock.now())
used["in MongoDB"] = store.repository(Notes).texts()
used["indexes"] = sorted(server["latchkey"]["notes"].index_information())
print(json.dumps(used))
'''


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What came of using a copy of the service to which the feature was added, and nothing else was done."""
    copy = tmp_path_factory.mktemp("copy")
    for folder in ("app", "migrations"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "app/notes").mkdir()
    for name, text in PACKAGE.items():
        (copy / "app/notes" / name).write_text(text)
    (copy / "migrations/versions/9999_notes.py").write_text(MIGRATION)
    listed = copy / "app/features.py"
    before, opening, behind = listed.read_text().partition("FEATURES = (\n")
    listed.write_text(f"{before}from app import notes\n\n{opening}    notes.FEATURE,\n{behind}")
    done = subprocess.run(
        [sys.executable, "-c", USE],
        cwd=copy,
        env=os.environ | {"PYTHONPATH": f"{copy}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_its_endpoint_is_served_and_documented(used: Any) -> None:
    assert used["wrote"] == [200, 200, 200]
    assert used["documented"]


def test_its_repository_is_opened_on_each_kind_of_store_with_its_table_and_its_indexes(used: Any) -> None:
    assert used["problems"] == []
    assert used["written"] == ["expired", "of Ann", "of Bob"]
    assert used["in MongoDB"] == ["in MongoDB"]
    assert used["indexes"] == ["_id_", "owner_id_1"]


def test_its_job_runs_and_what_has_expired_is_deleted(used: Any) -> None:
    assert used["after the jobs"] == ["of Ann", "of Bob", "of the job"]


def test_the_deletion_of_an_account_erases_what_it_holds_about_the_user(used: Any) -> None:
    assert used["after the deletion"] == ["of Bob", "of the job"]


def test_its_command_is_installed(used: Any) -> None:
    assert used["command"] == "a command of notes\n"
