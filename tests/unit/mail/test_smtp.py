"""Mail over SMTP, to real servers: how it travels, how it arrives, and how failures are distinguished."""

from __future__ import annotations

import re
import traceback
from email.headerregistry import Address
from typing import TYPE_CHECKING, get_args
from urllib.parse import quote

import pytest

from app.mail.mail import Mail, MailFailedError, MailRefusedError
from app.mail.smtp import SmtpMailer
from tests.servers.process import free_port
from tests.servers.smtp import Phase, silent_server, slow_server, smtp_server

if TYPE_CHECKING:
    from tests.servers.smtp import Certificate, SmtpServer

SENDER = Address("Ünder & Co", "no-reply", "auth.example.com")
MAIL = Mail(
    "01993c1e-0000-7000-8000-000000000001", "ada@example.org", "Set a new password", "Grüße\n", "<p>Grüße</p>\n"
)
LOGIN = ("mailer", "p@ss/w#rd: 100%")
SECRETS = quote(LOGIN[0], safe="") + ":" + quote(LOGIN[1], safe="")


def plain(server: SmtpServer) -> SmtpMailer:
    return SmtpMailer(f"smtp://127.0.0.1:{server.port}?tls=off", SENDER)


def mail(**changes: str) -> Mail:
    fields = {"id": MAIL.id, "to": MAIL.to, "subject": MAIL.subject, "text": MAIL.text, "html": MAIL.html}
    return Mail(**(fields | changes))


@pytest.mark.parametrize(("scheme", "tls"), [("smtp", "starttls"), ("smtps", "tls")])
def test_mail_travels_under_tls_with_user_and_password(scheme: str, tls: str, certificate: Certificate) -> None:
    with smtp_server(tls=tls, certificate=certificate, login=LOGIN) as server:  # type: ignore[arg-type]  # of the list
        SmtpMailer(f"{scheme}://{SECRETS}@localhost:{server.port}?ca={certificate.ca}", SENDER).send(MAIL)
        [received] = server.received
    assert received.encrypted
    assert (received.login, server.logins) == (LOGIN[0], [LOGIN])
    assert (received.sender, received.recipients) == ("no-reply@auth.example.com", ["ada@example.org"])


def test_a_relay_in_the_same_network_can_be_used_without_tls(relay: SmtpServer) -> None:
    plain(relay).send(MAIL)
    [received] = relay.received
    assert (received.encrypted, received.login) == (False, None)


def test_a_message_holds_text_and_html_and_says_who_it_is_from(relay: SmtpServer) -> None:
    plain(relay).send(MAIL)
    [received] = relay.received
    message = received.message
    assert message["From"].addresses == (SENDER,)
    assert (message["To"], message["Subject"]) == (MAIL.to, MAIL.subject)
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Message-ID"] == f"<{MAIL.id}@auth.example.com>"
    assert message["Date"].datetime.tzinfo is not None
    assert message.get_content_type() == "multipart/alternative"
    parts = [(part.get_content_type(), part.get_content()) for part in message.iter_parts()]
    assert parts == [("text/plain", MAIL.text), ("text/html", MAIL.html)]
    assert received.content.isascii()
    assert received.name == "auth.example.com"


def test_a_mail_that_is_sent_again_has_the_same_message_id(relay: SmtpServer) -> None:
    for _ in range(2):
        plain(relay).send(MAIL)
    assert len({received.message["Message-ID"] for received in relay.received}) == 1


@pytest.mark.parametrize("domain", ["localhost", "[127.0.0.1]", "[IPv6:::1]"])
def test_a_service_without_a_domain_has_a_sender_all_the_same(domain: str, relay: SmtpServer) -> None:
    sender = Address("Latchkey", "no-reply", domain)
    SmtpMailer(f"smtp://127.0.0.1:{relay.port}?tls=off", sender).send(MAIL)
    [received] = relay.received
    assert (received.sender, received.name) == (f"no-reply@{domain}", domain)
    assert received.message["From"].addresses == (sender,)


