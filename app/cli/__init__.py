"""What operators type: `flask users|keys|token|db|doctor|secrets`; `flask routes` is Flask's own."""

from __future__ import annotations

import click
from flask import Flask
from flask.cli import FlaskGroup

from app import config, wiring
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


def load_settings() -> config.Settings:
    """The settings, which for a command beside `make run` are those of `make run`. Raises ConfigurationError.

    That is where neither FLASK_ENV nor SECRET_KEY is given, so that nothing in production could be meant, and the
    secret that development makes lies in this folder. `flask run` is no such command: only `make run` serves so.
    """
    context = click.get_current_context(silent=True)
    if context is None or context.info_name == "run" or not wiring.SECRET_FILE.exists():
        return config.load()
    if config.is_given("FLASK_ENV") or config.is_given("SECRET_KEY"):
        return config.load()
    settings = config.load(profile="development")
    click.echo(
        "Note: this is the folder of make run, so its settings are taken: FLASK_ENV=development,"
        f" PUBLIC_URL={settings.server.public_url}.",
        err=True,
    )
    return settings


def looks_for_a_command() -> bool:
    """Whether Flask loads the application to find a command in it, or to list them; not to run or show it."""
    context = click.get_current_context(silent=True)
    return context is not None and isinstance(context.command, FlaskGroup)


def without_settings(wrong: str) -> Flask:
    """An application whose commands show their help; what needs settings ends with `wrong`, which says what is."""
    app = Flask(__name__, static_folder=None)
    app.extensions["not started"] = wrong
    install(app)
    return app
