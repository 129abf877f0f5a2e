"""`flask bootstrap FILE`: roles and users that a file declares."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from app import wired_of
from app.outbox.service import Outbox
from app.roles.model import RoleBooks
from tests.api.service import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

FILE = """\
roles:
  - name: editor
    permissions: [users:write, users:read]
    description: Edits.
  - {name: member, permissions: []}
users:
  - email: Ann@example.com
    username: ann
    roles: [editor, student]
  - email: bob@example.com
"""
SILENT = {"FLASK_ENV": "production", "BCRYPT_COST": "12", "PUBLIC_URL": "https://auth.example.com"}
"""Settings without mail."""


@pytest.fixture
def bootstrap(flask: Callable[..., Result], tmp_path: Path) -> Callable[..., Result]:
    """Runs the command with a file of this content."""

    def run(text: str | bytes, *arguments: str, **settings: str) -> Result:
        file = tmp_path / "bootstrap.yaml"
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        return flask("bootstrap", str(file), *arguments, **settings)

    return run


def facts(result: Result, status: int = 0) -> dict[str, Any]:
    assert result.exit_code == status, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def listed(flask: Callable[..., Result]) -> dict[str, tuple[str, list[str]]]:
    users = map(json.loads, flask("users", "list", "--json").stdout.splitlines())
    return {user["email"]: (user["status"], user["roles"]) for user in users}


def test_what_a_file_declares_is_made_once(
    flask: Callable[..., Result], bootstrap: Callable[..., Result], tmp_path: Path
) -> None:
    assert flask("roles", "load").exit_code == 0  # before the first start
    mails = {"MAIL_DIR": str(tmp_path / "mail")}
    done = facts(bootstrap(FILE, "--json", **mails))
    assert done == {
        "roles": {"added": ["editor"], "changed": [], "kept": ["member"]},
        "users": {
            "invited": [{"email": "Ann@example.com"}, {"email": "bob@example.com"}],
            "kept": [],
            "refused": [],
        },
    }
    assert listed(flask) == {
        "Ann@example.com": ("invited", ["editor", "student"]),
        "bob@example.com": ("invited", ["member"]),
    }
    book = wired_of(flask.app()).get(RoleBooks).load()  # type: ignore[attr-defined]
    role = book.role("editor")
    assert role is not None
    assert (role.permissions, role.description) == (("users:read", "users:write"), "Edits.")
    assert wired_of(flask.app()).get(Outbox).waiting() > 0  # type: ignore[attr-defined] # the invitations

    again = facts(bootstrap(FILE, "--json", **mails))
    assert again["roles"] == {"added": [], "changed": [], "kept": ["editor", "member"]}
    assert again["users"] == {"invited": [], "kept": ["Ann@example.com", "bob@example.com"], "refused": []}
    assert wired_of(flask.app()).get(RoleBooks).load() == book  # type: ignore[attr-defined]


@pytest.mark.usefixtures("prepared")
def test_a_role_becomes_what_the_file_says_and_a_user_stays_as_they_are(
    flask: Callable[..., Result], bootstrap: Callable[..., Result]
) -> None:
    bootstrap(FILE.replace(", student", ""))
    flask("users", "set-roles", "bob@example.com", "editor")
    changed = bootstrap(FILE.replace(", student", "").replace("users:write, ", ""))
    assert changed.stdout.splitlines() == [
        "role editor: changed",
        "role member: kept",
        "user Ann@example.com: kept",
        "user bob@example.com: kept",
    ]
    assert listed(flask)["bob@example.com"] == ("invited", ["editor"])


@pytest.mark.usefixtures("prepared")
def test_where_no_mail_can_be_sent_links_are_printed(
    flask: Callable[..., Result], bootstrap: Callable[..., Result]
) -> None:
    flask("users", "create", "--email", "eve@example.com", "--password-stdin", input=PASSWORD)
    text = "users: [{email: ann@example.com}, {email: eve@example.com}, {email: bob@example.com, username: admin}]"
    done = facts(bootstrap(text, "--json", **SILENT), status=1)["users"]
    ((ann,), (eve, bob)) = done["invited"], done["refused"]
    assert ann["link"].startswith("https://auth.example.com/invitation#")
    assert (eve["email"], bob["email"]) == ("eve@example.com", "bob@example.com")
    assert "already exists" in eve["message"]  # nobody proves that address by a link that was not mailed there
    assert bob["message"] == "This user name is taken."


@pytest.mark.usefixtures("prepared")
@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("users:\n  - email: nobody\n", ["line 2: users.0.email: This is not an e-mail address"]),
        ("users:\n  - roles: [member]\n", ["line 2: users.0.email: Field required"]),
        ("user:\n  - email: ann@example.com\n", ["line 1: user: there is no such key"]),
        (
            "users:\n- email: a@example.com\n  password: planted\n- emial: b@example.com\n",
            ["line 3: users.0.password: there is no such key", "line 4: users.1.email", "line 4: users.1.emial"],
        ),
        ("roles:\n  - {name: Editor, permissions: []}\n", ["line 2: roles.0.name: The name of a role"]),
        ("roles:\n  - {name: a, permissions: [yes]}\n", ["line 2: roles.0.permissions.0"]),
        ("roles:\n- {name: a, permissions: []}\n- {name: a, permissions: []}", ["line 1: roles: a is declared twice"]),
        ("users:\n- email: a@b.example\n- email: A@b.example", ["line 1: users: a@b.example is declared twice"]),
        ("roles: []\nusers: []\nroles: []\n", ["line 3: roles is there twice"]),
        ("users:\n  - email: [unclosed\n", ["line 3: this is not YAML"]),
        ("a: b: c\n", ["line 1: this is not YAML"]),
        ("!!python/object/apply:os.system [id]\n", ["line 1: this is not YAML"]),
        ("users: &a [*a]\n", ["this is not YAML"]),
        ("\x00", ["this is not YAML"]),
        ("- users\n", ["line 1: the file"]),
    ],
)
def test_every_fault_of_a_file_is_told_by_its_line_and_nothing_is_made(
    text: str, problems: list[str], flask: Callable[..., Result], bootstrap: Callable[..., Result]
) -> None:
    refused = bootstrap(f"{text}")
    assert refused.exit_code == 1
    assert isinstance(refused.exception, SystemExit)
    first, *lines = refused.stderr.splitlines()
    assert first.endswith("bootstrap.yaml is wrong; nothing was changed.")
    assert len(lines) == len(problems)
    assert all(line.strip().startswith(problem) for line, problem in zip(lines, problems, strict=True)), lines
    assert "planted" not in refused.output
    assert listed(flask) == {}


@pytest.mark.usefixtures("prepared")
def test_roles_and_permissions_that_do_not_exist_are_named_and_nothing_is_made(
    flask: Callable[..., Result], bootstrap: Callable[..., Result]
) -> None:
    for text, message in (
        (FILE, "users.0.roles: There is no role student."),
        (FILE.replace(", student", "").replace("users:read", "users:raed"), "There is no permission users:raed."),
        ("roles: [{name: admin, permissions: []}]\n" + FILE[FILE.index("users:\n") :], "student"),
        ("roles: [{name: admin, permissions: []}]", "The role admin is built in"),
    ):
        refused = bootstrap(text)
        assert refused.exit_code == 1
        assert message in refused.stderr
    assert listed(flask) == {}
    assert "editor" not in flask("roles", "list").stdout


@pytest.mark.usefixtures("prepared")
def test_a_file_that_is_empty_missing_or_no_text_is_reported(
    flask: Callable[..., Result], bootstrap: Callable[..., Result]
) -> None:
    assert bootstrap("").stdout == "The file declares nothing.\n"
    assert bootstrap(b"\xff\xfe\xff").exit_code == 1
    assert flask("bootstrap", "/nowhere/file.yaml").exit_code == 2
    assert flask("bootstrap").exit_code == 2


@pytest.mark.usefixtures("prepared")
def test_a_role_asks_for_a_second_factor_as_the_file_says_and_as_before_if_it_says_nothing(
    flask: Callable[..., Result], bootstrap: Callable[..., Result]
) -> None:
    def outcome(said: str) -> tuple[str, bool]:
        file = f"roles:\n- {{name: cashier, permissions: []{said}}}\n"
        ((how, _),) = [each for each in facts(bootstrap(file, "--json"))["roles"].items() if each[1]]
        lines = map(json.loads, flask("roles", "list", "--json").stdout.splitlines())
        return how, next(role["require_second_factor"] for role in lines if role["name"] == "cashier")

    on, off = ", require_second_factor: true", ", require_second_factor: false"
    assert [outcome(said) for said in (on, "", on, off, "")] == [
        ("added", True),
        ("kept", True),
        ("kept", True),
        ("changed", False),
        ("kept", False),
    ]
    wrong = bootstrap("roles:\n- {name: cashier, permissions: [], require_second_factor: perhaps}\n")
    assert wrong.exit_code == 1
    assert "require_second_factor" in wrong.output
