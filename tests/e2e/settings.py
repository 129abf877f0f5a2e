"""Settings that the tests start the service with."""

import secrets
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from app.config.settings import definitions
from tests.stores import sql_store

UNLIMITED = dict.fromkeys(definitions()["limits"], "1000000/minute")
"""Rate limits that no test reaches by chance: all of them come from one address."""
PASSWORD = "correct horse battery staple"


def in_testing(**more: str) -> dict[str, str]:
    """The testing profile with cheap hashes, a secret of its own, and these settings."""
    return {"FLASK_ENV": "testing", "SECRET_KEY": new_secret(), "BCRYPT_COST": "4", **UNLIMITED, **more}


def in_production(**more: str) -> dict[str, str]:
    """What an operator has to set, beside the store; FLASK_ENV is not among it."""
    return {"SECRET_KEY": new_secret(), "PUBLIC_URL": "http://localhost", **UNLIMITED, **more}


def on_sqlite(folder: Path) -> dict[str, str]:
    """The setting of a database in this folder that has the schema: a start that makes it takes half a second more."""
    file = folder / "latchkey.db"
    if not file.exists():
        file.write_bytes(_migrated())
    return {"DATABASE_URL": f"sqlite:///{file}"}


def on_new_sqlite(folder: Path) -> dict[str, str]:
    """The setting of a database that the service makes in this folder."""
    return {"DATABASE_URL": f"sqlite:///{folder / 'latchkey.db'}"}


@cache
def _migrated() -> bytes:
    with TemporaryDirectory() as folder:
        setting = on_new_sqlite(Path(folder))
        store = sql_store(setting["DATABASE_URL"])
        store.prepare()
        store.close()
        return (Path(folder) / "latchkey.db").read_bytes()


def new_secret() -> str:
    """A SECRET_KEY."""
    return secrets.token_urlsafe(48)
