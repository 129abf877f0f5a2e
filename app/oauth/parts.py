"""What controllers ask the container for. The class behind it imports Authlib: with `OAUTH=off` nothing loads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from app.oauth.clients.model import Client
    from app.platform.devices import Device
    from app.security.dpop import SentProof
    from app.web.parameters import Parameters
    from app.web.result import File


class ClientEndpoints(Protocol):
    """The endpoints at which clients authenticate themselves (`app.oauth.server.OAuthServer`)."""

    @property
    def grant_types(self) -> tuple[str, ...]:
        """What can be exchanged for tokens here."""

    def answer(self, parameters: Parameters, authorization: str, device: Device, proof: SentProof) -> File:
        """The reply to a token request; `authorization` is its header, "" if it has none. Raises Unavailable."""

    def answer_at(self, name: str, parameters: Parameters, authorization: str, device: Device) -> File:
        """The reply of a further endpoint, `revocation` or `introspection`. Raises Unavailable."""

    def client_of(self, parameters: Parameters, authorization: str, device: Device) -> Client:
        """The client that has authenticated itself. Raises RefusedError, with `invalid_client` for any other."""

    def proven_by(
        self, parameters: Parameters, authorization: str, device: Device, proof: SentProof
    ) -> tuple[Client, str | None]:
        """The same, and the thumbprint of the key that it has proven; None if it sends no proof. Raises RefusedError,
        with `invalid_dpop_proof` for one that is not valid."""

    def refused(self, error: str, description: str, *, basic: bool = False) -> File:
        """The reply of RFC 6749 section 5.2; 401 for `invalid_client`, with a challenge if the client used `basic`."""
