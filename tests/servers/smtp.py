"""A real SMTP server (aiosmtpd) in a thread, which keeps what it gets; servers that stall; certificates."""

from __future__ import annotations

import socket
import ssl
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from ipaddress import ip_address
from threading import Condition, Event, Thread
from typing import TYPE_CHECKING, Any, Literal

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.servers.process import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CUT = "421 This is not heard any more"
Phase = Literal["sender", "recipient", "data", "quit"]


@dataclass(frozen=True)
class Received:
    """A mail as the server got it: from the envelope, the session, and the message."""

    sender: str
    recipients: list[str]
    encrypted: bool
    login: str | None
    name: str
    """What the client calls itself."""
    content: bytes
    message: EmailMessage


@dataclass
class SmtpServer:
    """A running server. What `answers` holds for a phase is said instead of the usual; "" cuts the connection."""

    port: int
    answers: dict[Phase, str] = field(default_factory=dict)
    received: list[Received] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)
    """User and password of each attempt."""
    _changed: Condition = field(default_factory=Condition, repr=False)

    def wait_for(self, count: int, seconds: float = 30) -> list[Received]:
        """What was received, once there are `count` mails; AssertionError when they do not come."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.received) >= count, seconds), self.received
            return list(self.received)

    def keep(self, received: Received) -> None:
        with self._changed:
            self.received.append(received)
            self._changed.notify_all()


@dataclass(frozen=True)
class Certificate:
    """Files in PEM: a private authority, and the certificate and key that it made for localhost and 127.0.0.1."""

    ca: Path
    chain: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """What a server speaks TLS with."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain, self.key)
        return context


@contextmanager
def smtp_server(
    *,
    tls: Literal["off", "starttls", "tls"] = "off",
    certificate: Certificate | None = None,
    login: tuple[str, str] | None = None,
) -> Iterator[SmtpServer]:
    """A server on 127.0.0.1; with `login` it takes mail from this user with this password only."""
    server = SmtpServer(free_port())
    context = certificate.context() if certificate else None

    def authenticate(_server: object, _session: object, _envelope: object, _mechanism: str, given: Any) -> AuthResult:
        assert isinstance(given, LoginPassword)
        server.logins.append((given.login.decode(), given.password.decode()))
        return AuthResult(success=server.logins[-1] == login, handled=False, auth_data=given.login.decode())

    controller = Controller(
        _Handler(server, login_required=login is not None),
        hostname="127.0.0.1",
        port=server.port,
        ssl_context=context if tls == "tls" else None,
        tls_context=context if tls == "starttls" else None,
        require_starttls=tls == "starttls",
        authenticator=authenticate,
        auth_require_tls=False,  # so that a client could give its password away
    )
    controller.start()
    try:
        yield server
    finally:
        controller.stop()


@contextmanager
def silent_server() -> Iterator[int]:
    """The port of a server that accepts connections and never sends anything."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


@contextmanager
def slow_server(*replies: str, letters: int = 2000, pause: float = 0.005) -> Iterator[tuple[int, Event]]:
    """The port of a server that gives these replies as usual, the greeting first, and the next a letter at a time.

    Also gives whether the client went away before that had ended.
    """
    left, over = Event(), Event()

    def speak(listening: socket.socket) -> None:
        with suppress(OSError):
            client, _ = listening.accept()
            with client:
                try:
                    for reply in replies:
                        client.sendall(f"{reply}\r\n".encode())
                        _hear(client, until=b"\r\n.\r\n" if reply.startswith("354") else b"\r\n")
                    for letter in "220 " + "a" * letters:
                        client.sendall(letter.encode())
                        if over.wait(pause):
                            return
                except OSError:
                    left.set()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = Thread(target=speak, args=(listening,))
        thread.start()
        try:
            yield listening.getsockname()[1], left
        finally:
            over.set()
            with suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def _hear(client: socket.socket, *, until: bytes) -> None:
    heard = b""
    while not heard.endswith(until) and (piece := client.recv(65536)):
        heard += piece


def make_certificate(folder: Path) -> Certificate:
    """A new authority, and a certificate of it."""
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Authority of the tests")])
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
    signs = x509.KeyUsage(
        digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    ca = (
        _certificate(ca_name, ca_name, ca_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(signs, critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    leaf = (
        _certificate(name, ca_name, key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(authority, critical=False)
        .add_extension(names, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    files = Certificate(folder / "ca.pem", folder / "chain.pem", folder / "key.pem")
    files.ca.write_bytes(ca.public_bytes(Encoding.PEM))
    files.chain.write_bytes(leaf.public_bytes(Encoding.PEM))
    files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


def _certificate(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


class _Handler:
    """What aiosmtpd asks; the names of the methods are its own."""

    def __init__(self, server: SmtpServer, *, login_required: bool) -> None:
        self._server = server
        self._login_required = login_required

    async def handle_MAIL(  # noqa: N802 - see above
        self, smtp: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if self._login_required and not session.authenticated:
            return "530 5.7.0 Authentication required"
        envelope.mail_from, envelope.mail_options = address, options
        return self._answer(smtp, "sender") or _CUT

    async def handle_RCPT(  # noqa: N802
        self, smtp: Any, _session: object, envelope: Any, address: str, _options: list[str]
    ) -> str:
        answer = self._answer(smtp, "recipient")
        if answer.startswith("2"):
            envelope.rcpt_tos.append(address)
        return answer or _CUT

    async def handle_DATA(self, smtp: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        answer = self._answer(smtp, "data")
        if answer.startswith("2"):
            message = message_from_bytes(envelope.content, policy=policy.default)
            assert isinstance(message, EmailMessage)
            self._server.keep(
                Received(
                    sender=envelope.mail_from,
                    recipients=list(envelope.rcpt_tos),
                    encrypted=smtp.transport.get_extra_info("ssl_object") is not None,
                    login=session.auth_data,
                    name=session.host_name,
                    content=envelope.content,
                    message=message,
                )
            )
        return answer or _CUT

    async def handle_QUIT(self, smtp: Any, _session: object, _envelope: object) -> str:  # noqa: N802
        return self._answer(smtp, "quit", "221 Bye") or _CUT

    def _answer(self, smtp: Any, phase: Phase, usual: str = "250 OK") -> str:
        answer = self._server.answers.get(phase, usual)
        if not answer:
            smtp.transport.abort()
        return answer
