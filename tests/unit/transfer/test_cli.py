"""`flask users import` says what became of each user, and `flask users export` writes a file for one reader."""

from __future__ import annotations

import json
import sqlite3
import stat
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from app.security.passwords import PasswordHasher
from tests.api.service import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    Flask = Callable[..., Result]

HASH = PasswordHasher("bcrypt", 4).hash(PASSWORD)
TOTP = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


def line(number: int, **fields: Any) -> str:
    user = {"id": number, "email": f"ann{number}@example.org", "password_hash": HASH} | fields
    return json.dumps({name: found for name, found in user.items() if found is not None}) + "\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "users.jsonl"


def test_the_refused_are_told_by_line_and_reason_without_the_value_and_the_others_are_in(
    flask: Flask, file: Path
) -> None:
    file.write_text(
        line(1)
        + line(2, password_hash="$2b$31$" + "." * 53)
        + line(3, email="not an address")
        + line(4, email="ANN1@example.org")
        + line(5, roles=["admin"])
        + line(6, roles=["nobody"])
        + line(7, username="root")
        + line(8, email=None)
        + line(9, password_hash=None, email=None, username="nine")
        + line(10, name="\x1b[31mred")
        + line(11)
        + '{"email": "cut@exam'
    )

    result = flask("users", "import", str(file))

    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "2: Checking its hash would cost more than this service allows.",
        "3: email: This is not an e-mail address that this service can send mail to.",
        "4: email: Another account has this e-mail address, or may still take it back.",
        "5: roles: It is an administrator: to import those, use --with-admins.",
        "6: roles: There is no such role here: make it first.",
        "7: username: This user name is reserved: others would take it for the operator's.",
        "8: It has neither an e-mail address nor a user name.",
        "9: It has no password, no linked identity, and no address to set a password by.",
        "10: name: A name contains no control characters.",
        "12: The file ends in the middle of it: get the file again, and run the import again.",
        "2 imported, 0 skipped, 10 refused",
    ]


def test_a_second_run_skips_all_and_is_done(flask: Flask, file: Path) -> None:
    file.write_text(line(1) + line(2))
    assert flask("users", "import", str(file)).exit_code == 0

    again = flask("users", "import", str(file), "--json")

    assert again.exit_code == 0
    assert json.loads(again.stdout) == {
        "imported": 0, "skipped": 2, "refused": 0, "authenticator_apps": 0, "dry_run": False,
    }  # fmt: skip


def test_for_programs_each_refusal_and_the_summary_are_an_object_in_a_line(flask: Flask, file: Path) -> None:
    file.write_text(line(1, email="x") + line(2, totp_secret=TOTP))

    result = flask("users", "import", str(file), "--json")

    refused, summary = map(json.loads, result.stdout.splitlines())
    assert refused == {
        "number": 1, "refused": "invalid_email", "field": "email",
        "message": "This is not an e-mail address that this service can send mail to.",
    }  # fmt: skip
    assert summary == {"imported": 1, "skipped": 0, "refused": 1, "authenticator_apps": 1, "dry_run": False}
    assert "an authenticator app, which their logins ask for" in result.stderr


def test_what_cannot_be_taken_may_be_dropped_from_users_with_an_address(flask: Flask, file: Path) -> None:
    file.write_text(
        line(1, password_hash="5f4dcc3b5aa765d61d8327deb882cf99", username="a b")
        + line(2, email=None, username="x", password_hash="?")
    )
    assert flask("users", "import", str(file)).stdout.endswith("0 imported, 0 skipped, 2 refused\n")

    result = flask("users", "import", str(file), "--drop-hashes", "--drop-usernames")

    assert result.stdout.splitlines() == ["2: username: It is too short.", "1 imported, 0 skipped, 1 refused"]
    (exported,) = flask("users", "export").stdout.splitlines()
    assert "password_hash" not in exported
    assert "username" not in exported


def rows(database: Path, statement: str) -> list[Any]:
    with closing(sqlite3.connect(database)) as opened:
        return opened.execute(statement).fetchall()


def test_a_dry_run_says_the_same_and_imports_nobody(flask: Flask, file: Path, fresh: Path) -> None:
    file.write_text(line(1) + line(2, email="x"))

    assert flask("users", "import", str(file), "--dry-run").stdout.splitlines() == [
        "2: email: This is not an e-mail address that this service can send mail to.",
        "1 imported, 0 skipped, 1 refused (dry run)",
    ]
    assert flask("users", "list").stdout == ""
    assert rows(fresh, "SELECT * FROM hash_mixes UNION ALL SELECT id, created_at, name FROM users") == []


def test_of_users_who_share_a_name_the_first_in_the_file_gets_it(flask: Flask, file: Path) -> None:
    file.write_text("".join(line(number, email="ann@example.org") for number in range(1, 30)))

    result = flask("users", "import", str(file))

    assert [told.partition(":")[0] for told in result.stdout.splitlines()[:-1]] == [str(n) for n in range(2, 30)]


def test_the_format_follows_the_name_of_the_file_or_is_given_and_the_standard_input_is_read(
    flask: Flask, tmp_path: Path
) -> None:
    table = tmp_path / "users.csv"
    table.write_text(f"id,email,password_hash\n1,ann@example.org,{HASH}\n2,bob@example.org\n")
    result = flask("users", "import", str(table))
    assert result.stdout.splitlines()[0] == "3: It has not as many columns as the header, or wrong quotes."

    django = json.dumps([{"model": "auth.user", "pk": 1, "fields": {"username": "cyd", "password": HASH}}])
    assert flask("users", "import", "-", "--format", "django", input=django).exit_code == 0
    assert flask("users", "list", "--json").stdout.count("\n") == 2


