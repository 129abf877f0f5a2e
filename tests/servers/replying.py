"""A server that answers each request with the bytes that a test says; and certificates for it."""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Reply = Callable[[socket.socket], None]

PATIENCE = 60
"""Seconds: no test waits for it, a busy machine may need some."""


class ReplyingServer:
    """A server that answers each connection with `reply`, and keeps the requests; `host` is an address."""

    def __init__(
        self, reply: Reply, tls: ssl.SSLContext | None = None, *, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self.requests: list[bytes] = []
        self.names: list[str | None] = []
        """The names that clients asked for in TLS (SNI)."""
        self._reply = reply
        self._tls = tls
        if tls is not None:
            tls.sni_callback = lambda _socket, name, _context: self.names.append(name)
        self._listening = socket.create_server((host, port))
        self._executor = ThreadPoolExecutor(2)
        self._serving = self._executor.submit(self._serve)
        self.host = host
        self.port: int = self._listening.getsockname()[1]

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://{self.host}:{self.port}"

    def close(self) -> None:
        """Wait for the connections to end, and raise what went wrong in the server."""
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._serving.result(PATIENCE)
        self._listening.close()
        self._executor.shutdown()

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._listening.accept()
            except OSError:
                return
            # A client may go at any time: it does so at its deadline, and at a certificate it does not trust.
            with plain, suppress(OSError):
                if self._tls is None:
                    self._answer(plain)
                else:
                    with self._tls.wrap_socket(plain, server_side=True) as wrapped:
                        self._answer(wrapped)

    def _answer(self, connection: socket.socket) -> None:
        request = b""
        # A TLS handshake, which begins with 0x16, may come where none is expected.
        while not _is_whole(request) and not request.startswith(b"\x16") and (piece := connection.recv(65536)):
            request += piece
        self.requests.append(request)
        self._reply(connection)


def _is_whole(request: bytes) -> bool:
    head, end, body = request.partition(b"\r\n\r\n")
    length = re.search(rb"(?im)^content-length: *([0-9]+)", head)
    return bool(end) and len(body) >= int(length[1] if length else 0)


def certificate(folder: Path, *names: str) -> tuple[ssl.SSLContext, Path]:
    """A certificate for host names and addresses: what a server needs to show it, and the file to trust it by."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a server of the tests")])
    now, public = datetime.now(UTC), key.public_key()
    builder = x509.CertificateBuilder(name, name, public, x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    usage = {"digital_signature": True, "key_cert_sign": True, "crl_sign": True}
    unused = ["content_commitment", "key_encipherment", "data_encipherment", "key_agreement"]
    unused += ["encipher_only", "decipher_only"]
    for extension, critical in (
        (x509.SubjectAlternativeName([_general(each) for each in names]), False),
        (x509.BasicConstraints(ca=True, path_length=None), True),
        (x509.KeyUsage(**usage, **dict.fromkeys(unused, False)), True),
        (x509.SubjectKeyIdentifier.from_public_key(public), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(public), False),
    ):
        builder = builder.add_extension(extension, critical)
    shown, private = folder / "server.crt", folder / "server.key"
    shown.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown, private)
    return context, shown


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def sending(reply: bytes) -> Reply:
    """Sends these bytes unchanged and closes the connection."""
    return lambda connection: connection.sendall(reply)


def dripping(beginning: bytes, drop: bytes) -> Reply:
    """Sends the beginning, and then drops until the client ends the connection: never, if it waits for the end."""

    def drip(connection: socket.socket) -> None:
        connection.sendall(beginning)
        while not Event().wait(0.02):
            connection.sendall(drop)

    return drip


def waiting(connection: socket.socket) -> None:
    """Says nothing until the client ends the connection."""
    while connection.recv(1):
        pass
