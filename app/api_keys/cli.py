"""`flask api-keys`: lists and deletes API keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from flask.cli import AppGroup

from app.accounts.model import Users
from app.accounts.naming import named
from app.api_keys.key_format import beginning
from app.api_keys.model import ApiKeys
from app.api_keys.service import ApiKeyService
from app.cli.common import as_json, failures_as_messages, say, wired

if TYPE_CHECKING:
    from datetime import datetime

    from app.api_keys.model import ApiKey

api_keys = AppGroup("api-keys", help="List and delete API keys.")


@api_keys.command("list")
@click.option("--user", help="Only those of this user: identifier, e-mail address or user name.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000), help="How many.")
@click.option("--after", help="Continue after this identifier.")
@as_json
def show(*, user: str | None, limit: int, after: str | None, as_json: bool) -> None:
    """List API keys, oldest first: identifier, beginning, owner, expiry, last use, permissions, name."""
    with failures_as_messages():
        service = wired().get(ApiKeyService)
        if user is None:
            keys = [found.key for found in service.list_all(after=after, limit=limit).found]
        else:
            owned = service.list_of(named(wired().get(Users), user).id)
            keys = [key for key in owned if key.id > (after or "")][:limit]
    for key in keys:
        facts = _facts(key)
        columns = (
            key.id,
            facts["prefix"],
            key.user_id,
            facts["expires_at"],
            facts["last_used_at"] or "-",
            ",".join(key.permissions) or "-",
            key.name,
        )
        say(facts, "\t".join(columns), as_json=as_json)


@api_keys.command("delete")
@click.argument("key_id")
@as_json
def delete(*, key_id: str, as_json: bool) -> None:
    """End an API key at once, by its identifier. The key itself would be visible to every user of this machine."""
    with failures_as_messages():
        found = wired().get(ApiKeys).find(key_id)
        if found is None:
            raise click.ClickException("There is no such API key: flask api-keys list shows the identifiers.")
        wired().get(ApiKeyService).delete(found.key.user_id, key_id, None, by=None)
    say({"deleted": key_id}, f"{key_id} is deleted", as_json=as_json)


def _facts(key: ApiKey) -> dict[str, Any]:
    """What `--json` shows of a key."""
    return {
        "id": key.id,
        "prefix": beginning(key.id),
        "user_id": key.user_id,
        "name": key.name,
        "permissions": list(key.permissions),
        "created_at": _shown(key.created_at),
        "expires_at": _shown(key.expires_at),
        "last_used_at": _shown(key.last_used_at) if key.last_used_at else None,
    }


def _shown(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