def test_progress_goes_to_the_standard_error(flask: Flask, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.transfer.cli._PROGRESS_EVERY", 2)
    file.write_text(line(1) + line(2) + line(3))

    result = flask("users", "import", str(file))

    assert "2 users: 2 imported, 0 skipped, 0 refused" in result.stderr
    assert result.stdout == "3 imported, 0 skipped, 0 refused\n"


@pytest.mark.parametrize(
    ("arguments", "status"),
    [(("missing.jsonl",), 1), ((), 2), (("-", "--format", "ldap"), 2), (("-", "--hash-config", "missing.json"), 1)],
)
def test_a_wrong_use_is_2_and_a_file_that_is_not_there_is_1(
    flask: Flask, arguments: tuple[str, ...], status: int
) -> None:
    result = flask("users", "import", *arguments, input="")

    assert result.exit_code == status
    assert "Traceback" not in result.output


def test_hash_parameters_have_to_be_an_object(flask: Flask, file: Path) -> None:
    file.write_text("[1]")

    result = flask("users", "import", "-", "--hash-config", str(file), input="")

    assert result.exit_code == 1
    assert "has to hold one JSON object" in result.stderr


def test_after_an_import_unknown_names_cost_what_the_imported_users_cost(flask: Flask, file: Path, fresh: Path) -> None:
    foreign = "pbkdf2:sha256:1000$salt$" + "0" * 64
    file.write_text(line(1, password_hash=foreign) + line(2))

    flask("users", "import", str(file))

    ((counts,),) = rows(fresh, "SELECT counts FROM hash_mixes")
    assert json.loads(counts) == {"pbkdf2:sha256:1000$AAAAAAAAAAAAAAAA$" + "0" * 64: 1, "$2b$04$" + "." * 53: 1}


def test_an_export_is_a_whole_file_that_only_its_owner_reads_and_never_replaces_one(
    flask: Flask, file: Path, tmp_path: Path
) -> None:
    file.write_text(line(1, totp_secret=TOTP))
    flask("users", "import", str(file))
    exported = tmp_path / "out.jsonl"

    result = flask("users", "export", str(exported), "--json")

    assert json.loads(result.stdout) == {"exported": 1, "without_hash": 0, "left_out": 0}
    assert stat.S_IMODE(exported.stat().st_mode) == 0o600
    user = json.loads(exported.read_text())
    assert user["password_hash"] == HASH
    assert user["imported"] == {"id": "1", "source": "jsonl", "identities": []}
    assert TOTP not in exported.read_text()
    again = flask("users", "export", str(exported))
    assert again.exit_code == 1
    assert "there is such a file already" in again.stderr
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".")] == []


def test_an_export_with_secrets_has_them_open(flask: Flask, file: Path) -> None:
    file.write_text(line(1, totp_secret=TOTP))
    flask("users", "import", str(file))

    result = flask("users", "export", "--with-secrets")

    assert json.loads(result.stdout)["totp"] == [{"secret": TOTP, "algorithm": "SHA1", "digits": 6, "period": 30}]
    assert result.stderr.splitlines()[-1] == "1 exported"


ARGON2 = "$argon2id$v=19$m=19456,t=2,p=1$" + "A" * 22 + "$" + "A" * 43


@pytest.mark.usefixtures("prepared")
def test_keycloak_takes_what_it_can_check_and_has_the_others_set_a_password(flask: Flask, file: Path) -> None:
    file.write_text(line(1, password_hash=ARGON2, username="ann", name="Ann", verified=True) + line(2))
    flask("users", "import", str(file))

    result = flask("users", "export", "--format", "keycloak")

    document = json.loads(result.stdout)
    assert document["ifResourceExists"] == "SKIP"
    users = {user["username"]: user for user in document["users"]}
    ann, other = users["ann"], users["ann2@example.org"]
    (password,) = ann["credentials"]
    assert json.loads(password["credentialData"]) == {
        "hashIterations": 2, "algorithm": "argon2",
        "additionalParameters": {
            "hashLength": ["32"], "memory": ["19456"], "type": ["id"], "version": ["1.3"], "parallelism": ["1"],
        },
    }  # fmt: skip
    assert json.loads(password["secretData"])["salt"] == "A" * 22 + "=="
    assert (ann["emailVerified"], ann["firstName"], ann["enabled"], ann["requiredActions"]) == (True, "Ann", True, [])
    assert (other["credentials"], other["requiredActions"]) == ([], ["UPDATE_PASSWORD"])
    assert "1 of them without a password" in result.stderr

    again = flask("users", "import", "-", "--format", "keycloak", input=result.stdout)
    assert again.stdout == "0 imported, 2 skipped, 0 refused\n"


def test_supabase_takes_users_with_an_address(flask: Flask, file: Path) -> None:
    file.write_text(
        line(1, name="Ann", verified=True)
        + line(2, email=None, username="bob")
        + line(3, disabled=True, password_hash="pbkdf2:sha256:1000$salt$" + "0" * 64)
    )
    flask("users", "import", str(file))

    result = flask("users", "export", "--format", "supabase")

    users = {user["email"]: user for user in map(json.loads, result.stdout.splitlines())}
    assert users.keys() == {"ann1@example.org", "ann3@example.org"}
    ann = users["ann1@example.org"]
    assert (ann["password_hash"], ann["email_confirm"], ann["user_metadata"]) == (HASH, True, {"name": "Ann"})
    other = users["ann3@example.org"]
    assert "password_hash" not in other
    assert other["ban_duration"] == "876000h"
    assert "1 left out" in result.stderr
