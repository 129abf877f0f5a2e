"""The authorization server: Authlib's core, completed, and the only place beside `grants` that knows Authlib.

No extension, token generator or `save_token` of Authlib is used: each of its hooks writes in two steps what has to be
one write, or does not know the request. What it says of an error goes through `answer`, and never holds what was sent:
Authlib refuses such a description with a ValueError.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from authlib.oauth2 import OAuth2Error, OAuth2Request
from authlib.oauth2.rfc6749 import AuthorizationServer, OAuth2Payload
from authlib.oauth2.rfc6749.errors import InvalidClientError, InvalidRequestError
from authlib.oauth2.rfc6749.util import extract_basic_authorization

from app.oauth.grant_types import may_exchange
from app.oauth.refusal import RefusedError
from app.security.dpop import ProofRefusedError
from app.web.result import File

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from authlib.oauth2.rfc6749 import BaseGrant

    from app.oauth.clients.model import Client
    from app.oauth.services import TokenServices
    from app.platform.clock import Clock
    from app.platform.devices import Device
    from app.security.dpop import SentProof
    from app.web.parameters import Parameters

WITH_SECRET: Final = ("client_secret_basic", "client_secret_post")
ANY_METHOD: Final = (*WITH_SECRET, "none")
"""How clients authenticate; `none` is for those that have no secret."""
_ANY_URI: Final = "https://localhost/"
"""Authlib demands https of the address of a request; ours was judged at the start (PUBLIC_URL)."""


@dataclass(frozen=True, slots=True)
class ClientOf:
    """A client as Authlib asks for it (`ClientMixin`)."""

    client: Client
    clock: Clock

    def get_client_id(self) -> str:
        """Its identifier."""
        return self.client.id

    def check_client_secret(self, secret: str) -> bool:
        """Whether this is one of its secrets."""
        return self.client.accepts(secret, self.clock())

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        """Whether it authenticates in this way: with its secret if it has one (RFC 6749 section 2.3)."""
        if self.client.has_secrets:
            return method in WITH_SECRET
        return method == "none" and endpoint != "introspection"

    def check_grant_type(self, grant_type: str) -> bool:
        """Whether it may exchange this."""
        return may_exchange(self.client, grant_type)


class Payload(OAuth2Payload):
    """The parameters, as Authlib reads them."""

    def __init__(self, parameters: Parameters) -> None:
        self._data = parameters.one_of_each()
        self._lists = defaultdict(list, {name: list(parameters.all(name)) for name in self._data})

    @property
    def data(self) -> dict[str, str]:
        """One value of each."""
        return self._data

    @property
    def datalist(self) -> defaultdict[str, list[str]]:
        """All values of each."""
        return self._lists


class Request(OAuth2Request):
    """A request as Authlib reads it, and the device that sent it."""

    proof: SentProof | None = None
    """The proof of a key (RFC 9449); None where none is looked at."""
    bound_to: str | None = None
    """The thumbprint of the key that the client has proven, once it has authenticated itself."""
    needs_key: bool = False
    """Whether a client that shall have bound tokens alone is refused without a proof."""

    def __init__(self, parameters: Parameters, authorization: str, device: Device) -> None:
        super().__init__("POST", _ANY_URI, headers={"Authorization": authorization} if authorization else {})
        self.payload = Payload(parameters)
        self.parameters = parameters
        self.device = device

    @property
    def args(self) -> dict[str, str]:
        """The parameters."""
        return self.payload.data

    @property
    def form(self) -> dict[str, str]:
        """The parameters."""
        return self.payload.data


class OAuthServer(AuthorizationServer):
    """Answers what clients ask for at the endpoints that are theirs; an `app.oauth.parts.ClientEndpoints`."""

    def __init__(self, services: TokenServices) -> None:
        super().__init__()
        self.services = services
        self.register_client_auth_method("none", _by_name_alone)

    @property
    def grant_types(self) -> tuple[str, ...]:
        """What can be exchanged for tokens here."""
        return tuple(grant.GRANT_TYPE for grant, _ in self._token_grants)

    def answer(self, parameters: Parameters, authorization: str, device: Device, proof: SentProof) -> File:
        """The reply to a token request."""
        request = Request(parameters, authorization, device)
        request.proof, request.needs_key = proof, True
        try:
            return cast("File", self.create_token_response(request))
        except RefusedError as refused:
            return self.refused(refused.error, refused.description, basic=bool(authorization))

    def answer_at(self, name: str, parameters: Parameters, authorization: str, device: Device) -> File:
        """The reply of a further endpoint (`register_endpoint`)."""
        try:
            return cast("File", self.create_endpoint_response(name, Request(parameters, authorization, device)))
        except RefusedError as refused:
            return self.refused(refused.error, refused.description, basic=bool(authorization))

    def client_of(self, parameters: Parameters, authorization: str, device: Device) -> Client:
        """The client that has authenticated itself. Raises RefusedError."""
        return self._client_of(Request(parameters, authorization, device))

    def proven_by(
        self, parameters: Parameters, authorization: str, device: Device, proof: SentProof
    ) -> tuple[Client, str | None]:
        """The same, and the thumbprint of the key that it has proven; None without a proof. Raises RefusedError."""
        request = Request(parameters, authorization, device)
        request.proof = proof
        return self._client_of(request), request.bound_to

    def _client_of(self, request: Request) -> Client:
        try:
            return self.authenticate_client(request, ANY_METHOD).client
        except OAuth2Error as error:
            raise RefusedError(error.error, error.get_error_description(), error.error) from None

    def refused(self, error: str, description: str, *, basic: bool = False) -> File:
        """The reply of RFC 6749 section 5.2."""
        if error == "invalid_client":
            return cast("File", self.handle_error_response(None, _invalid_client(description, basic=basic)))
        return cast("File", self.handle_error_response(None, OAuth2Error(error=error, description=description)))

    # ---- what Authlib calls

    def query_client(self, client_id: str) -> ClientOf | None:
        """The client of this identifier."""
        client = self.services.registry.find(client_id)
        return None if client is None else ClientOf(client, self.services.clock)

    def get_token_grant(self, request: Request) -> BaseGrant:
        """As Authlib's, whose error repeats the grant type that was sent."""
        if request.payload.grant_type is None:
            raise RefusedError("invalid_request", "grant_type is required.", "grant_type")
        if request.payload.grant_type not in self.grant_types:
            raise RefusedError("unsupported_grant_type", "There is no such grant_type here.", "grant_type")
        return super().get_token_grant(request)

    def authenticate_client(self, request: Request, methods: Sequence[str], endpoint: str = "token") -> ClientOf:
        """RFC 6749 sections 2.3 and 5.2 to the letter, where Authlib is lax: one method only; Basic and body name one
        client; 401 always, and with a challenge where the header was used."""
        form = request.form
        by_assertion = "client_assertion" in form or "client_assertion_type" in form
        if sum(("Authorization" in request.headers, "client_secret" in form, by_assertion)) > 1:
            raise InvalidRequestError("The client authenticates twice.")
        if by_assertion:
            client = ClientOf(self.services.assertions.authenticate(request.parameters), self.services.clock)
        else:
            client = self._by_secret_or_name(request, methods, endpoint)
        request.bound_to = self._key_of(request, client.client)
        return client

    def _by_secret_or_name(self, request: Request, methods: Sequence[str], endpoint: str) -> ClientOf:
        basic = "Authorization" in request.headers
        try:
            client: ClientOf = super().authenticate_client(request, methods, endpoint)
        except ValueError:  # Basic in letters outside ASCII
            raise _invalid_client(basic=True) from None
        except InvalidClientError:
            raise _invalid_client(basic=basic) from None
        if request.form.get("client_id", client.client.id) != client.client.id:
            raise _invalid_client(basic=basic)
        return client

    def _key_of(self, request: Request, client: Client) -> str | None:
        """The thumbprint of the key that a client has proven; its proof is used up. Raises RefusedError."""
        if request.proof is None or not request.proof.value:
            if request.needs_key and client.dpop_bound_access_tokens:
                raise RefusedError("invalid_dpop_proof", "This client has to send a proof in the header DPoP.", "dpop")
            return None
        try:
            proof = self.services.proofs.read(request.proof)
            self.services.proofs.use(proof)
        except ProofRefusedError as refused:
            raise RefusedError("invalid_dpop_proof", str(refused), "dpop") from None
        return proof.key

    def create_oauth2_request(self, request: Request) -> Request:
        """It is ours already."""
        return request

    def handle_response(self, status: int, body: object, headers: Sequence[tuple[str, str]]) -> File:
        """The reply; what it has in common with all replies is written by the web layer."""
        challenge = {name: value for name, value in headers if name == "WWW-Authenticate"}
        content = body if isinstance(body, str) else json.dumps(body)
        return File(content.encode(), "application/json", challenge, status)

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Nobody listens."""


def _by_name_alone(find: Callable[[str], ClientOf | None], request: Request) -> ClientOf | None:
    """The client that names itself, in the body or by Basic with an empty password, as golang.org/x/oauth2 and
    requests-oauthlib do for clients without a secret; None if it sends a secret, which is not to be passed over."""
    name, secret = request.form.get("client_id"), request.form.get("client_secret", "")
    if request.headers.get("Authorization", "")[:5].lower() == "basic":
        name, secret = extract_basic_authorization(request.headers)
    return find(name) if name and secret == "" else None


def _invalid_client(description: str = "The client could not be authenticated.", *, basic: bool) -> InvalidClientError:
    error = InvalidClientError(description, status_code=401)
    if not basic:  # Authlib adds the challenge to each 401
        error.get_headers = lambda: OAuth2Error.get_headers(error)
    return error
