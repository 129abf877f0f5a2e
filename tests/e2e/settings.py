"""Settings that the tests start the service with."""

import secrets
from pathlib import Path

from app.config.settings import definitions

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
    """The setting of a database that is made in this folder."""
    return {"DATABASE_URL": f"sqlite:///{folder / 'latchkey.db'}"}


def new_secret() -> str:
    """A SECRET_KEY."""
    return secrets.token_urlsafe(48)
