"""Where settings come from: the environment, `.env`, files of secrets."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.config import ConfigurationError, load
from app.config.section import is_secret
from app.config.settings import definitions

if TYPE_CHECKING:
    from collections.abc import Mapping

DEVELOPMENT = {"FLASK_ENV": "development"}
SECRETS = [name for fields in definitions().values() for name, field in fields.items() if is_secret(field)]
VALUES = {
    "SECRET_KEY": secrets.token_urlsafe(48),
    "SECRET_KEY_FALLBACKS": secrets.token_urlsafe(48),
    "MONGO_URI": "mongodb://localhost:27017/x",
    "DATABASE_URL": "sqlite:///x.db",
    "REDIS_URL": "redis://localhost",
    "SMTP_URL": "smtps://user:password@mail.example.com",
    "LEGACY_LOGIN_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
}


@pytest.fixture
def dotenv(tmp_path: Path) -> Path:
    return tmp_path / ".env"


def wrong(environ: Mapping[str, str], dotenv: Path | None = None) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(DEVELOPMENT | dict(environ), dotenv)
    return str(caught.value)


def revealed(name: str, environ: Mapping[str, str]) -> str:
    settings = load(DEVELOPMENT | dict(environ), None)
    sections = (settings.tokens, settings.store, settings.mail, settings.transfer)
    [secret] = [getattr(section, name.lower()) for section in sections if hasattr(section, name.lower())]
    return str((secret[0] if isinstance(secret, tuple) else secret).get_secret_value())


def test_the_environment_overrides_dotenv_which_overrides_the_default(dotenv: Path) -> None:
    dotenv.write_text("PORT=8001\nHASH_QUEUE=7\n")
    settings = load(DEVELOPMENT | {"PORT": "8002"}, dotenv)
    assert (settings.server.port, settings.passwords.hash_queue, settings.server.web_concurrency) == (
        8002,
        7,
        2,
    )


def test_an_empty_value_means_unset(dotenv: Path) -> None:
    dotenv.write_text("HASH_QUEUE=\nLOG_LEVEL=error\n")
    settings = load(DEVELOPMENT | {"PORT": "", "MONGO_URI": "", "SECRET_KEY_FILE": "", "LOG_LEVEL": ""}, dotenv)
    assert (settings.server.port, settings.passwords.hash_queue, settings.logging.level) == (
        5000,
        48,
        "error",
    )
    assert (settings.store.mongo_uri, settings.tokens.secret_key) == (None, None)


def test_dotenv_need_not_exist(dotenv: Path) -> None:
    assert load(DEVELOPMENT, dotenv).server.port == 5000


def test_dotenv_takes_quotes_comments_exports_a_byte_order_mark_and_no_expansion(dotenv: Path) -> None:
    dotenv.write_bytes(
        b"\xef\xbb\xbfexport PORT=8003 # the port\r\n\r\n# a comment\n"
        b"JWT_AUDIENCE='a $b ${HOME} #c'\nLOG_FILE=\"x y\"\n"
    )
    settings = load(DEVELOPMENT, dotenv)
    assert (settings.server.port, settings.tokens.jwt_audience) == (8003, "a $b ${HOME} #c")
    assert settings.logging.file == Path("x y")


def test_an_unknown_name_in_dotenv_is_reported_with_the_nearest_one_and_the_line(dotenv: Path) -> None:
    dotenv.write_text("# a comment\nPORT=8004\n\nMONGO_URL=x\nsecret_key_file=x\nZZZZ=x\nPORT_FILE=x\n")
    lines = wrong({}, dotenv).splitlines()
    assert lines[0] == f"{dotenv}, line 4: MONGO_URL is not a setting; did you mean MONGO_URI?"
    assert lines[1] == f"{dotenv}, line 5: secret_key_file is not a setting; did you mean SECRET_KEY_FILE?"
    assert lines[2] == f"{dotenv}, line 6: ZZZZ is not a setting; docs/configuration.md lists them all"
    assert lines[3].startswith(f"{dotenv}, line 7: PORT_FILE is not a setting")
    assert len(lines) == 4


def test_an_unknown_name_in_the_environment_is_ignored() -> None:
    assert load(DEVELOPMENT | {"MONGO_URL": "x", "port": "1"}, None).server.port == 5000


def test_names_of_compose_are_known_in_dotenv(dotenv: Path) -> None:
    dotenv.write_text(
        "COMPOSE_PROJECT_NAME=a\nMONGO_INITDB_ROOT_USERNAME=b\nGRAFANA_ADMIN_PASSWORD=c\nHTTP_PORT=8080\n"
        "APP_PORT=5001\nPROMETHEUS_PORT=9091\nMONGO_APP_PASSWORD=d\nPOSTGRES_PASSWORD=e\nMARIADB_PASSWORD=f\n"
    )
    assert load(DEVELOPMENT, dotenv).server.port == 5000


@pytest.mark.parametrize("line", ["PORT", "PORT 5000", "LOG_FILE='unclosed", "pl4ntedsecret", "pl4ntedsecret=="])
def test_a_line_of_dotenv_that_is_not_a_setting_stops_the_start_without_being_repeated(dotenv: Path, line: str) -> None:
    dotenv.write_text(f"HASH_QUEUE=7\n{line}\n")
    message = wrong({}, dotenv)
    assert message.startswith(f"{dotenv}, line 2: ")
    assert "pl4nted" not in message
    assert "unclosed" not in message


def test_a_dotenv_that_cannot_be_read_stops_the_start(tmp_path: Path, dotenv: Path) -> None:
    assert wrong({}, tmp_path) == f"{tmp_path}: cannot be read (Is a directory)"
    dotenv.write_bytes(b"PORT=\xff\n")
    assert wrong({}, dotenv) == f"{dotenv}: cannot be read (not UTF-8 text)"


def test_every_secret_is_marked_as_one() -> None:
    by_type = [
        name
        for fields in definitions().values()
        for name, field in fields.items()
        if "SecretStr" in repr(field.annotation)
    ]
    assert sorted(SECRETS) == sorted(by_type) == sorted(VALUES)


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize(
    ("before", "behind"),
    [("", ""), ("", "\n"), ("", " \r\n"), ("\n \n", "\n\n"), ("\ufeff", "\r\n"), ("\ufeff\n\t", "\t")],
)
def test_a_secret_in_a_file_is_taken_without_what_editors_and_shells_put_around_it(
    name: str, before: str, behind: str, tmp_path: Path
) -> None:
    file = tmp_path / "secret"
    file.write_bytes((before + VALUES[name] + behind).encode())
    assert revealed(name, {f"{name}_FILE": str(file)}) == VALUES[name]


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize(
    ("inside", "what"),
    [
        ("\n", "holds more than one line"),
        ("\u2028", "holds more than one line"),
        ("\ufeff", "holds an invisible character"),
        ("\u200b", "holds an invisible character"),
        ("\0", "holds an invisible character"),
    ],
)
def test_a_secret_with_a_second_line_or_an_invisible_character_is_refused(
    name: str, inside: str, what: str, tmp_path: Path
) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{VALUES[name]}{inside}x")
    assert wrong({f"{name}_FILE": str(file)}).startswith(f"{name}: the file that {name}_FILE names {what}")


def test_a_secret_is_the_same_in_the_environment_as_in_a_file() -> None:
    assert revealed("SECRET_KEY", {"SECRET_KEY": f" {VALUES['SECRET_KEY']}\r"}) == VALUES["SECRET_KEY"]


def test_a_list_of_secrets_may_continue_on_the_next_line(tmp_path: Path) -> None:
    listed = [secrets.token_urlsafe(48) for _ in range(2)]
    (tmp_path / "secret").write_text(",\n".join(listed))
    found = load(
        DEVELOPMENT | {"SECRET_KEY_FALLBACKS_FILE": str(tmp_path / "secret")}, None
    ).tokens.secret_key_fallbacks
    assert [secret.get_secret_value() for secret in found] == listed


def test_dotenv_may_name_the_file_of_a_secret(tmp_path: Path, dotenv: Path) -> None:
    (tmp_path / "secret").write_text(VALUES["SECRET_KEY"])
    dotenv.write_text(f"SECRET_KEY_FILE={tmp_path / 'secret'}\n")
    key = load(DEVELOPMENT, dotenv).tokens.secret_key
    assert key
    assert key.get_secret_value() == VALUES["SECRET_KEY"]


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_and_its_file_together_are_an_error_that_names_both(name: str, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(VALUES[name])
    message = wrong({name: VALUES[name], f"{name}_FILE": str(file)})
    assert message.startswith(f"{name}: {name}_FILE is set too; keep one of the two")


@pytest.mark.parametrize("name", SECRETS)
def test_a_missing_empty_or_binary_secret_file_is_reported_without_its_path(name: str, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    twin = {f"{name}_FILE": str(file)}
    start = f"{name}: the file that {name}_FILE names"
    messages = [wrong(twin)]
    for content in (b"", b" \n", b"\xff\xfe"):
        file.write_bytes(content)
        messages.append(wrong(twin))
    whats = ("cannot be read (No such file or directory)", "is empty", "is empty", "is not UTF-8 text")
    for message, what in zip(messages, whats, strict=True):
        assert message.startswith(f"{start} {what}")
        assert "\n" not in message
        assert str(file) not in message


def test_a_file_that_cannot_be_read_counts_as_given(tmp_path: Path) -> None:
    message = wrong({"FLASK_ENV": "production", "MONGO_URI_FILE": str(tmp_path), "SECRET_KEY_FILE": str(tmp_path)})
    assert [line.split(":")[0] for line in message.splitlines()] == ["MONGO_URI", "SECRET_KEY"]
    assert "Is a directory" in message