def test_an_international_domain_is_written_in_its_ascii_form(relay: SmtpServer) -> None:
    plain(relay).send(mail(to="ada@bücher.example.org"))
    [received] = relay.received
    assert received.recipients == [received.message["To"]] == ["ada@xn--bcher-kva.example.org"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"subject": "Hello\r\nBcc: eve@example.org"},
        {"subject": "Hello\nBcc: eve@example.org"},
        {"to": "ada@example.org\r\nBcc: eve@example.org"},
        {"to": "ada@example.org, eve@example.org"},
        {"to": "ada@example.org>\r\nRCPT TO:<eve@example.org"},
        {"to": "nobody"},
        {"id": "1>\r\nBcc: eve@example.org"},
    ],
)
def test_nothing_gets_into_the_headers_or_the_envelope(wrong: dict[str, str], relay: SmtpServer) -> None:
    with pytest.raises(MailRefusedError):
        plain(relay).send(mail(**wrong))
    assert relay.received == []


def test_a_line_that_is_a_dot_does_not_end_the_mail(relay: SmtpServer) -> None:
    text = "before\n.\nMAIL FROM:<eve@example.org>\n"
    plain(relay).send(mail(text=text))
    [received] = relay.received
    body = received.message.get_body(("plain",))
    assert body is not None
    assert body.get_content().splitlines() == text.splitlines()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_a_certificate_of_an_unknown_authority_gets_neither_mail_nor_password(
    tls: str, host: str, certificate: Certificate
) -> None:
    scheme = "smtps" if tls == "tls" else "smtp"
    with smtp_server(tls=tls, certificate=certificate, login=LOGIN) as server:  # type: ignore[arg-type]  # of the list
        mailer = SmtpMailer(f"{scheme}://{SECRETS}@{host}:{server.port}", SENDER)
        with pytest.raises(MailFailedError, match="certificate verify failed"):
            mailer.send(MAIL)
        assert (server.received, server.logins) == ([], [])


def test_a_certificate_for_another_host_gets_nothing(certificate: Certificate) -> None:
    with smtp_server(tls="tls", certificate=certificate) as server:
        mailer = SmtpMailer(f"smtps://127.0.0.2:{server.port}?ca={certificate.ca}", SENDER)
        with pytest.raises(MailFailedError):
            mailer.send(MAIL)
        assert server.received == []


def test_a_server_that_offers_no_starttls_gets_neither_mail_nor_password() -> None:
    with smtp_server(login=LOGIN) as server:
        mailer = SmtpMailer(f"smtp://{SECRETS}@127.0.0.1:{server.port}", SENDER)
        with pytest.raises(MailFailedError, match="STARTTLS"):
            mailer.send(MAIL)
        assert (server.received, server.logins) == ([], [])


@pytest.mark.parametrize(
    ("phase", "answer", "error"),
    [
        ("recipient", "550 5.1.1 No such user", MailRefusedError),
        ("recipient", "451 4.3.0 Come back later", MailFailedError),
        ("recipient", "530 5.7.0 Authentication required", MailFailedError),
        ("data", "554 5.6.0 Message refused", MailRefusedError),
        ("data", "451 4.3.0 Greylisted", MailFailedError),
        ("sender", "550 5.7.1 Who are you", MailFailedError),
        ("sender", "", MailFailedError),
        ("data", "", MailFailedError),
    ],
)
def test_only_a_permanent_answer_to_recipient_or_message_is_final(
    phase: Phase, answer: str, error: type[Exception], relay: SmtpServer
) -> None:
    relay.answers[phase] = answer
    with pytest.raises(error, match=answer[4:] or str(relay.port)):
        plain(relay).send(MAIL)
    assert relay.received == []


def test_a_mail_that_the_server_took_is_sent_whatever_comes_after(relay: SmtpServer) -> None:
    relay.answers["quit"] = ""
    plain(relay).send(MAIL)
    assert len(relay.received) == 1


