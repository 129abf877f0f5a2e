"""Keeps notes at an MCP server: each line that is typed is one. The package `mcp` does all of the login."""

import asyncio
import os
import sys
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pydantic import AnyUrl

SERVER = os.environ.get("MCP_URL", "http://localhost:8000/mcp")
PORT = int(os.environ.get("CALLBACK_PORT", "8400"))
REDIRECT_URI = f"http://127.0.0.1:{PORT}/callback"
CLIENT_ID = os.environ.get("CLIENT_ID")
"""Of a client that `flask clients create --kind public` made."""
CLIENT_METADATA_URL = os.environ.get("CLIENT_METADATA_URL")
"""Of a client that is described by a document at this address (CIMD_ALLOW)."""
REGISTRATION_TOKEN = os.environ.get("REGISTRATION_TOKEN")
"""Of `POST /admin/registration-tokens`: with it the client registers itself."""


class Memory:
    """Keeps tokens and the client for as long as this program runs; yours may keep them in the system's key ring."""

    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None
        self.client: OAuthClientInformationFull | None = None
        if CLIENT_ID:
            self.client = OAuthClientInformationFull(client_id=CLIENT_ID)

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class Callback:
    """Waits on loopback for the browser to come back."""

    async def begin(self, url: str) -> None:
        self.came: asyncio.Future[dict[str, list[str]]] = asyncio.get_running_loop().create_future()
        self.listening = await asyncio.start_server(self._reply, "127.0.0.1", PORT)
        print(f"Open {url}", flush=True)

    async def result(self) -> AuthorizationCodeResult:
        brought = {name: values[0] for name, values in (await self.came).items()}
        self.listening.close()
        if "code" not in brought:
            raise SystemExit(f"Refused: {brought.get('error')}: {brought.get('error_description')}")
        return AuthorizationCodeResult(code=brought["code"], state=brought.get("state"), iss=brought.get("iss"))

    async def _reply(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = urlsplit((await reader.readline()).decode().split(" ")[1])
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\nBack to the terminal.\n")
        await writer.drain()
        writer.close()
        if path.path == "/callback" and not self.came.done():
            self.came.set_result(parse_qs(path.query))


async def main() -> None:
    callback = Callback()
    login = OAuthClientProvider(
        server_url=SERVER,
        client_metadata=OAuthClientMetadata(
            client_name="Notes at the terminal",
            redirect_uris=[AnyUrl(REDIRECT_URI)],
            token_endpoint_auth_method="none",  # noqa: S106 - it has no secret
        ),
        storage=Memory(),
        redirect_handler=callback.begin,
        callback_handler=callback.result,
        client_metadata_url=CLIENT_METADATA_URL,
    )
    http = create_mcp_http_client(auth=login)

    async def with_initial_token(request: httpx2.Request) -> None:
        if REGISTRATION_TOKEN and request.url.path.endswith("/register"):
            request.headers["Authorization"] = f"Bearer {REGISTRATION_TOKEN}"

    http.event_hooks["request"].append(with_initial_token)
    async with http, Client(streamable_http_client(SERVER, http_client=http)) as client:
        while line := (await asyncio.to_thread(sys.stdin.readline)).strip():
            result = await client.call_tool("add_note", {"text": line})
            print(", ".join(part.text for part in result.content), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
