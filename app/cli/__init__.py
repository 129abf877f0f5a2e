"""What operators type: `flask users|keys|token|db|doctor|secrets`; `flask routes` is Flask's own."""

from __future__ import annotations

from flask import Flask

from app.cli.db import db
from app.cli.doctor import doctor
from app.cli.keys import keys
from app.cli.secrets import before_start, secrets
from app.cli.token import token
from app.cli.users import users


def install(app: Flask) -> None:
    """Add the commands."""
    for command in (users, keys, token, db, doctor, secrets):
        app.cli.add_command(command)


def before_settings() -> Flask:
    """An application with the commands that come before there are settings: `flask --app app.cli:before_settings`."""
    app = Flask(__name__, static_folder=None)
    app.cli.add_command(before_start)
    return app