def test_a_server_that_is_away_is_a_failure_that_names_it() -> None:
    port = free_port()
    with pytest.raises(MailFailedError, match=f"127.0.0.1:{port}"):
        SmtpMailer(f"smtp://127.0.0.1:{port}", SENDER).send(MAIL)


@pytest.mark.parametrize("url", ["smtp://127.0.0.1:{}?tls=off", "smtps://127.0.0.1:{}"])
def test_a_server_that_says_nothing_is_given_up(url: str) -> None:
    with silent_server() as port, pytest.raises(MailFailedError, match="timed out"):
        SmtpMailer(url.format(port), SENDER, timeout=0.2).send(MAIL)


@pytest.mark.parametrize("url", ["smtp://127.0.0.1:{}?tls=off", "smtp://127.0.0.1:{}"])
def test_a_server_that_speaks_ever_so_slowly_is_cut_off(url: str) -> None:
    with slow_server() as (port, left):
        with pytest.raises(MailFailedError):
            SmtpMailer(url.format(port), SENDER, timeout=60, deadline=0.3).send(MAIL)
        assert left.wait(30)


TAKEN = ("220 ready", "250 hello", "250 sender", "250 recipient", "354 go on", "250 taken")


def test_a_server_that_takes_the_mail_ever_so_slowly_is_cut_off() -> None:
    with slow_server(*TAKEN[:-1]) as (port, left):
        with pytest.raises(MailFailedError, match="timed out"):
            SmtpMailer(f"smtp://127.0.0.1:{port}?tls=off", SENDER, timeout=60, deadline=0.3).send(MAIL)
        assert left.wait(30)


def test_a_mail_that_was_taken_is_sent_however_slowly_the_server_says_goodbye() -> None:
    with slow_server(*TAKEN) as (port, left):
        SmtpMailer(f"smtp://127.0.0.1:{port}?tls=off", SENDER, timeout=60, deadline=2).send(MAIL)
        assert left.wait(30)


def test_a_check_logs_in_and_sends_nothing(certificate: Certificate) -> None:
    with smtp_server(tls="starttls", certificate=certificate, login=LOGIN) as server:
        SmtpMailer(f"smtp://{SECRETS}@localhost:{server.port}?ca={certificate.ca}", SENDER).check()
        assert (server.logins, server.received) == ([LOGIN], [])
        server.answers["sender"] = "550 no"
        with pytest.raises(MailFailedError, match="550 no"):
            SmtpMailer(f"smtp://{SECRETS}@localhost:{server.port}?ca={certificate.ca}", SENDER).check()


def test_a_wrong_password_is_reported_without_showing_it(certificate: Certificate) -> None:
    with smtp_server(tls="starttls", certificate=certificate, login=("mailer", "another")) as server:
        mailer = SmtpMailer(f"smtp://{SECRETS}@localhost:{server.port}?ca={certificate.ca}", SENDER)
        with pytest.raises(MailFailedError, match="refused user and password") as caught:
            mailer.send(MAIL)
        assert server.received == []
    assert_no_secret("".join(traceback.format_exception(caught.value)), repr(mailer), str(vars(mailer)))


@pytest.mark.parametrize("phase", [phase for phase in get_args(Phase) if phase != "quit"])
def test_secrets_and_recipient_in_a_servers_reply_are_hidden(phase: Phase, certificate: Certificate) -> None:
    with smtp_server(tls="tls", certificate=certificate, login=LOGIN) as server:
        server.answers[phase] = f"550 {LOGIN[0].upper()} {LOGIN[1]} <ADA@example.org> refused"
        mailer = SmtpMailer(f"smtps://{SECRETS}@localhost:{server.port}?ca={certificate.ca}", SENDER)
        with pytest.raises((MailRefusedError, MailFailedError), match=r"550 \*\*\* \*\*\* <\*\*\*> refused") as caught:
            mailer.send(MAIL)
    assert_no_secret("".join(traceback.format_exception(caught.value)))


def assert_no_secret(*texts: str) -> None:
    for text in texts:
        assert not re.search(r"p@ss|p%40ss|mailer:|ada@example", text, re.IGNORECASE)
