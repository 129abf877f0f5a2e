"""The settings about mail: what they become, what is refused, and that no refusal shows a password."""

from __future__ import annotations

import os
import subprocess
import sys
from email.headerregistry import Address
from pathlib import Path

import pytest

from app.config import ConfigurationError, load
from app.config.mail_values import SmtpServer, domain_of, hex_color, mail_address, product_name, smtp_server

ROOT = Path(__file__).parents[3]
DEVELOPMENT = {"FLASK_ENV": "development"}
PLANTED = "pl4nted"


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example.com", SmtpServer("mail.example.com", 587, "starttls")),
        ("smtp://mail.example.com:2525/", SmtpServer("mail.example.com", 2525, "starttls")),
        ("smtps://mail.example.com", SmtpServer("mail.example.com", 465, "tls")),
        ("smtp://relay?tls=off", SmtpServer("relay", 25, "off")),
        ("smtp://relay:1025?tls=off", SmtpServer("relay", 1025, "off")),
        ("smtp://[2001:db8::25]:2525", SmtpServer("2001:db8::25", 2525, "starttls")),
        ("smtp://u:p@127.0.0.1?tls=off", SmtpServer("127.0.0.1", 25, "off", "u", "p")),
        ("smtps://a%40b.example:p%2F%23%3F%25%20@m", SmtpServer("m", 465, "tls", "a@b.example", "p/#?% ")),
    ],
)
def test_a_url_names_server_port_security_and_login(url: str, server: SmtpServer) -> None:
    assert smtp_server(url) == server


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mail.example.com:587", "has to start with smtp:// or smtps:// and a host"),
        (f"http://user:{PLANTED}@mail.example.com", "has to start with smtp:// or smtps:// and a host"),
        (f"smtp://user:{PLANTED}@", "has to start with smtp:// or smtps:// and a host"),
        (f"smtp://user:{PLANTED}@mail example.com", "has to come without spaces"),
        (f"smtp://user:{PLANTED}@mail.example.com\r\nQUIT", "has to come without spaces and control characters"),
        (f"smtp://user:{PLANTED}@mail.example.com:smtp", "has to name a port"),
        (f"smtp://user:{PLANTED}@mail.example.com:70000", "has to name a port"),
        (f"smtp://user:{PLANTED}@mail.example.com/inbox", "has to come without path and fragment"),
        (f"smtp://us@er:{PLANTED}@mail.example.com", "has to percent-encode special characters"),
        (f"smtp://user:{PLANTED}#1@mail.example.com", "has to"),
        (f"smtp://user:{PLANTED}/1@mail.example.com", "has to percent-encode special characters"),
        (f"smtp://{PLANTED}@mail.example.com", "has to hold both user and password, or neither"),
        (f"smtp://:{PLANTED}@mail.example.com", "has to hold both user and password, or neither"),
        (f"smtp://user:{PLANTED}%0D%0A@mail.example.com", "has to hold a user and a password of ASCII characters"),
        (f"smtp://user:{PLANTED}%C3%A9@mail.example.com", "has to hold a user and a password of ASCII characters"),
        (f"smtp://user:{PLANTED}@mail.example.com?tls=off", "would send the password in clear"),
        (f"smtp://user:{PLANTED}@mail.example.com?tls=maybe", "takes ?ca=FILE, or ?tls=off"),
        (f"smtp://user:{PLANTED}@mail.example.com?verify=no", "takes ?ca=FILE, or ?tls=off"),
        (f"smtps://user:{PLANTED}@mail.example.com?tls=off", "takes ?ca=FILE, or ?tls=off"),
        (f"smtps://user:{PLANTED}@mail.example.com?ca=/{PLANTED}/ca.pem", "names a file in ca= that cannot be read"),
    ],
)
def test_a_wrong_url_is_one_line_that_does_not_show_it(url: str, reason: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(DEVELOPMENT | {"SMTP_URL": url}, None)
    [line] = caught.value.problems
    assert line.startswith(f"SMTP_URL: {reason}")
    assert line.endswith("for example SMTP_URL=smtp://user:password@smtp.example.com:587")
    assert PLANTED not in line


def test_a_file_without_a_certificate_is_refused_as_authority(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(ConfigurationError, match="holds no certificate"):
        load(DEVELOPMENT | {"SMTP_URL": f"smtps://mail.example.com?ca={tmp_path}/ca.pem"}, None)


def test_the_service_does_not_start_with_a_wrong_url_and_says_so_in_one_line(tmp_path: Path) -> None:
    settings = DEVELOPMENT | {"SMTP_URL": f"smtp://user:{PLANTED}@mail.example.com:smtp", "PORT": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "gunicorn", "--chdir", str(ROOT), "--config", str(ROOT / "gunicorn.conf.py")],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **settings},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert [line for line in said.splitlines() if "SMTP_URL" in line and "has to name a port" in line], said
    assert PLANTED not in said
    assert "Traceback" not in said


def test_the_url_can_be_in_a_file_and_is_never_shown(tmp_path: Path) -> None:
    (tmp_path / "smtp").write_text(f"smtps://user:{PLANTED}@mail.example.com\n")
    settings = load(DEVELOPMENT | {"SMTP_URL_FILE": str(tmp_path / "smtp")}, None)
    assert settings.mail.smtp_url is not None
    assert smtp_server(settings.mail.smtp_url.get_secret_value()).password == PLANTED
    for shown in (repr(settings), str(settings.model_dump()), settings.model_dump_json()):
        assert PLANTED not in shown
    assert PLANTED not in repr(smtp_server(settings.mail.smtp_url.get_secret_value()))


def test_nothing_has_to_be_set() -> None:
    mail = load(DEVELOPMENT, None).mail
    assert mail.smtp_url is None
    assert (mail.mail_from, mail.product_name, mail.product_color) == ("no-reply@localhost", "Latchkey", "#0a5bd3")
    assert mail.folder == Path("instance/mail")


@pytest.mark.parametrize(
    ("public_url", "domain"),
    [
        ("https://auth.example.com:8443/team", "auth.example.com"),
        ("http://localhost:5000", "localhost"),
        ("http://192.0.2.7:5000", "[192.0.2.7]"),
        ("http://[2001:db8::7]", "[IPv6:2001:db8::7]"),
    ],
)
def test_mail_comes_from_the_host_of_the_public_url(public_url: str, domain: str) -> None:
    assert domain_of(public_url) == domain
    mail = load(DEVELOPMENT | {"PUBLIC_URL": public_url, "PRODUCT_NAME": "Ünder & Co"}, None).mail
    assert mail.sender == Address("Ünder & Co", "no-reply", domain)


@pytest.mark.parametrize("text", ["accounts@example.com", "no-reply+x@mail", "no-reply@[192.0.2.7]"])
def test_a_sender_is_only_an_address(text: str) -> None:
    assert mail_address(text) == text


@pytest.mark.parametrize(
    "text",
    ["nobody", "a@b@c", "Example <a@b.example>", "a@b.example, c@d.example", "a@b.example\r\nBcc: c@d", "@b", "a@", ""],
)
def test_anything_but_an_address_is_refused_as_sender(text: str) -> None:
    with pytest.raises(ValueError, match="has to be only an e-mail address"):
        mail_address(text)


@pytest.mark.parametrize("text", ["", "   ", "x" * 61, "Example\r\nBcc: a@b.example", "Example\x00", "Ex\u202eample"])
def test_a_product_name_is_short_and_printable(text: str) -> None:
    with pytest.raises(ValueError, match="has to be 1 to 60 characters, without control characters"):
        product_name(text)
    assert product_name(f" {'ü' * 60} ") == "ü" * 60


@pytest.mark.parametrize(("text", "color"), [("#0A5BD3", "#0a5bd3"), ("#fd0", "#ffdd00"), ("0a5bd3", "#0a5bd3")])
def test_a_colour_becomes_six_digits(text: str, color: str) -> None:
    assert hex_color(text) == color


@pytest.mark.parametrize("text", ["blue", "#12345", "#0a5bd3;}", "#0a5bd3\n", "rgb(0,0,0)", "", "#"])
def test_anything_but_a_colour_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="has to be a colour"):
        hex_color(text)
