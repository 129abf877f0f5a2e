"""`flask secrets`: makes the secrets of a stack of containers before it starts, and ends trust in a leaked one."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import click
from flask.cli import with_appcontext

from app.cli.common import as_json, failures_as_messages, say, secret_input, wired
from app.config import values
from app.keys.service import KeyService, UnknownSecretError
from app.security.secret_file import SecretFileError, keep, read_given, read_or_create
from app.security.secret_keys import LeakedSecretError, RootKey

_SHORTEST_FOR_GRAFANA = 10
"""The least number of characters in a password of a person. Grafana's own default, admin, is shorter."""


def _for_people(_: click.Context, __: click.Parameter, password: str | None) -> str | None:
    if password and len(password) < _SHORTEST_FOR_GRAFANA:
        raise click.ClickException(
            f"GRAFANA_ADMIN_PASSWORD: has fewer than {_SHORTEST_FOR_GRAFANA} characters; unset it, and one is made"
        )
    return password


@click.command("make")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--app-owner", type=int, help="The numeric id of the user that the service runs as.  [default: yours]")
@click.option("--mongo-owner", type=int, help="The numeric id of the user that MongoDB runs as.  [default: yours]")
@click.option("--mongo-host", default="mongo:27017", show_default=True, help="Where the service finds MongoDB.")
@click.option("--postgres-owner", envvar="POSTGRES_OWNER", type=int, help="The user that PostgreSQL runs as, if any.")
@click.option("--mysql-owner", envvar="MYSQL_OWNER", type=int, help="The user that MySQL or MariaDB runs as, if any.")
@click.option("--grafana-owner", envvar="GRAFANA_OWNER", type=int, help="The user that Grafana runs as, if any.")
@click.option("--replace", is_flag=True, help="Replace the stored secrets with the given ones.")
@click.option("--secret-key", envvar="SECRET_KEY", hidden=True)
@click.option("--fallbacks", envvar="SECRET_KEY_FALLBACKS", default="", hidden=True)
@click.option("--mongo-root-password", envvar="MONGO_INITDB_ROOT_PASSWORD", hidden=True)
@click.option("--mongo-app-password", envvar="MONGO_APP_PASSWORD", hidden=True)
@click.option("--database", envvar="MONGO_INITDB_DATABASE", default="latchkey", hidden=True)
@click.option("--postgres-password", envvar="POSTGRES_PASSWORD", hidden=True)
@click.option("--mysql-password", envvar="MARIADB_PASSWORD", hidden=True)
@click.option("--grafana-password", envvar="GRAFANA_ADMIN_PASSWORD", hidden=True, callback=_for_people)
@as_json
def make(
    *,
    folder: Path,
    app_owner: int | None,
    mongo_owner: int | None,
    mongo_host: str,
    postgres_owner: int | None,
    mysql_owner: int | None,
    grafana_owner: int | None,
    replace: bool,
    secret_key: str | None,
    fallbacks: str,
    mongo_root_password: str | None,
    mongo_app_password: str | None,
    database: str,
    postgres_password: str | None,
    mysql_password: str | None,
    grafana_password: str | None,
    as_json: bool,
) -> None:
    """Make the secrets of the service and of MongoDB as files in FOLDER, each readable by its owner only.

    The files are app/secret_key, app/mongo_uri, mongo/password (of MongoDB's root) and mongo/app_password (of
    latchkey_app, the service's user in MongoDB). Values from the environment are stored: SECRET_KEY,
    MONGO_INITDB_ROOT_PASSWORD, MONGO_APP_PASSWORD, MONGO_INITDB_DATABASE. Other values are made once. If the
    environment gives another value than the stored one, the command exits with 1 and says what to do, since data depend
    on it; SECRET_KEY may change if its former value is in SECRET_KEY_FALLBACKS.

    If their owners are given, also: postgres/password and app/postgres_url (from POSTGRES_PASSWORD), mysql/password,
    mysql/root_password and app/mysql_url (from MARIADB_PASSWORD), grafana/password (from GRAFANA_ADMIN_PASSWORD). User
    and database are latchkey, at postgres:5432 and mysql:3306.
    """
    kept = _Kept(folder, app_owner, replace)
    try:
        kept.secret_key(secret_key.strip() if secret_key else None, fallbacks)
        kept.password("mongo", mongo_owner, "MONGO_INITDB_ROOT_PASSWORD", mongo_root_password)
        secret = kept.password("mongo", mongo_owner, "MONGO_APP_PASSWORD", mongo_app_password, name="app_password")
        place = f"{mongo_host}/{quote(database, safe='')}"  # the user is one of this database, which has to be named
        kept.address("mongo_uri", f"mongodb://latchkey_app:{quote(secret, safe='')}@{place}")
        if postgres_owner is not None:
            secret = kept.password("postgres", postgres_owner, "POSTGRES_PASSWORD", postgres_password)
            kept.address("postgres_url", f"postgresql://latchkey:{quote(secret, safe='')}@postgres:5432/latchkey")
        if mysql_owner is not None:
            kept.password("mysql", mysql_owner, name="root_password")
            secret = kept.password("mysql", mysql_owner, "MARIADB_PASSWORD", mysql_password)
            kept.address("mysql_url", f"mysql://latchkey:{quote(secret, safe='')}@mysql:3306/latchkey")
        if grafana_owner is not None:
            kept.password("grafana", grafana_owner, "GRAFANA_ADMIN_PASSWORD", grafana_password)
        kept.hand_over(as_json=as_json)
    except SecretFileError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{error.filename}: cannot be handed to its owner ({error.strerror})") from None


