"""What clients read about this server before anything else (RFC 8414, OpenID Connect Discovery, RFC 9728)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from app.accounts.authentication import LEVELS
from app.oauth.assertions import ALGORITHMS, METHOD
from app.oauth.id_tokens import ALWAYS
from app.oauth.parameters import PROMPTS
from app.oauth.userinfo import CLAIMS
from app.security import dpop

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.oauth.catalogue.service import Catalogue

AUTHORIZE: Final = "/oauth/authorize"
_ENDPOINTS: Final[Mapping[str, str]] = {
    "authorization_endpoint": AUTHORIZE,
    "token_endpoint": "/oauth/token",
    "userinfo_endpoint": "/oauth/userinfo",
    "revocation_endpoint": "/oauth/revoke",
    "introspection_endpoint": "/oauth/introspect",
    "device_authorization_endpoint": "/oauth/device_authorization",
    "pushed_authorization_request_endpoint": "/oauth/par",
    "end_session_endpoint": "/oauth/logout",
    "registration_endpoint": "/oauth/register",
}
AUTHENTICATED: Final = (
    "/oauth/token", "/oauth/revoke", "/oauth/introspect", "/oauth/par", "/oauth/device_authorization"
)  # fmt: skip
"""Where clients authenticate themselves."""
_WITH_SECRET: Final = ["client_secret_basic", "client_secret_post", METHOD]
_AUTH_METHODS: Final = [*_WITH_SECRET, "none"]


@dataclass(frozen=True, slots=True)
class Discovery:
    """Describes the server, by what is served: `paths` are those of its endpoints."""

    catalogue: Catalogue
    issuer: str
    audience: str
    algorithm: str
    paths: frozenset[str]
    grant_types: tuple[str, ...]
    fetches_metadata: bool
    """Whether the URL of a metadata document may be a client_id (CIMD_ALLOW)."""

    def server(self) -> dict[str, Any]:
        """The document of the server, the same at both of its addresses. Raises Unavailable."""
        endpoints = {name: f"{self.issuer}{path}" for name, path in _ENDPOINTS.items() if path in self.paths}
        gives_codes = AUTHORIZE in self.paths
        return {
            "issuer": self.issuer,
            **endpoints,
            "jwks_uri": f"{self.issuer}/.well-known/jwks.json",
            "scopes_supported": list(self.catalogue.load().scopes),
            "response_types_supported": ["code"] if gives_codes else [],
            "response_modes_supported": ["query"],
            "grant_types_supported": list(self.grant_types),
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [self.algorithm],
            "token_endpoint_auth_methods_supported": _AUTH_METHODS,
            "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
            **self._auth_methods(),
            "code_challenge_methods_supported": ["S256"],
            "claims_supported": list(dict.fromkeys((*ALWAYS, "nonce", *CLAIMS))),
            "prompt_values_supported": sorted(PROMPTS),
            "acr_values_supported": list(LEVELS),
            "authorization_response_iss_parameter_supported": True,
            "dpop_signing_alg_values_supported": list(dpop.ALGORITHMS),
            "client_id_metadata_document_supported": self.fetches_metadata,
            "claims_parameter_supported": False,
            "request_parameter_supported": False,
            "request_uri_parameter_supported": False,
            "backchannel_logout_supported": True,
            "backchannel_logout_session_supported": True,
        }

    def resource(self) -> dict[str, Any]:
        """The document of our own API, a protected resource (RFC 9728 section 2)."""
        return {
            "resource": self.audience,
            "authorization_servers": [self.issuer],
            "bearer_methods_supported": ["header"],
            "dpop_signing_alg_values_supported": list(dpop.ALGORITHMS),
            "dpop_bound_access_tokens_required": False,
            "resource_name": "Latchkey",
        }

    def _auth_methods(self) -> dict[str, Any]:
        known = {
            "/oauth/revoke": ("revocation_endpoint", _AUTH_METHODS),
            "/oauth/introspect": ("introspection_endpoint", _WITH_SECRET),
        }
        found = {name: methods for path, (name, methods) in known.items() if path in self.paths}
        return {
            **{f"{name}_auth_methods_supported": methods for name, methods in found.items()},
            **{f"{name}_auth_signing_alg_values_supported": list(ALGORITHMS) for name in found},
        }
