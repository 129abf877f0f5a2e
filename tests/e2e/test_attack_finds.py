"""Each check of `flask attack` fails in a copy of the service that has the weakness it looks for."""

import socketserver
import sqlite3
import ssl
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from flask import Flask
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.wrappers import Response

from app import config, create_app, wired_of
from app.keys.service import KeyService
from app.oauth.clients.model import ClientFields
from app.oauth.clients.service import ClientService
from attack.accounts import Account
from attack.budget import Budget
from attack.check import Check, Result
from attack.checks import CHECKS
from attack.choice import checks_of
from attack.client import Client
from attack.probe import Probe
from attack.run import Finding, examine
from attack.target import Target
from tests.api.service import SETTINGS, FakeClock
from tests.e2e import weakened
from tests.e2e.front import self_signed
from tests.e2e.settings import PASSWORD, on_sqlite
from tests.e2e.weakened import Careless, Weakened, Weakness, served

pytestmark = pytest.mark.timeout(120)

PLENTY = 5000
GIVEN = Account("given-account", PASSWORD, "given@example.com", exists=True)


class Hurried(Budget):
    """Does not wait: it tells the clock of the service, if there is one."""

    clock: FakeClock | None = None

    def pause(self, seconds: float) -> None:
        if self.clock is not None and seconds > 0:
            self.clock.advance(seconds)


@dataclass
class Place:
    """Where the tests put their copies of the service."""

    folder: Path
    clock: FakeClock
    running: ExitStack

    def application(self, **settings: str) -> Flask:
        """The application on the database of the folder."""
        chosen = {**SETTINGS, "MAIL_DIR": str(self.folder / "mail"), **on_sqlite(self.folder), **settings}
        application = create_app(config.load(chosen, dotenv=None), clock=self.clock)
        wired = wired_of(application)
        self.running.callback(wired.close)
        wired.get(KeyService).ensure()
        return application

    def serve(self, weakness: Weakness, context: ssl.SSLContext | None = None, **settings: str) -> Probe:
        """An attack on a copy with this weakness."""
        copy = Weakened(self.application(**settings), weakness)
        port = self.running.enter_context(served(copy, context))
        return self.probe(Target("https" if context else "http", "localhost" if context else "127.0.0.1", port))

    def probe(self, target: Target) -> Probe:
        return Probe(target, Hurried(PLENTY, PLENTY, PLENTY), "latchkey-attack/test", idle=0.5)

    def certificate(self) -> tuple[ssl.SSLContext, Path]:
        """A server's side of TLS for `localhost`, and the file of its authority."""
        file = self.folder / "tls.pem"
        file.write_text("".join(self_signed()))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context, file


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with ExitStack() as running:
        yield Place(tmp_path, FakeClock(), running)


def with_weakness(weakness: Weakness, **settings: str) -> Callable[[Place], Probe]:
    return lambda place: place.serve(weakness, None, **settings)


def with_a_given_account(place: Place) -> Probe:
    """A copy that hides its accounts, with one that exists, and is slower for that one."""
    place.running.enter_context(given_account(place))
    probe = place.serve(weakened.works_longer_for_accounts, HIDE_ACCOUNTS="on")
    return replace(probe, given=replace(GIVEN))


@contextmanager
def given_account(place: Place) -> Iterator[None]:
    application = place.application()
    body = {"username": GIVEN.username, "email": GIVEN.email, "password": PASSWORD}
    assert application.test_client().post("/auth/register", json=body).status_code == 201
    yield


def with_a_client(weakness: Weakness) -> Callable[[Place], Probe]:
    """A copy with a public client of the operator's."""

    def served_to(place: Place) -> Probe:
        clients = wired_of(place.application()).get(ClientService)
        made = clients.create(
            ClientFields(name="Attack", kind="public", redirect_uris=(weakened.CALLBACK,)), None, None
        )
        probe = place.serve(weakness, RATE_LIMITS="off")
        return replace(probe, client=Client(made.client.id, weakened.CALLBACK))

    return served_to


def with_a_place(place: Place) -> Probe:
    probe = place.serve(weakened.guards_what_is_written_but_serves_what_is_meant)
    return replace(probe, guarded=probe.target, guarded_path="/reports")


def over_http(place: Place) -> Probe:
    """A deployment that is named by http and is not this machine; the check about that asks nothing."""
    return place.probe(Target("http", "auth.example.com", 80))


def over_tls(place: Place, *, trusted: bool = True) -> Probe:
    context, authority = place.certificate()
    probe = place.serve(weakened.none, context)
    return replace(probe, target=replace(probe.target, authorities=authority if trusted else None))