@click.command("leaked")
@with_appcontext
@click.option("--unknown", is_flag=True, help="Even if neither the store nor the settings know this secret.")
@as_json
def leaked(*, unknown: bool, as_json: bool) -> None:
    """End all trust in a SECRET_KEY that leaked. The command prompts for it, or reads it from the standard input.

    Run it with the new SECRET_KEY, before the instances have it. Every signing key is dropped, and a new one signs at
    once. From then on, every instance refuses everything made with the leaked secret: access and refresh tokens, codes
    and links. An instance that still has it as SECRET_KEY serves nobody until it is started with the new one.
    """
    secret = RootKey(secret_input("The secret that leaked"))
    try:
        with failures_as_messages():
            key = wired().get(KeyService).secret_leaked(secret, unknown=unknown)
    except LeakedSecretError as error:
        raise click.ClickException(f"SECRET_KEY: {error}; set a new one, then run this with it") from None
    except UnknownSecretError:
        raise click.ClickException(
            "This secret seals no signing key and is not in the settings. If it is the right one, use --unknown"
        ) from None
    say(
        {"leaked": secret.name, "signs": key.kid},
        f"the secret {secret.name} is no longer trusted; every instance follows within seconds\n"
        f"{key.kid} signs; start every instance with the new SECRET_KEY now",
        as_json=as_json,
    )


@dataclass(frozen=True)
class _Kept:
    """The folder of the secrets, with a folder in it for each reader."""

    folder: Path
    app_owner: int | None
    replace: bool
    files: dict[Path, int | None] = field(default_factory=dict)
    """The stored files, and the owner of each."""

    def secret_key(self, given: str | None, fallbacks: str) -> None:
        """Store the given SECRET_KEY, or one that is made once."""
        path = self.folder / "app" / "secret_key"
        if given:
            self._keep_secret_key(path, given, fallbacks)
        else:
            read_or_create(path)
        self.files[path] = self.app_owner

    def password(
        self, reader: str, owner: int | None, variable: str = "", given: str | None = None, *, name: str = "password"
    ) -> str:
        """Store the password from this variable, or one that is made once. Returns the stored password."""
        path = self.folder / reader / name
        if given and given.strip():
            try:
                keep(path, given.strip(), replace=self.replace)
            except SecretFileError as error:
                raise click.ClickException(
                    f"{variable}: {error}, which {reader} was made with; unset it, or change it in {reader} first"
                    " (docs/deployment.md)"
                ) from None
        elif not path.exists():
            read_or_create(path)
        self.files[path] = owner
        # A given password may be shorter than one that is made here.
        return read_given(path)

    def address(self, name: str, address: str) -> None:
        """Store, for the service, an address that contains a password."""
        path = self.folder / "app" / name
        keep(path, address, replace=True)
        self.files[path] = self.app_owner

    def hand_over(self, *, as_json: bool) -> None:
        """Make each file its owner's, and report it."""
        for path, owner in self.files.items():
            if owner is not None:
                os.chown(path, owner, owner)
            say({"file": str(path), "owner": owner}, f"{path}: kept", as_json=as_json)

    def _keep_secret_key(self, path: Path, given: str, fallbacks: str) -> None:
        try:
            values.secret_key(given)
        except ValueError as error:
            raise click.ClickException(f"SECRET_KEY: {error}") from None
        former = read_or_create(path) if path.exists() else given
        try:
            keep(path, given, replace=self.replace or former in map(str.strip, fallbacks.split(",")))
        except SecretFileError as error:
            raise click.ClickException(
                f"SECRET_KEY: {error}, which protects the signing keys; add it to SECRET_KEY_FALLBACKS"
                " (docs/deployment.md), or unset SECRET_KEY"
            ) from None


before_start = click.Group("secrets", {"make": make}, help="Make the secrets of a stack of containers.")
"""The commands that need no settings."""
secrets = click.Group("secrets", {"make": make, "leaked": leaked}, help="Make secrets, or end trust in a leaked one.")
