"""The Postman collection: it holds every endpoint of the API, and all its requests pass against the service."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from app.features import ENDPOINTS, PROTOCOLS
from tests.e2e.commands import create_user
from tests.e2e.settings import PASSWORD, in_testing, on_sqlite
from tests.servers.fixtures import require
from tests.servers.process import program
from tests.servers.service import ROOT, service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.timeout(180)

NEWMAN = ROOT / "tests/tools/node_modules/.bin/newman"
COLLECTION = ROOT / "postman/latchkey.postman_collection.json"
ENVIRONMENT = ROOT / "postman/latchkey.postman_environment.json"
ADMINISTRATOR = "boss@example.com"
NOT_GIVEN_AWAY = (
    "token", "refresh_token", "mail_token", "mail_code", "admin_password", "admin_token", "acting_token", "api_key",
    "totp_secret", "totp_code", "recovery_code", "login_token", "mail_request", "service_secret",
    "service_token", "registration_token", "device_code",
)  # fmt: skip


def test_the_collection_holds_every_endpoint_but_the_pages_and_reads_what_was_mailed() -> None:
    requests = {f"{request['method']} /{'/'.join(request['url']['path'])}" for request in _requests()}
    api = {
        f"{declared.method} " + re.sub(r"<(?:[a-z]+:)?([a-z_]+)>", r":\1", declared.path)
        for declared in (*ENDPOINTS, *PROTOCOLS)
        if "json" in declared.media_type or declared.access.authenticated or declared.rfc
        if "<path:below>" not in declared.path
    }
    assert requests == api | {"GET /dev/mail"}


def test_no_request_names_an_address_or_a_token_of_its_own() -> None:
    for request in _requests():
        assert request["url"]["host"] == ["{{base_url}}"]
        assert request["url"]["raw"].startswith("{{base_url}}/")
        assert not {header["key"].lower() for header in request["header"]} & {"authorization", "cookie"}


def test_every_variable_is_in_the_environment_and_no_token_is_given_away() -> None:
    values = {value["key"]: value["value"] for value in json.loads(ENVIRONMENT.read_text())["values"]}
    text = COLLECTION.read_text()
    assert {name for name in values if f"{{{{{name}}}}}" not in text} == set()
    assert text.count("{{") == sum(text.count(f"{{{{{name}}}}}") for name in values)
    assert {values[name] for name in NOT_GIVEN_AWAY} == {""}


def test_every_request_passes_against_the_service(tmp_path: Path) -> None:
    require(None if NEWMAN.exists() and program("node") else "newman is not installed: run `make tools`")
    report = tmp_path / "report.json"
    optional = {"IMPERSONATION": "on", "AUTH_COOKIES": "on", "LOGIN_BY_MAIL": "on"}
    settings = in_testing(WEB_CONCURRENCY="1", **optional, **on_sqlite(tmp_path))
    with service(settings) as server:
        create_user(settings, "--role", "admin", "--email", ADMINISTRATOR)
        done = subprocess.run(
            [
                NEWMAN, "run", COLLECTION, "--environment", ENVIRONMENT, "--env-var", f"base_url={server.base_url}",
                "--env-var", f"admin_login={ADMINISTRATOR}", "--env-var", f"admin_password={PASSWORD}",
                "--color", "off", "--reporters", "cli,json", "--reporter-json-export", report,
            ],
            cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    executions = json.loads(report.read_text())["run"]["executions"]
    # One assertion is the collection's, on every reply; the others are the request's own. A request whose script looks
    # whether a mail has come is there once for each look.
    tested = dict.fromkeys(run["item"]["name"] for run in executions if len(run.get("assertions", ())) >= 2)
    assert list(tested) == [item["name"] for item in _items()]
    told = {each["assertion"] for run in executions for each in run.get("assertions", ())}
    assert "gives the refresh token in the cookie alone" in told


def _requests() -> Iterator[dict[str, Any]]:
    for item in _items():
        yield item["request"]


def _items() -> Iterator[dict[str, Any]]:
    for folder in json.loads(COLLECTION.read_text())["item"]:
        yield from folder["item"]
