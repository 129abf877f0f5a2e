"""`flask clients`: the applications that log users in here."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click
from flask.cli import AppGroup
from pydantic import ValidationError

from app.cli.common import as_json, failures_as_messages, say, wired
from app.oauth.cimd import names_document
from app.oauth.clients.inputs import CreateClient
from app.oauth.clients.service import ClientService
from app.oauth.clients.views import ClientView, SecretView
from app.oauth.explain.service import ExplainRequests
from app.platform.errors import NotFound
from app.platform.identifiers import is_identifier

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.oauth.clients.model import Client, ClientFields

_AT_ONCE = 200
_KINDS = click.Choice(["public", "confidential", "service"])

clients = AppGroup("clients", help="Create, show and delete OAuth clients.")


@clients.command("create")
@click.argument("name")
@click.option("--kind", type=_KINDS, default="confidential", show_default=True, help="public has no secret.")
@click.option("--redirect-uri", "redirect_uris", multiple=True, help="Where codes are sent; can be repeated.")
@click.option(
    "--post-logout-redirect-uri",
    "post_logout_redirect_uris",
    multiple=True,
    help="Where its users may go after a logout; can be repeated.",
)
@click.option("--backchannel-logout-uri", help="Where it is told that a session has ended.")
@click.option("--scope", "scopes", multiple=True, help="What it may ask for; can be repeated. [default: standard]")
@click.option("--resource", "resources", multiple=True, help="An API it may ask for; can be repeated. [default: all]")
@click.option("--dpop", "dpop_bound_access_tokens", is_flag=True, help="It gets tokens bound to its key alone.")
@click.option("--first-party", is_flag=True, help="Ask users for no consent; its tokens act as a login's.")
@click.option("--jwks-uri", help="Where it publishes the keys that it signs with, in place of a secret.")
@click.option("--token-exchange", is_flag=True, help="It may exchange the tokens that it receives (RFC 8693).")
@as_json
def create(*, as_json: bool, **described: object) -> None:
    """Create a client, and print its id and, once, its secret."""
    said = _validated(described)
    with failures_as_messages():
        application = wired()
        application.store.prepare()  # the first client may come before the first start
        made = application.get(ClientService).create(said, None, None)
    if as_json:
        secret = {} if made.secret is None else {"client_secret": made.secret}
        say({"client": _facts(made.client), **secret}, "", as_json=True)
        return
    click.echo(_line(made.client))
    if made.secret is not None:
        click.echo(made.secret)
        click.echo("This is its secret. It is not shown again.", err=True)


@clients.command("list")
@as_json
def show_all(*, as_json: bool) -> None:
    """Show the clients, oldest first: identifier, kind, name."""
    after: str | None = None
    while True:
        with failures_as_messages():
            page = wired().get(ClientService).listed(after=after, limit=_AT_ONCE)
        for client in page.clients:
            say(_facts(client), _line(client), as_json=as_json)
        if page.next is None:
            return
        after = page.next


@clients.command("show")
@click.argument("client")
@as_json
def show(client: str, *, as_json: bool) -> None:
    """Show all that is known of a client, but its secrets."""
    with failures_as_messages():
        found = wired().get(ClientService).find(_identifier(client))
    facts = _facts(found)
    if as_json:
        say(facts, "", as_json=True)
        return
    for name, known in facts.items():
        if name not in {"secrets", "client_id"}:
            click.echo(f"{name}: {', '.join(known) if isinstance(known, list) else known}")
    for secret in found.secrets:
        until = "no end" if secret.expires_at is None else f"{secret.expires_at:%Y-%m-%dT%H:%M:%SZ}"
        click.echo(f"secret: {secret.id}, since {secret.created_at:%Y-%m-%dT%H:%M:%SZ}, until {until}")


@clients.command("delete")
@click.argument("client")
def delete(client: str) -> None:
    """Delete a client; its sessions end.

    CLIENT can be the URL of a client that describes itself, which may come again unless CIMD_ALLOW keeps it away.
    """
    with failures_as_messages():
        if names_document(client):
            wired().get(ClientService).end_described(client)
        else:
            wired().get(ClientService).delete(_identifier(client), None, None)
    click.echo(f"Deleted {client}")


@clients.command("add-secret")
@click.argument("client")
@click.option("--days", type=click.IntRange(1, 3650), help="How long it lives. [default: until it is deleted]")
@as_json
def add_secret(client: str, *, days: int | None, as_json: bool) -> None:
    """Create a second secret of a client, and print it once."""
    with failures_as_messages():
        made = wired().get(ClientService).add_secret(_identifier(client), days, None, None)
    facts = {"secret": SecretView.of(made.secret).model_dump(mode="json"), "client_secret": made.text}
    say(facts, made.text, as_json=as_json)


@clients.command("delete-secret")
@click.argument("client")
@click.argument("secret")
def delete_secret(client: str, secret: str) -> None:
    """Delete a secret of a client: nobody gets in by it any more."""
    with failures_as_messages():
        wired().get(ClientService).delete_secret(_identifier(client), _identifier(secret), None, None)
    click.echo(f"Deleted {secret}")


@clients.command("explain")
@click.argument("url")
@as_json
def explain(url: str, *, as_json: bool) -> None:
    """Show exactly why an authorization URL is refused. Exits with 1 if it is."""
    with failures_as_messages():
        verdict = wired().get(ExplainRequests).url(url)
    text = verdict.detail if verdict.reason is None else f"{verdict.reason}: {verdict.detail}"
    say({"accepted": verdict.accepted} | asdict(verdict), text, as_json=as_json)
    raise SystemExit(int(not verdict.accepted))


def _validated(described: Mapping[str, object]) -> ClientFields:
    given = {name: list(found) if isinstance(found, tuple) else found for name, found in described.items()}
    # What is not named takes its default; but redirect URIs are needed, as at POST /admin/clients.
    present = {name: found for name, found in given.items() if found or isinstance(found, bool)}
    try:
        valid = CreateClient.model_validate(present)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}" for detail in error.errors()]
        raise click.ClickException("\n  ".join(["Some values are wrong.", *lines])) from None
    return valid.said


def _facts(client: Client) -> dict[str, Any]:
    return ClientView.of(client).model_dump(mode="json")


def _line(client: Client) -> str:
    return f"{client.id}  {client.kind}  {client.name}{'  (first party)' if client.first_party else ''}"


def _identifier(text: str) -> str:
    if not is_identifier(text):
        raise NotFound
    return text
