"""`flask attack` finds nothing in the service as it is served: by gunicorn alone, and behind the nginx that ships."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from attack.accounts import Account
from attack.budget import Budget
from attack.check import Result, Severity
from attack.choice import checks_of
from attack.client import Client
from attack.probe import Probe
from attack.run import Report, examine
from attack.target import Target
from tests.e2e.commands import create_user
from tests.e2e.front import UNLIMITED, front, self_signed
from tests.e2e.settings import PASSWORD, in_production, in_testing, on_sqlite
from tests.e2e.test_forward_auth import guarded, routed
from tests.servers.process import free_port
from tests.servers.service import ROOT, Service, service

pytestmark = pytest.mark.timeout(300)

PLENTY = 10_000
THROTTLED = {"spoofed-address", "throttle"}
"""What needs RATE_LIMITS; with them, the others would take an hour."""
TLS = {"tls", "tls-certificate", "tls-versions", "tls-hsts", "tls-plain-http"}
CHOSEN = {"enumeration-registration"}
"""What fails by the operator's choice: HIDE_ACCOUNTS is off."""
ELSEWHERE = {
    "token-expired",  # tests/e2e/test_attack_finds.py: a token lives too long to wait
    "forward-auth-paths", "enumeration-registration-time",  # below
    "oauth-redirect-uri", "oauth-downgrade", "oauth-code", "oauth-refresh",  # below: they need a client
}  # fmt: skip


def run(probe: Probe, *only: str, but: set[str] | frozenset[str] = frozenset()) -> Report:
    checks = [check for check in checks_of(only) if check.name not in but]
    return examine(probe, checks, lambda _: None)


def probe_of(target: Target, **more: Any) -> Probe:
    return Probe(target, Budget(PLENTY, PLENTY, PLENTY), "latchkey-attack/test", **more)


def results(report: Report) -> dict[str, str]:
    """What did not pass, with what came back."""
    return {
        finding.check.name: f"{finding.verdict.result}: {finding.verdict.came_back}"
        for finding in report.findings
        if finding.verdict.result is not Result.PASSED
    }


def failed(report: Report) -> dict[str, str]:
    found = [*report.of(Result.FAILED), *report.of(Result.INCONCLUSIVE)]
    return {finding.check.name: finding.verdict.came_back for finding in found if finding.severity > Severity.INFO}


def users_in(folder: Path) -> int:
    """How many there are; a deleted one stays until the mail about it is sent."""
    with closing(sqlite3.connect(folder / "latchkey.db")) as database:
        (count,) = database.execute("SELECT count(*) FROM users WHERE status <> 'deleted'").fetchone()
    return int(count)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


def settings_of(folder: Path) -> dict[str, str]:
    """No limits, and nginx is believed."""
    return in_testing(
        WEB_CONCURRENCY="1", RATE_LIMITS="off", TRUSTED_PROXIES="127.0.0.1/32",
        PUBLIC_URL="https://localhost", ALLOWED_HOSTS="localhost,127.0.0.1", **on_sqlite(folder),
    )  # fmt: skip


@pytest.fixture(scope="module")
def testing(folder: Path) -> Iterator[Service]:
    with service(settings_of(folder)) as server:
        yield server


def test_gunicorn_alone_is_clean_and_every_account_is_deleted(tmp_path: Path) -> None:
    settings = in_testing(WEB_CONCURRENCY="1", RATE_LIMITS="off", **on_sqlite(tmp_path))
    with service(settings) as server:
        report = run(probe_of(Target.of(server.base_url)), but=THROTTLED)
        assert results(report).keys() == TLS | CHOSEN | ELSEWHERE | {"development"}, results(report)
        assert failed(report).keys() == {"development"}, failed(
            report
        )  # the testing profile shows mails on this machine
        assert report.left == ()
        assert users_in(tmp_path) == 0


def test_behind_the_nginx_that_ships_it_is_clean_with_tls(testing: Service, tmp_path: Path, folder: Path) -> None:
    certificate, key = self_signed()
    authority = tmp_path / "authority.pem"
    authority.write_text(certificate)
    plain, tls = free_port(), free_port()
    files = {"tls/fullchain.pem": certificate, "tls/privkey.pem": key}
    with front(testing.port, port=plain, tls=tls, changed=UNLIMITED, more=files):
        target = Target.of(f"https://localhost:{tls}", authority)
        report = run(probe_of(target, http_port=plain), but=THROTTLED)
    assert results(report).keys() == CHOSEN | ELSEWHERE, results(report)
    assert failed(report) == {}
    assert users_in(folder) == 0