def over_old_tls(place: Place) -> Probe:
    context, authority = place.certificate()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
    probe = place.serve(weakened.none, context)
    return replace(probe, target=replace(probe.target, authorities=authority))


def over_tls_and_http(place: Place) -> Probe:
    probe = over_tls(place)
    port = place.running.enter_context(served(place.application()))
    return replace(probe, http_port=port)


def read_carelessly(place: Place) -> Probe:
    server = Careless(place.application())

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            waiting = b""
            while received := self.request.recv(65536):
                waiting += received
                while True:
                    reply, waiting = server.answer(waiting)
                    if not reply:
                        break
                    self.request.sendall(reply)
                    if b"\r\nConnection: close\r\n" in reply:
                        return

    listening = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    thread = Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    place.running.callback(listening.server_close)
    place.running.callback(thread.join)
    place.running.callback(listening.shutdown)
    return place.probe(Target("http", "127.0.0.1", listening.server_address[1]))


WEAK: dict[str, Callable[[Place], Probe]] = {
    "tls": over_http,
    "tls-certificate": lambda place: over_tls(place, trusted=False),
    "tls-versions": over_old_tls,
    "tls-hsts": over_tls,
    "tls-plain-http": over_tls_and_http,
    "security-headers": with_weakness(weakened.no_security_headers),
    "cors": with_weakness(weakened.reflects_the_origin),
    "host-header": with_weakness(weakened.believes_the_forwarded_host),
    "error-details": with_weakness(weakened.shows_its_inside),
    "metrics": with_weakness(weakened.serves_metrics),
    "development": with_weakness(weakened.serves_its_folder),
    "token-unsigned": with_weakness(weakened.ACCEPTS_UNSIGNED),
    "token-key-confusion": with_weakness(weakened.ACCEPTS_THE_PUBLIC_KEY),
    "token-embedded-key": with_weakness(weakened.ACCEPTS_ITS_OWN_KEY),
    "token-kid": with_weakness(weakened.ACCEPTS_A_FILE_AS_KEY),
    "token-tampered": with_weakness(weakened.ACCEPTS_CHANGES),
    "token-stranger": with_weakness(weakened.ACCEPTS_STRANGERS),
    "token-kinds": with_weakness(weakened.takes_refresh_tokens),
    "token-after-logout": with_weakness(weakened.forgets_to_log_out),
    "token-expired": with_weakness(weakened.none, ACCESS_TOKEN_SECONDS="60"),  # its clock stands still
    "oauth-metadata": with_weakness(weakened.publishes_plain_challenges),
    "oauth-open-redirect": with_weakness(weakened.leads_anywhere_after_an_error),
    "oauth-registration": with_weakness(weakened.registers_any_client),
    "oauth-grants": with_weakness(weakened.gives_tokens_for_passwords),
    "oauth-introspection": with_weakness(weakened.tells_strangers_of_tokens),
    "oauth-revocation": with_weakness(weakened.revokes_for_strangers),
    "oauth-userinfo": with_weakness(weakened.ACCEPTS_UNSIGNED),
    "oauth-client-documents": with_weakness(weakened.connects_to_what_a_client_names),
    "oauth-redirect-uri": with_a_client(weakened.compares_the_beginning_of_redirect_uris),
    "oauth-downgrade": with_a_client(weakened.takes_requests_without_a_challenge),
    "oauth-code": with_a_client(weakened.gives_the_same_tokens_again),
    "oauth-refresh": with_a_client(weakened.gives_the_same_tokens_again),
    "body-operators": with_weakness(weakened.takes_objects_for_passwords),
    "body-unknown-fields": with_weakness(weakened.takes_unknown_fields),
    "body-content-type": with_weakness(weakened.takes_any_content_type),
    "body-too-large": with_weakness(weakened.reads_any_length),
    "body-too-deep": with_weakness(weakened.fails_at_depth),
    "method-trace": with_weakness(weakened.echoes_trace),
    "method-override": with_weakness(weakened.lets_headers_override_the_method),
    "token-in-query": with_weakness(weakened.reads_tokens_from_the_query),
    "cache-shared": with_weakness(weakened.caches_whatever_it_sees),
    "cache-no-store": with_weakness(weakened.says_nothing_about_caches),
    "forward-auth-paths": with_a_place,
    "forward-auth-verify": with_weakness(weakened.takes_users_from_the_client),
    "smuggling-length": read_carelessly,
    "smuggling-lines": read_carelessly,
    "smuggling-host": read_carelessly,
    "smuggling-chunks": read_carelessly,
    "enumeration-login": with_weakness(weakened.names_unknown_accounts),
    "enumeration-mail": with_weakness(weakened.refuses_mails_to_strangers),
    "enumeration-registration": with_weakness(weakened.none),  # HIDE_ACCOUNTS is off
    "enumeration-login-time": with_weakness(weakened.works_longer_for_accounts, RATE_LIMITS="off"),
    "enumeration-mail-time": with_weakness(weakened.works_longer_for_accounts, RATE_LIMITS="off"),
    "enumeration-registration-time": with_a_given_account,
    "spoofed-address": with_weakness(weakened.believes_any_forwarded_address),
    "throttle": with_weakness(weakened.none, RATE_LIMITS="off"),
}
"""A copy for each check in which that check fails."""


