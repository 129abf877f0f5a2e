"""Mail as an operator has it: gunicorn with two workers, and a real SMTP server."""

import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest

from tests.e2e.settings import PASSWORD, in_production, in_testing
from tests.servers.process import wait_until
from tests.servers.service import Service, service
from tests.servers.smtp import SmtpServer, silent_server, smtp_server

STORES = pytest.mark.parametrize("store", ["sqlite", "mongodb"], indirect=True)


@contextmanager
def mailing(
    store: dict[str, str], smtp_port: int, *, profile: Callable[..., dict[str, str]] = in_testing
) -> Iterator[tuple[Service, httpx.Client]]:
    """The service, and a client that asks it. In production, a password takes it a quarter of a second."""
    settings = profile(
        SMTP_URL=f"smtp://127.0.0.1:{smtp_port}?tls=off",
        PRODUCT_NAME="Example Accounts",
        PUBLIC_URL="http://localhost",
        **store,
    )
    headers = {"Host": "localhost"}
    with service(settings) as server, httpx.Client(base_url=server.base_url, headers=headers, timeout=30) as client:
        yield server, client


@pytest.fixture
def smtp() -> Iterator[SmtpServer]:
    with smtp_server() as server:
        yield server


def register(client: httpx.Client, email: str) -> httpx.Response:
    return client.post("/auth/register", json={"email": email, "password": PASSWORD})


@STORES
def test_a_user_registers_and_verifies_by_what_comes_with_the_mail(store: dict[str, str], smtp: SmtpServer) -> None:
    with mailing(store, smtp.port, profile=in_production) as (_, client):
        assert register(client, "ann@example.com").status_code == 201
        (mail,) = smtp.wait_for(1)
        assert mail.recipients == ["ann@example.com"]
        assert mail.sender == "no-reply@localhost"
        text = mail.message.get_body(("plain",))
        assert text is not None
        content = text.get_content()
        (token,) = re.findall(r"http://localhost/verify-email#token=(\S+)", content)
        assert client.post("/auth/email/verify", json={"token": token}).status_code == 200
        client.post("/auth/password/forgot", json={"email": "ann@example.com"})
        smtp.wait_for(2)
        client.post("/auth/password/forgot", json={"email": "nobody@example.com"})
        assert client.get("/dev/mail").status_code == 404
    assert [mail.recipients for mail in smtp.received] == [["ann@example.com"]] * 2


@STORES
def test_each_of_many_mails_is_sent_once_by_two_workers(store: dict[str, str], smtp: SmtpServer) -> None:
    addresses = [f"user{number}@example.com" for number in range(12)]
    with mailing(store, smtp.port) as (_, client):
        for address in addresses:
            assert register(client, address).status_code == 201
        received = smtp.wait_for(len(addresses))
        assert client.get("/health").status_code == 200
    assert sorted(mail.recipients[0] for mail in received) == sorted(addresses)
    assert len(smtp.received) == len(addresses)


@pytest.mark.faults("mail server away")
def test_a_stalled_mail_server_holds_up_nobody(store: dict[str, str]) -> None:
    with silent_server() as port, mailing(store, port) as (_, client):
        for number in range(6):
            assert register(client, f"user{number}@example.com").status_code == 201
            assert client.post("/auth/password/forgot", json={"email": "user0@example.com"}).status_code == 202
        assert client.get("/health/ready").status_code == 200


@pytest.mark.faults("mail server away")
def test_mail_that_could_not_leave_goes_out_when_the_server_is_back_though_the_workers_died(
    store: dict[str, str], smtp: SmtpServer
) -> None:
    smtp.answers["sender"] = "451 4.3.0 Try again later"
    addresses, last = {f"user{number}@example.com" for number in range(4)}, "last@example.com"
    with mailing(store, smtp.port) as (server, client):
        for address in addresses:
            assert register(client, address).status_code == 201
        wait_until(lambda: server.log().count('"mail failed"') >= len(addresses), 60)
        # A worker that dies with an account in hand keeps it for two minutes: so one more is taken up, and those before
        # it are done with.
        assert register(client, last).status_code == 201
        wait_until(lambda: server.log().count('"mail failed"') > len(addresses), 60)
        for pid in server.worker_pids():
            os.kill(pid, signal.SIGKILL)
        del smtp.answers["sender"]
        wait_until(lambda: addresses <= {mail.recipients[0] for mail in smtp.received}, 200)
    assert {mail.recipients[0] for mail in smtp.received} - {last} == addresses
