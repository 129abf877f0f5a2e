"""A site with the document that describes a client, over https, at an address of loopback of its own."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from app.oauth.clients.model import Client
from tests.api.oauth_flow import CALLBACK, OAuthClient
from tests.servers.replying import ReplyingServer, certificate

if TYPE_CHECKING:
    import socket
    from pathlib import Path

    from tests.api.service import Service


@dataclass
class Site:
    """Gives each request the same reply, which a test changes; `body`, if there is one, in place of `document`."""

    folder: Path
    document: dict[str, Any] = field(default_factory=dict)
    body: bytes | None = None
    status: str = "200 OK"
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})

    def __post_init__(self) -> None:
        # Of its own, since the fetches of a host are counted.
        host = f"127.{secrets.randbelow(254) + 1}.{secrets.randbelow(254) + 1}.{secrets.randbelow(254) + 1}"
        context, self.certificate = certificate(self.folder, host)
        self.server = ReplyingServer(self._reply, context, host=host)
        self.url = f"{self.server.url}/oauth/client.json"
        self.document = {"client_id": self.url, "client_name": "The editor", "redirect_uris": [CALLBACK]}

    @property
    def host(self) -> str:
        return self.server.url.removeprefix("https://")

    @property
    def fetches(self) -> int:
        return len(self.server.requests)

    def client(self, service: Service, url: str | None = None) -> OAuthClient:
        """The client that the document describes."""
        uris = tuple(self.document["redirect_uris"])
        client = Client(
            id=url or self.url, name="The editor", kind="metadata", created_at=service.clock(), redirect_uris=uris
        )
        return OAuthClient(service, client)

    def _reply(self, connection: socket.socket) -> None:
        body = json.dumps(self.document).encode() if self.body is None else self.body
        head = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        connection.sendall(f"HTTP/1.1 {self.status}\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