def found(probe: Probe, check: Check) -> Finding:
    (finding,) = examine(probe, [check], lambda _: None).findings
    return finding


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_a_check_fails_where_the_service_has_the_weakness(check: Check, place: Place) -> None:
    probe = WEAK[check.name](place)
    verdict: Any = check.run(probe) if check.name == "tls" else found(probe, check).verdict
    assert verdict.result is Result.FAILED, verdict.came_back


def test_no_weakness_is_left_over() -> None:
    assert WEAK.keys() == {check.name for check in CHECKS}


def test_a_header_that_lifts_the_throttle_is_found(place: Place) -> None:
    (check,) = checks_of(["spoofed-address"])
    verdict = found(place.serve(weakened.lifts_the_throttle_for_a_header), check).verdict
    assert verdict.result is Result.FAILED
    assert "X-Real-IP" in verdict.came_back


def users_in(place: Place) -> int:
    """How many there are; a deleted one stays until the mail about it is sent."""
    with closing(sqlite3.connect(place.folder / "latchkey.db")) as database:
        (count,) = database.execute("SELECT count(*) FROM users WHERE status <> 'deleted'").fetchone()
    return int(count)


def test_accounts_are_deleted_even_if_the_run_is_interrupted(place: Place) -> None:
    probe = place.serve(weakened.none)

    def interrupt(_: Finding) -> None:
        assert users_in(place) == 1
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        examine(probe, checks_of(["token-in-query"]), interrupt)
    assert users_in(place) == 0


def test_accounts_that_cannot_be_deleted_are_named(place: Place) -> None:
    report = examine(place.serve(weakened.never_deletes), checks_of(["token-in-query"]), lambda _: None)
    (name,) = report.left
    assert name.startswith("attack-")


def test_a_deployment_under_a_path_is_examined_there(place: Place) -> None:
    application = DispatcherMiddleware(Response("elsewhere", 404), {"/accounts": place.application()})
    port = place.running.enter_context(served(application))
    probe = place.probe(Target("http", "127.0.0.1", port, "/accounts"))
    report = examine(probe, checks_of(["cors", "token-unsigned", "body-operators", "cache-shared"]), lambda _: None)
    assert {finding.verdict.result for finding in report.findings} == {Result.PASSED}
    assert users_in(place) == 0


def test_an_allowance_that_a_header_renews_is_found(place: Place) -> None:
    (check,) = checks_of(["spoofed-address"])
    verdict = found(place.serve(weakened.counts_by_forwarded_address), check).verdict
    assert verdict.result is Result.FAILED
    assert verdict.came_back.startswith("Forwarded gives a fresh allowance")


def test_a_limit_of_the_address_is_not_taken_for_a_throttle_of_the_account(place: Place) -> None:
    (check,) = checks_of(["throttle"])
    verdict = found(place.serve(weakened.limits_the_address_only, RATE_LIMITS="off"), check).verdict
    assert verdict.result is Result.INCONCLUSIVE
    assert "rate limited" in verdict.came_back


@pytest.mark.parametrize(
    "check", [each for each in CHECKS if each.name.startswith("oauth-")], ids=lambda each: each.name
)
def test_an_authorization_server_that_is_switched_off_is_not_examined(check: Check, place: Place) -> None:
    probe = replace(place.serve(weakened.none, OAUTH="off"), client=Client("attack", weakened.CALLBACK))
    assert found(probe, check).verdict.result is Result.NOT_APPLICABLE


def test_an_expired_token_is_seen_to_be_refused(place: Place) -> None:
    (check,) = checks_of(["token-expired"])
    probe = place.serve(weakened.none, ACCESS_TOKEN_SECONDS="60")
    assert isinstance(probe.budget, Hurried)
    probe.budget.clock = place.clock
    assert found(probe, check).verdict.result is Result.PASSED
