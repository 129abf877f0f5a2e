"""The metrics: each number moves with what it counts, labels stay few, and only allowed addresses read them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from app import __version__
from app.outbox.service import Outbox
from tests.api.service import PASSWORD, Service, new_names, occupied
from tests.servers.process import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.api.service import FakeClock, Reply, Start

ALLOWED = "127.0.0.1,10.0.0.0/8,2001:db8::/32"
OPENMETRICS = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
"""What Prometheus sends as Accept, in short."""


@pytest.fixture(scope="module")
def measured(start: Start) -> Service:
    """An instance that is measured."""
    return start(METRICS_ALLOW=ALLOWED)


def read(service: Service, peer: str = "127.0.0.1", **environ: str) -> Reply:
    return service.get("/metrics", environ={"REMOTE_ADDR": peer, **environ})


def samples(service: Service) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every number, by its name and its labels."""
    reply = read(service)
    assert reply.status_code == 200
    return numbers(reply.text)


def numbers(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(service: Service, name: str, **labels: str) -> float:
    """One number; 0 for one that is not there yet."""
    return samples(service).get((f"latchkey_{name}", frozenset(labels.items())), 0)


def moved(service: Service, act: Callable[[], object], name: str, **labels: str) -> float:
    """By how much a number moves when something is done."""
    before = value(service, name, **labels)
    act()
    return value(service, name, **labels) - before


def labels_of(service: Service, name: str) -> set[frozenset[tuple[str, str]]]:
    return {labels for found, labels in samples(service) if found == f"latchkey_{name}"}


def test_requests_are_counted_and_timed_by_method_route_and_status(measured: Service) -> None:
    missing = "019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7a"
    ended = {"method": "DELETE", "route": "/auth/sessions/<session_id>"}
    token = measured.register().token

    def act() -> None:
        for _ in range(3):
            measured.send("DELETE", f"/auth/sessions/{missing}", token=token)

    assert moved(measured, act, "http_requests_total", status="404", **ended) == 3
    assert moved(measured, act, "http_request_duration_seconds_count", **ended) == 3
    assert moved(measured, act, "http_request_duration_seconds_bucket", le="+Inf", **ended) == 3


def test_whatever_clients_send_labels_take_few_values(measured: Service) -> None:
    measured.send("PROPFIND", "/auth/me")
    measured.get("/nothing")
    read(measured)
    before = labels_of(measured, "http_requests_total")
    for number in range(20):
        measured.send(f"M{number}", "/auth/me")
        measured.send(f"M{number}", "/nothing")
        measured.get(f"/nothing/{number}")
        measured.get("/metrics", headers={"Accept": f"text/{number}"})
    found = labels_of(measured, "http_requests_total") - before
    assert {dict(labels)["method"] for labels in found} <= {"other"}
    assert {dict(labels)["route"] for labels in found} <= {"none"}
    assert len(found) <= 2  # 404 and 405


def test_a_path_never_becomes_a_label(measured: Service) -> None:
    measured.get("/errors/not_found")
    measured.get("/errors/no-such-code")
    measured.get("/nothing/secret")
    routes = {dict(labels)["route"] for labels in labels_of(measured, "http_requests_total")}
    assert "/errors/<code>" in routes
    assert routes <= {rule.rule for rule in measured.app.url_map.iter_rules()} | {"none"}


def test_logins_are_counted_by_their_outcome(measured: Service) -> None:
    ann, eve = measured.register(), measured.register()
    measured.database.change_user(eve.id, status="disabled")
    outcomes: dict[str, Callable[[], object]] = {
        "success": lambda: measured.login(ann.email),
        "invalid_credentials": lambda: measured.login(ann.email, "wrong horse battery staple"),
        "account_disabled": lambda: measured.login(eve.email),
        "validation_failed": lambda: measured.post("/auth/login", {"nonsense": 1}),
        "malformed_json": lambda: measured.post("/auth/login", body=b"{", content_type="application/json"),
    }
    for outcome, act in outcomes.items():
        assert moved(measured, act, "logins_total", outcome=outcome) == 1
    before = samples(measured)
    measured.send("OPTIONS", "/auth/login")
    measured.get("/auth/login")
    after = samples(measured)
    assert {key: number for key, number in after.items() if key[0] == "latchkey_logins_total"} == {
        key: number for key, number in before.items() if key[0] == "latchkey_logins_total"
    }


def test_a_name_that_has_to_wait_is_an_outcome(measured: Service) -> None:
    email, _ = new_names()
    for _ in range(11):
        measured.login(email)
    assert moved(measured, lambda: measured.login(email), "logins_total", outcome="too_many_requests") == 1


def test_an_address_that_is_not_verified_is_an_outcome(start: Start) -> None:
    service = start(METRICS_ALLOW=ALLOWED, REQUIRE_VERIFIED_EMAIL="on")
    body = {"email": new_names()[0], "password": PASSWORD}
    assert moved(service, lambda: service.post("/auth/register", body), "tokens_issued_total", grant="register") == 0
    assert value(service, "registrations_total", outcome="success") == 1
    assert moved(service, lambda: service.login(body["email"]), "logins_total", outcome="email_not_verified") == 1
    assert value(service, "tokens_issued_total", grant="login") == 0


def test_registrations_are_counted_by_their_outcome(measured: Service) -> None:
    ann = measured.register()
    taken = {"email": ann.email, "password": PASSWORD}
    assert moved(measured, measured.register, "registrations_total", outcome="success") == 1
    for outcome, body in [("email_taken", taken), ("validation_failed", {"email": "x"})]:
        before = value(measured, "registrations_total", outcome=outcome)
        measured.post("/auth/register", body)
        assert value(measured, "registrations_total", outcome=outcome) == before + 1


def test_access_tokens_are_counted_by_what_they_were_issued_for(measured: Service) -> None:
    ann = measured.register()
    acts: dict[str, Callable[[], object]] = {
        "register": measured.register,
        "login": lambda: measured.login(ann.email),
        "refresh": lambda: measured.post("/auth/refresh", {"refresh_token": ann.refresh_token}),
    }
    for grant, act in acts.items():
        before = samples(measured)
        act()
        after = samples(measured)
        changed = {
            dict(labels)["grant"]: after[name, labels] - before[name, labels]
            for name, labels in after
            if name == "latchkey_tokens_issued_total" and after[name, labels] != before[name, labels]
        }
        assert changed == {grant: 1}


def test_tokens_are_refused_for_a_reason(measured: Service) -> None:
    ann, eve = measured.register(), measured.register()
    measured.post("/auth/logout", {"scope": "this"}, token=eve.token)
    head, claims, signature = ann.token.split(".")
    forged = f"{head}.{claims}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"

    def refused(token: str | None, reason: str) -> float:
        before = value(measured, "tokens_refused_total", reason=reason)
        assert measured.get("/auth/me", token=token).status_code == 401
        return value(measured, "tokens_refused_total", reason=reason) - before

    assert refused(forged, "bad_signature") == 1
    assert refused("nonsense", "malformed") == 1
    assert refused(eve.token, "session_ended") == 1
    assert refused(None, "missing_token") == 1
    measured.clock.advance(3600)
    assert refused(ann.token, "expired_token") == 1


def test_two_tokens_that_contradict_each_other_have_no_other_reason(measured: Service) -> None:
    def contradict() -> None:
        measured.get("/auth/verify", token="one", headers={"x-access-token": "other"})

    assert moved(measured, contradict, "tokens_refused_total", reason="invalid_token") == 1


def test_a_refresh_token_that_is_used_twice_is_counted(measured: Service) -> None:
    stolen = {"refresh_token": measured.register().refresh_token}
    assert moved(measured, lambda: measured.post("/auth/refresh", stolen), "refresh_reuse_total") == 0
    measured.clock.advance(3600)
    assert moved(measured, lambda: measured.post("/auth/refresh", stolen), "refresh_reuse_total") == 1


def test_the_queue_of_passwords_is_shown_while_it_lasts(measured: Service) -> None:
    ann = measured.register()
    before = value(measured, "hash_wait_seconds_count")
    with ThreadPoolExecutor(1) as client, occupied(measured):
        waiting = client.submit(measured.login, ann.email)
        wait_until(lambda: value(measured, "hash_queue_depth") == 1, 60)
        assert not waiting.done()
    assert waiting.result().status_code == 200
    assert value(measured, "hash_queue_depth") == 0
    assert value(measured, "hash_wait_seconds_count") == before + 2 + 1  # the threads of `occupied`, and the login


def test_passwords_that_are_not_hashed_are_counted_by_the_reason(start: Start) -> None:
    service = start(METRICS_ALLOW=ALLOWED, HASH_THREADS="1", HASH_QUEUE="1", HASH_DEADLINE_SECONDS="1")
    ann = service.register()
    with ThreadPoolExecutor(1) as client, occupied(service):
        waiting = client.submit(service.login, ann.email)
        wait_until(lambda: value(service, "hash_queue_depth") == 1, 60)
        assert service.login(ann.email).status_code == 503
        assert waiting.result().status_code == 503
    assert value(service, "hashes_refused_total", reason="queue_full") == 1
    assert value(service, "hashes_refused_total", reason="deadline") == 1
    assert value(service, "hash_queue_depth") == 0
    assert value(service, "logins_total", outcome="overloaded") == 2


def test_calls_of_the_store_are_timed_by_operation(measured: Service) -> None:
    token = measured.register().token
    operation = {"operation": "sessions.principal"}
    assert (
        moved(measured, lambda: measured.get("/auth/me", token=token), "store_call_duration_seconds_count", **operation)
        == 1
    )
    operations = {dict(labels)["operation"] for labels in labels_of(measured, "store_call_duration_seconds_count")}
    assert {"users.add", "sessions.open", "login_failures.get"} <= operations


def test_mails_are_counted_and_those_that_wait_shown(start: Start) -> None:
    service = start(METRICS_ALLOW=ALLOWED)
    service.register()
    service.post("/auth/password/forgot", {"email": "nobody@example.com"})
    assert value(service, "mail_queue") == 2
    assert moved(service, service.wired.get(Outbox).deliver_due, "mails_total", outcome="sent") == 1
    other = start(on=service, METRICS_ALLOW=ALLOWED)  # one answer of the store is reused for 10 s
    assert value(other, "mail_queue") == 0
    assert value(other, "mails_total", outcome="sent") == 0


def test_this_process_and_the_version_are_shown(measured: Service) -> None:
    assert value(measured, "worker_resident_memory_bytes", worker="0") > 1_000_000
    assert value(measured, "worker_cpu_seconds_total", worker="0") > 0
    assert value(measured, "build_info", version=__version__) == 1


def test_known_label_values_start_at_zero(start: Start) -> None:
    service = start(METRICS_ALLOW=ALLOWED)
    found = samples(service)
    for name, label, known in [
        ("logins_total", "outcome", {"success", "invalid_credentials"}),
        (
            "tokens_issued_total",
            "grant",
            {
                "register",
                "login",
                "mail",
                "provider",
                "refresh",
                "reauthenticate",
                "invitation",
                "impersonation",
                "page",
                "authorization_code",
                "device_code",
                "client_refresh",
                "client_credentials",
                "token_exchange",
            },
        ),
        ("mails_total", "outcome", {"sent", "failed", "refused", "given_up", "withheld"}),
        ("hashes_refused_total", "reason", {"queue_full", "deadline", "gone", "closed"}),
    ]:
        there = {
            dict(labels)[label]: count for (metric, labels), count in found.items() if metric == f"latchkey_{name}"
        }
        assert there == dict.fromkeys(known, 0)


@pytest.mark.parametrize("peer", ["127.0.0.1", "10.255.0.1", "2001:db8::7", "::ffff:10.0.0.1"])
def test_allowed_addresses_can_read_the_metrics(measured: Service, peer: str) -> None:
    reply = read(measured, peer)
    assert reply.status_code == 200
    assert reply.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert reply.headers["Cache-Control"] == "no-store"
    assert "latchkey_http_requests_total" in reply.text


def test_prometheus_gets_openmetrics(measured: Service) -> None:
    reply = measured.get("/metrics", headers={"Accept": OPENMETRICS})
    assert reply.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert "latchkey_logins" in {family.name for family in read_openmetrics(reply.text)}


def test_a_head_says_the_same_without_a_body(measured: Service) -> None:
    reply = measured.send("HEAD", "/metrics")
    assert (reply.status_code, reply.data) == (200, b"")
    assert reply.headers["Content-Type"] == read(measured).headers["Content-Type"]


def test_no_host_name_keeps_prometheus_out(start: Start) -> None:
    service = start(METRICS_ALLOW=ALLOWED, ALLOWED_HOSTS="auth.example.com")
    assert read(service, HTTP_HOST="10.0.0.9:5000").status_code == 200


NOT_ALLOWED: list[Mapping[str, str]] = [
    {"REMOTE_ADDR": "192.0.2.1"},
    {"REMOTE_ADDR": "2001:db9::1"},
    {"REMOTE_ADDR": ""},
    {"REMOTE_ADDR": "nonsense"},
    {"HTTP_X_FORWARDED_FOR": "127.0.0.1"},
    {"HTTP_X_FORWARDED_FOR": ""},
    {"HTTP_X_FORWARDED_PROTO": "http"},
    {"HTTP_X_FORWARDED_HOST": "localhost"},
    {"HTTP_FORWARDED": "for=127.0.0.1"},
    {"HTTP_X_REAL_IP": "127.0.0.1"},
    {"HTTP_VIA": "1.1 proxy"},
    {"REMOTE_ADDR": "192.0.2.1", "HTTP_X_FORWARDED_FOR": "127.0.0.1"},
]


@pytest.mark.parametrize("environ", NOT_ALLOWED, ids=str)
def test_for_all_other_clients_metrics_do_not_exist(measured: Service, environ: Mapping[str, str]) -> None:
    assert_nothing_there(measured, environ)


def test_a_trusted_proxy_does_not_publish_them_either(start: Start) -> None:
    service = start(METRICS_ALLOW=ALLOWED, TRUSTED_PROXIES="127.0.0.0/8,192.0.2.1")
    assert read(service).status_code == 200
    assert_nothing_there(service, {"HTTP_X_FORWARDED_FOR": "127.0.0.1"})
    assert_nothing_there(service, {"REMOTE_ADDR": "192.0.2.1", "HTTP_X_FORWARDED_FOR": "10.0.0.1"})


def test_metrics_do_not_exist_where_no_address_may_read_them(service: Service) -> None:
    assert_nothing_there(service, {})


def test_two_instances_of_one_process_count_by_themselves(start: Start) -> None:
    one, other = start(METRICS_ALLOW=ALLOWED), start(METRICS_ALLOW=ALLOWED)
    one.register()
    assert value(one, "registrations_total", outcome="success") == 1
    assert value(other, "registrations_total", outcome="success") == 0


def assert_nothing_there(service: Service, environ: Mapping[str, str]) -> None:
    """The reply is that of a path that does not exist, but for the request's id."""
    refused, missing = (service.get(path, environ=environ) for path in ("/metrics", "/no-such-path"))
    for reply in (refused, missing):
        reply.headers.remove("X-Request-ID")
    told, expected = (reply.json | {"request_id": ""} for reply in (refused, missing))
    assert (refused.status_code, told) == (404, expected)
    assert dict(refused.headers) == dict(missing.headers)


@pytest.fixture
def clock(measured: Service) -> FakeClock:
    """That of an instance."""
    return measured.clock