def test_the_throttle_holds_against_guesses_and_headers(tmp_path: Path) -> None:
    with service(in_testing(WEB_CONCURRENCY="1", **on_sqlite(tmp_path))) as server:
        report = run(probe_of(Target.of(server.base_url)), *THROTTLED)
    assert results(report) == {}


def test_production_serves_nothing_of_development(tmp_path: Path) -> None:
    with service(in_production(WEB_CONCURRENCY="1", **on_sqlite(tmp_path))) as server:
        report = run(probe_of(Target("http", "localhost", server.port)), "development", "metrics", "security-headers")
    assert results(report) == {}


def test_hidden_accounts_show_neither_in_replies_nor_in_time(tmp_path: Path) -> None:
    settings = in_testing(WEB_CONCURRENCY="1", RATE_LIMITS="off", HIDE_ACCOUNTS="on", **on_sqlite(tmp_path))
    with service(settings) as server:
        create_user(settings, "--email", "given@example.com")
        given = Account("", PASSWORD, "given@example.com", exists=True)
        names = [f"enumeration-{name}" for name in ("login", "mail", "registration", "registration-time")]
        report = run(probe_of(Target.of(server.base_url), given=given), *names)
    assert results(report) == {}
    assert given.token


def test_a_client_gets_no_more_than_its_user_gave_it(testing: Service, folder: Path) -> None:
    uri = "https://client.example/cb"
    made = subprocess.run(
        [
            sys.executable, "-m", "flask", "--app", "app.wsgi", "clients", "create", "Attack", "--kind", "public",
            "--redirect-uri", uri, "--json",
        ],
        cwd=testing.folder, env=settings_of(folder) | {"PYTHONPATH": str(ROOT)}, check=True, capture_output=True,
    )  # fmt: skip
    client = Client(json.loads(made.stdout)["client"]["client_id"], uri)
    names = [check.name for check in checks_of(()) if check.name.startswith("oauth-")]
    assert results(run(probe_of(Target.of(testing.base_url), client=client), *names)) == {}


def test_a_place_behind_forward_authentication_is_guarded_in_every_spelling(testing: Service) -> None:
    hosts = {"proxy_set_header Host auth.example.com;": "proxy_set_header Host localhost;"}
    with routed() as application, guarded(application.port, testing.port, hosts) as client:
        place = Target("http", "127.0.0.1", client.base_url.port or 0)
        for path in ("/admin", "/orders/7"):
            probe = probe_of(Target.of(testing.base_url), guarded=place, guarded_path=path)
            assert results(run(probe, "forward-auth-paths")) == {}


def test_a_proxy_that_judges_one_path_and_passes_another_on_is_found(testing: Service) -> None:
    changed = {
        "proxy_set_header Host auth.example.com;": "proxy_set_header Host localhost;",
        "proxy_pass http://application/robots.txt;": "proxy_pass http://application;",
    }
    with routed() as application, guarded(application.port, testing.port, changed) as client:
        place = Target("http", "127.0.0.1", client.base_url.port or 0)
        probe = probe_of(Target.of(testing.base_url), guarded=place, guarded_path="/admin")
        (finding,) = run(probe, "forward-auth-paths").of(Result.FAILED)
    assert "/admin/..%2frobots.txt" in finding.verdict.came_back


def test_the_command_reports_for_programs_and_exits_with_what_it_found(testing: Service) -> None:
    command = [sys.executable, "-m", "flask", "--app", "app.wsgi", "attack", testing.base_url, "--yes", "--json"]
    chosen = ["--per-second", "1000", "--only", "cors", "--only", "enumeration-registration"]
    done = subprocess.run(
        [*command, *chosen], cwd=testing.folder, check=False, capture_output=True, text=True,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **in_testing(DATABASE_URL="sqlite:///never.db")},
    )  # fmt: skip
    report = json.loads(done.stdout)
    assert (done.returncode, report["exit_code"], report["target"]) == (0, 0, testing.base_url)
    assert {check["name"]: check["result"] for check in report["checks"]} == {
        "cors": "passed",
        "enumeration-registration": "failed",
    }
    assert "at most 3000 requests" in done.stderr
