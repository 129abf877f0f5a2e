"""`flask webhooks`: shows, tests and replays them; and what a start does for them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from app import config, wiring
from app.platform.identifiers import new_id
from app.webhooks.service import NewWebhook, WebhookService
from tests.api.service import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    from app.webhooks.model import Webhook

OTHER = "wP4nT8xK2mV6rB9sJ3hL7gD1fQ5zC0aE-yU_oI"


@pytest.fixture
def webhook(prepared: None, fresh: Path) -> Webhook:
    del prepared
    wired = wiring.build(config.load(SETTINGS | {"DATABASE_URL": f"sqlite:///{fresh}"}, dotenv=None))
    made = wired.get(WebhookService).create(NewWebhook("https://192.88.98.1/", ("user.created",)), None, None)
    wired.close()
    return made.webhook


def test_the_list_shows_them_without_their_secrets(webhook: Webhook, flask: Callable[..., Result]) -> None:
    result = flask("webhooks", "list", "--json")
    assert result.exit_code == 0
    shown = json.loads(result.stdout)
    assert (shown["id"], shown["url"], shown["events"]) == (webhook.id, webhook.url, ["user.created"])
    assert "secret" not in shown
    assert webhook.id in flask("webhooks", "list").stdout


def test_a_test_is_made_and_can_be_replayed(webhook: Webhook, flask: Callable[..., Result]) -> None:
    tested = flask("webhooks", "test", webhook.id, "--json")
    delivery = json.loads(tested.stdout)
    assert (delivery["event"], delivery["status"]) == ("webhook.test", "pending")
    replayed = flask("webhooks", "replay", webhook.id, delivery["id"])
    assert (replayed.exit_code, replayed.stdout) == (0, f"{delivery['id']}  webhook.test  pending\n")


def test_what_does_not_exist_ends_with_a_message(webhook: Webhook, flask: Callable[..., Result]) -> None:
    for arguments in (("test", new_id()), ("test", "no identifier"), ("replay", webhook.id, new_id())):
        result = flask("webhooks", *arguments)
        assert result.exit_code == 1
        assert result.stderr.startswith("Error: ")
    assert flask("webhooks", "test").exit_code == 2


def test_a_start_seals_their_secrets_under_the_present_secret_key(webhook: Webhook, fresh: Path) -> None:
    settings = SETTINGS | {"DATABASE_URL": f"sqlite:///{fresh}", "SECRET_KEY": OTHER}
    wiring.prepare(config.load(settings | {"SECRET_KEY_FALLBACKS": SETTINGS["SECRET_KEY"]}, dotenv=None), patience=0)
    wired = wiring.build(config.load(settings, dotenv=None))
    service = wired.get(WebhookService)
    assert service.find(webhook.id).secret.wrapped_by == service.secrets.current_name != webhook.secret.wrapped_by
    wired.close()
