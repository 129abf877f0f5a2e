"""deploy/mongo/user.js, run by node in place of mongosh: what it asks of MongoDB, of which no server is at hand."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.servers.fixtures import require
from tests.servers.process import program

SCRIPT = Path(__file__).parents[2] / "deploy/mongo/user.js"
SHELL = """
const calls = [];
const of = (name) => ({
  auth: (...given) => calls.push([name, "auth", ...given]),
  getSiblingDB: of,
  getUser: (user) => (process.env.THERE ? { user } : null),
  createUser: (user) => calls.push([name, "createUser", user]),
  updateUser: (user, changes) => calls.push([name, "updateUser", user, changes]),
});
globalThis.db = of("test");
globalThis.connect = (uri) => (calls.push(["connect", uri]), of("admin"));
require(process.argv[1]);
console.log(JSON.stringify(calls));
"""
"""Stands in for mongosh: what the script calls, and what it is called with."""
RIGHTS = [{"role": "readWrite", "db": "accounts"}]


def calls(folder: Path, **environment: str) -> list[Any]:
    """What the script asks for, with passwords of root and of the service that end with a line's end."""
    require(None if program("node") else "node is missing: apt-get install nodejs")
    for name in ("root", "app"):
        (folder / name).write_text(f"pass word of {name} \r\n", newline="")
    given = {
        "PATH": os.environ["PATH"],
        "MONGO_INITDB_ROOT_USERNAME": "owner",
        "MONGO_INITDB_ROOT_PASSWORD_FILE": str(folder / "root"),
        "MONGO_INITDB_DATABASE": "accounts",
        "MONGO_APP_PASSWORD_FILE": str(folder / "app"),
        **environment,
    }
    done = subprocess.run(["node", "--eval", SHELL, SCRIPT], env=given, capture_output=True, text=True, check=True)
    found: list[Any] = json.loads(done.stdout)
    return found


def test_a_new_database_gets_a_user_that_reads_and_writes_it_and_nothing_else(tmp_path: Path) -> None:
    user = {"user": "latchkey_app", "pwd": "pass word of app ", "roles": RIGHTS}
    assert calls(tmp_path) == [["accounts", "createUser", user]]


@pytest.mark.parametrize("there", ["", "yes"])
def test_on_a_server_that_runs_root_makes_the_user_or_gives_it_password_and_rights_again(
    tmp_path: Path, there: str
) -> None:
    connected, logged_in, (database, verb, *asked) = calls(tmp_path, MONGO_HOST="mongo:27017", THERE=there)
    assert connected == ["connect", "mongodb://mongo:27017/admin"]
    assert logged_in == ["admin", "auth", "owner", "pass word of root "]
    assert (database, verb) == ("accounts", "updateUser" if there else "createUser")
    assert asked[-1]["roles"] == RIGHTS
    assert asked[-1]["pwd"] == "pass word of app "
