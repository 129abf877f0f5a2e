"""The list of mails in development: for this machine only, and never in production."""

from collections.abc import Mapping
from datetime import timedelta
from html import unescape

import pytest

from app.platform import clock
from tests.api.mailbox import newest_to, send
from tests.api.service import Reply, Service, Start

JSON = {"Accept": "application/json"}
HTML = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.fixture(scope="module")
def production(start: Start) -> Service:
    return start(FLASK_ENV="production", BCRYPT_COST="12", PUBLIC_URL="http://localhost:5000")


def look(service: Service, headers: Mapping[str, str] = HTML, peer: str = "127.0.0.1", method: str = "GET") -> Reply:
    return service.send(method, "/dev/mail", headers=headers, environ={"REMOTE_ADDR": peer})


def test_it_shows_what_was_mailed_the_newest_first(service: Service) -> None:
    ann, eve = service.register(), service.register()
    for account in (ann, eve):
        service.post("/auth/password/forgot", {"email": account.email})
        send(service)
    reply = look(service)
    assert (reply.status_code, reply.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert reply.text.index(f"To {eve.email}") < reply.text.index(f"To {ann.email}")
    assert reply.text.count("<article") == len(service.sent_mails())


def test_the_text_is_shown_with_links_to_open(service: Service) -> None:
    mail = newest_to(service, service.register().email)
    link = f"http://localhost:5000/verify-email#token={mail.token}"
    page = look(service).text
    assert f'<a href="{link}">{link}</a>' in page
    assert mail.code in page
    assert "This\nwas not me" in unescape(page) or "This was not me" in unescape(page)


def test_a_client_that_accepts_json_gets_the_mails_as_data(service: Service) -> None:
    ann = service.register()
    mail = newest_to(service, ann.email)
    reply = look(service, JSON)
    assert reply.status_code == 200
    assert reply.json.keys() == {"status", "data"}
    first = reply.json["data"]["mails"][0]
    assert first.keys() == {"to", "subject", "text", "html", "sent_at"}
    assert (first["to"], first["subject"], first["text"], first["html"]) == (
        ann.email,
        mail.subject,
        mail.text,
        mail.html,
    )
    newest = service.sent_mails()[0]
    assert first["sent_at"].endswith("Z")
    assert timedelta(0) <= clock.now() - newest.sent_at < timedelta(days=1)
    assert first["sent_at"].startswith(f"{newest.sent_at:%Y-%m-%dT%H:%M:%S}")


def test_before_anything_was_mailed_it_is_empty(start: Start) -> None:
    service = start()
    assert "No mail has been sent yet." in look(service).text
    assert look(service, JSON).json["data"] == {"mails": []}


def test_what_was_mailed_cannot_write_into_the_page(service: Service) -> None:
    ann = service.register()
    service.post("/auth/email/verify", {"token": newest_to(service, ann.email).token})
    evil = {"User-Agent": "<script>alert(1)</script>"}
    body = {"current_password": ann.password, "new_password": "another good long password"}
    assert service.post("/auth/password", body, token=ann.token, headers=evil).status_code == 200
    send(service)
    page = look(service)
    assert "<script>" not in page.text
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    assert page.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("host", ["localhost", "localhost:5000", "127.0.0.1:5000", "[::1]:5000", "[::1]"])
def test_local_clients_see_it(service: Service, peer: str, host: str) -> None:
    for kind in (HTML, JSON):
        assert look(service, {**kind, "Host": host}, peer).status_code == 200


@pytest.mark.parametrize(
    "peer", ["192.0.2.1", "10.0.0.1", "172.17.0.1", "2001:db8::1", "::ffff:10.0.0.1", "::", "", "x"]
)
@pytest.mark.parametrize("kind", [HTML, JSON])
def test_another_peer_gets_the_answer_of_an_unknown_path(service: Service, peer: str, kind: dict[str, str]) -> None:
    is_refused(service, kind, peer)


@pytest.mark.parametrize(
    "header",
    [
        {"X-Forwarded-For": "127.0.0.1"},
        {"X-Forwarded-For": ""},
        {"X-Forwarded-Host": "localhost"},
        {"X-Forwarded-Proto": "http"},
        {"X-Forwarded-Port": "5000"},
        {"X-Forwarded": "for=127.0.0.1"},
        {"Forwarded": "for=127.0.0.1"},
        {"X-Real-IP": "127.0.0.1"},
        {"Via": "1.1 proxy"},
    ],
    ids=str,
)
def test_a_client_behind_a_proxy_gets_the_answer_of_an_unknown_path(service: Service, header: dict[str, str]) -> None:
    for kind in (HTML, JSON):
        is_refused(service, kind | header)


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "192.0.2.1:5000", "127.0.0.1.evil.example"])
def test_a_page_whose_own_name_leads_to_this_machine_cannot_read_it(service: Service, host: str) -> None:
    is_refused(service, HTML | {"Host": host})
    is_refused(service, JSON | {"Host": host})


def test_a_trusted_proxy_does_not_change_that(start: Start) -> None:
    service = start(TRUSTED_PROXIES="127.0.0.0/8")
    is_refused(service, JSON | {"X-Forwarded-For": "127.0.0.1"})


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
def test_production_has_no_such_route(production: Service, method: str) -> None:
    for kind, mimetype in ((HTML, "text/html"), (JSON, "application/json")):
        here, nowhere = look(production, kind, method=method), production.send(method, "/nope", headers=kind)
        assert (here.status_code, here.mimetype) == (nowhere.status_code, nowhere.mimetype) == (404, mimetype)
        assert _without_id(here) == _without_id(nowhere)
    rules = {rule.rule for rule in production.app.url_map.iter_rules()}
    assert "/dev/mail" not in rules
    assert "/verify-email" in rules


def test_looking_changes_nothing_and_mails_nothing(service: Service) -> None:
    service.register()
    before = look(service, JSON).json
    for method in ("GET", "HEAD"):
        for _ in range(3):
            assert look(service, method=method).status_code == 200
    assert look(service, JSON).json == before


def test_the_first_page_leads_there_in_development_only(start: Start, production: Service) -> None:
    assert "/dev/mail" not in production.get("/").text
    assert 'href="./dev/mail"' in start(FLASK_ENV="development").get("/").text


def is_refused(service: Service, headers: Mapping[str, str], peer: str = "127.0.0.1") -> None:
    """The reply is the one of a path that does not exist."""
    here = look(service, headers, peer)
    nowhere = service.send("GET", "/dev/nothing", headers=headers, environ={"REMOTE_ADDR": peer})
    assert here.status_code == nowhere.status_code == 404
    assert _without_id(here) == _without_id(nowhere)
    assert {name for name, _ in here.headers} == {name for name, _ in nowhere.headers}


def _without_id(reply: Reply) -> str:
    return reply.text.replace(reply.headers["X-Request-ID"], "")
