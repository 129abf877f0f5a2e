"""Installs the commands of all features: `flask users`, `flask keys` and so on. `flask routes` is Flask's own."""

from __future__ import annotations

import click
from flask import Flask
from flask.cli import FlaskGroup

from app import config
from app.features import FEATURES
from app.operations.secrets import before_start
from app.security import secret_file


def install(app: Flask) -> None:
    """Add the commands."""
    for feature in FEATURES:
        for command in feature.commands:
            app.cli.add_command(command)


def before_settings() -> Flask:
    """An application with the commands that need no settings: `flask --app app.commands:before_settings`."""
    app = Flask(__name__, static_folder=None)
    app.cli.add_command(before_start)
    return app


def load_settings() -> config.Settings:
    """The settings; for a command in the folder of `make run`, those of `make run`. Raises ConfigurationError.

    A folder counts as that of `make run` if it has the secret that development makes, and neither FLASK_ENV nor
    SECRET_KEY is given, so that production cannot be meant. `flask run` is excluded: only `make run` serves this way.
    """
    context = click.get_current_context(silent=True)
    if context is None or context.info_name == "run" or not secret_file.SECRET_FILE.exists():
        return config.load()
    if config.is_given("FLASK_ENV") or config.is_given("SECRET_KEY"):
        return config.load()
    settings = config.load(profile="development")
    click.echo(
        "Note: this is the folder of make run, so its settings apply: FLASK_ENV=development,"
        f" PUBLIC_URL={settings.server.public_url}.",
        err=True,
    )
    return settings


def looks_for_a_command() -> bool:
    """Whether Flask loads the application to find or list its commands, not to run or show it."""
    context = click.get_current_context(silent=True)
    return context is not None and isinstance(context.command, FlaskGroup)


def without_settings() -> Flask:
    """An application that only has commands, which can show their help."""
    app = Flask(__name__, static_folder=None)
    install(app)
    return app
