"""`flask bootstrap`: makes the roles and users that a file declares."""

from __future__ import annotations

from pathlib import Path

import click
from flask.cli import with_appcontext

from app.bootstrap import inputs
from app.bootstrap.inputs import WrongFileError
from app.bootstrap.service import DeclarationService
from app.cli.common import as_json, failures_as_messages, say, wired


@click.command("bootstrap")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@as_json
@with_appcontext
def bootstrap(file: Path, *, as_json: bool) -> None:
    """Make the roles and invite the users that FILE declares, in YAML.

    The whole file is checked first. Running it again changes nothing: a role becomes what the file says, and a user who
    is there already stays as they are. Where no mail can be sent, the link of each new user is printed. Exits with 1 if
    a user could not be invited.

    \b
    roles:
      - name: editor
        permissions: [users:read]
    users:
      - email: ann@example.com
        roles: [editor]
    """
    application = wired()
    try:
        declaration = inputs.read(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        cause = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise click.ClickException(f"{file} cannot be read ({cause})") from None
    except WrongFileError as error:
        problems = "".join(f"\n  {problem}" for problem in error.problems)
        raise click.ClickException(f"{file} is wrong; nothing was changed.{problems}") from None
    with failures_as_messages():
        application.store.prepare()  # it may come before the first start
        outcome = application.get(DeclarationService).apply(declaration)
    facts = {
        "roles": outcome.roles,
        "users": {
            "invited": [
                {"email": each.email, **({"link": each.link} if each.link else {})} for each in outcome.invited
            ],
            "kept": outcome.kept,
            "refused": [{"email": email, "message": message} for email, message in outcome.refused.items()],
        },
    }
    lines = [f"role {name}: {what}" for what, names in outcome.roles.items() for name in names]
    lines += [f"user {each.email}: invited{f', {each.link}' if each.link else ''}" for each in outcome.invited]
    lines += [f"user {email}: kept" for email in outcome.kept]
    lines += [f"user {email}: refused: {message}" for email, message in outcome.refused.items()]
    say(facts, "\n".join(lines) or "The file declares nothing.", as_json=as_json)
    raise SystemExit(int(bool(outcome.refused)))
