"""`flask attack`: examines a deployment from outside. Its rules are in `attack/`, which only this command loads."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from app.cli.common import secret_input
from app.platform.version import __version__

if TYPE_CHECKING:
    from attack.accounts import Account

_REQUESTS, _SECONDS = 3000, 1800


@click.command("attack")
@click.argument("url", required=False)
@click.option("--yes", is_flag=True, help="Begin without asking.")
@click.option("--json", "as_json", is_flag=True, help="For programs: the report as one JSON object.")
@click.option("--only", multiple=True, metavar="NAME", help="Run this check only; may be repeated.")
@click.option("--list", "listing", is_flag=True, help="List the checks, and end.")
@click.option("--proxy-path", metavar="PATH", help="A place behind forward authentication: a path, or a URL.")
@click.option("--account", metavar="ADDRESS", help="A test account that exists, by its address or user name.")
@click.option("--password-stdin", is_flag=True, help="Read the password of --account from the standard input.")
@click.option("--client", metavar="CLIENT_ID", help="A public client, for the checks of OAuth that need one.")
@click.option("--redirect-uri", metavar="URI", help="A redirect URI of --client; nothing is sent there.")
@click.option("--ca", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Trust this authority.")
@click.option("--http-port", type=click.IntRange(1, 65535), default=80, help="Where plain http is served (80).")
@click.option("--mail-domain", default="example.com", metavar="DOMAIN", help="The domain of the accounts' addresses.")
@click.option("--requests", type=click.IntRange(1), default=_REQUESTS, help=f"The most requests ({_REQUESTS}).")
@click.option("--per-second", type=click.FloatRange(0.1, 1000), default=8.0, help="Requests a second (8).")
@click.option("--seconds", type=click.IntRange(1), default=_SECONDS, help=f"The longest run ({_SECONDS}).")
def attack(
    *,
    url: str | None,
    yes: bool,
    as_json: bool,
    only: tuple[str, ...],
    listing: bool,
    proxy_path: str | None,
    account: str | None,
    password_stdin: bool,
    client: str | None,
    redirect_uri: str | None,
    ca: Path | None,
    http_port: int,
    mail_domain: str,
    requests: int,
    per_second: float,
    seconds: int,
) -> None:
    """Examine the deployment at URL from outside, as an attacker would. For your own deployments only.

    It makes test accounts and deletes them. Exits with 0 if all is well, 3 if the worst finding is low or medium, 4 if
    it is high or critical, 5 if something could not be examined (docs/attack.md).
    """
    from attack import report
    from attack.budget import Budget
    from attack.choice import NoSuchCheckError, checks_of, described, listed, place_of
    from attack.client import Client
    from attack.probe import Probe
    from attack.run import CannotExamineError, examine
    from attack.target import NoTargetError, Target

    try:
        checks = checks_of(only)
        if listing:
            click.echo(listed(checks))
            return
        if url is None:
            raise click.UsageError("Missing argument 'URL'.")
        target = Target.of(url, ca)
        guarded, path = place_of(proxy_path, target) if proxy_path else (None, "")
    except (NoTargetError, NoSuchCheckError, OSError) as error:
        raise click.UsageError(str(error)) from None

    if (client is None) is not (redirect_uri is None):
        raise click.UsageError("--client and --redirect-uri belong together.")
    given = _given(account, password_stdin=password_stdin, yes=yes)
    click.echo(described(target, guarded, checks, requests, seconds), err=True)
    if not yes:
        click.confirm("Is it yours, and may it be examined now?", abort=True, err=True)

    probe = Probe(
        target,
        Budget(requests, per_second, seconds),
        f"latchkey-attack/{__version__}",
        mail_domain=mail_domain,
        given=given,
        guarded=guarded,
        guarded_path=path,
        client=Client(client, redirect_uri) if client and redirect_uri else None,
        http_port=http_port,
    )
    try:
        found = examine(probe, checks, lambda finding: click.echo(report.line(finding), err=True))
    except CannotExamineError as error:
        click.echo(f"Error: {error}", err=True)
        raise SystemExit(report.UNKNOWN) from None
    click.echo(json.dumps(report.for_programs(found)) if as_json else report.for_people(found))
    raise SystemExit(report.exit_code(found))


def _given(name: str | None, *, password_stdin: bool, yes: bool) -> Account | None:
    """The operator's test account; its password is typed, or read from the standard input."""
    from attack.accounts import Account

    if name is None:
        if password_stdin:
            raise click.UsageError("--password-stdin needs --account.")
        return None
    if not password_stdin and not sys.stdin.isatty():
        raise click.UsageError("Without a terminal, give the password with --password-stdin.")
    if password_stdin and not yes:
        raise click.UsageError("--password-stdin needs --yes: the standard input is not there for the answer.")
    password = secret_input(f"Password of {name}")
    is_address = "@" in name
    return Account("" if is_address else name, password, name if is_address else "", exists=True)
