"""Who may call an endpoint."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, Final

from app.config.values import is_loopback
from app.platform.errors import (
    ExpiredToken,
    Failure,
    Forbidden,
    InvalidRequest,
    InvalidToken,
    MissingToken,
    SessionEnded,
)
from app.security import dpop
from app.security.dpop import ProofRefusedError, SentProof
from app.web.caller import KINDS, Admitted, BoundAuthenticator
from app.web.result import Cookie

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from flask import Request

    from app.config.values import Network
    from app.web.caller import Authenticator, CallerKind

PAGE_COOKIE: Final = Cookie(
    "__Host-latchkey-page",
    "The login of this browser on the pages of the service; `latchkey-page` over http in development.",
    same_site="Lax",
)
"""What keeps a browser logged in on our own pages, and nowhere else."""
NOT_LOGGED_IN: Final = (MissingToken, InvalidToken, ExpiredToken, SessionEnded)
"""The failures that logging in again mends."""
_SESSIONS: Final[frozenset[CallerKind]] = frozenset({"session"})


@dataclass(frozen=True, slots=True)
class Access:
    """What a caller needs: nothing, a valid token of an admitted kind, or also a permission."""

    authenticated: bool
    permission: str | None = None
    contradiction: type[Failure] = InvalidRequest
    """The failure for a caller who sends two different tokens."""
    kinds: frozenset[CallerKind] = _SESSIONS
    """The kinds of callers that are admitted."""
    optional: bool = False
    """Whether a caller may also come without a token. One that is sent has to be valid."""
    cookie: Cookie | None = None
    """What the token comes in, and in nothing else; None is a header, and no cookie then."""

    def by(self, *kinds: CallerKind) -> Access:
        """The same for exactly these kinds of callers. Raises ValueError for a public endpoint or an unknown kind."""
        if not self.authenticated:
            raise ValueError("a public endpoint does not ask who calls")
        if not kinds or not KINDS.issuperset(kinds):
            raise ValueError(f"the kinds of callers are {', '.join(sorted(KINDS))}")
        return replace(self, kinds=frozenset(kinds))

    def __str__(self) -> str:
        """As `flask routes` shows it, after the name of the endpoint; without the kinds where it is sessions only."""
        needed = self.permission or ("authenticated" if self.authenticated else "public")
        if self.cookie:
            return f"{needed} on pages"
        if self.optional:
            needed = "public or authenticated"
        return needed if self.kinds == _SESSIONS else f"{needed} by {', '.join(sorted(self.kinds))}"

    @property
    def raises(self) -> tuple[type[Failure], ...]:
        """The failures for a caller without this access."""
        if not (self.authenticated or self.optional):
            return ()
        if self.cookie:  # without a login, a page leads to the login
            return (Forbidden,)
        failures = (MissingToken, InvalidToken, ExpiredToken, SessionEnded, self.contradiction)
        return (*failures, Forbidden) if self.permission or not self.kinds >= _NOT_FOR.keys() else failures


public = Access(authenticated=False)
authenticated = Access(authenticated=True)
"""Access for every user in a session of their own; `by` admits other kinds of callers."""
public_or_session = Access(authenticated=False, optional=True)
"""Access for everybody; a token that is sent has to be that of a session."""
asked_by_proxy = Access(authenticated=True, contradiction=InvalidToken)
"""Like `authenticated`, for nginx's auth_request, which treats every refusal except 401 and 403 as an error."""


def permission(name: str) -> Access:
    """Access for callers who hold this permission, in a session of their own; `by` admits other kinds.

    `dispatch.install` refuses a permission that does not exist.
    """
    return Access(authenticated=True, permission=name)


on_page = Access(authenticated=True, cookie=PAGE_COOKIE)
"""Access to a page for every user who is logged in on the pages."""


def page_permission(name: str) -> Access:
    """Access to a page for users who are logged in there and hold this permission."""
    return replace(on_page, permission=name)


def admit_by_cookie(
    access: Access, request: Request, authenticator: Authenticator[Any] | None, *, https: bool
) -> Admitted[Any]:
    """The caller by the cookie of an access that has one, and who authenticated them.

    Raises MissingToken, InvalidToken, ExpiredToken, SessionEnded, Forbidden, or InvalidRequest for two such cookies.
    """
    if access.cookie is None or authenticator is None:
        raise TypeError("no cookie gives this access")
    values = set(request.cookies.getlist(access.cookie.sent_as(https=https)))
    if len(values) > 1:
        raise InvalidRequest("Two different cookies were sent under one name.")
    token = "".join(values)
    if not token:
        raise MissingToken
    if not authenticator.recognises(token):
        raise InvalidToken
    return _checked(access, authenticator.authenticate(token), authenticator)


def admit(access: Access, request: Request, authenticators: Sequence[Authenticator[Any]]) -> Admitted[Any] | None:
    """The caller, and who authenticated them; None on a public endpoint, and where a token is optional and not sent.

    A token that is bound to a key comes as `Authorization: DPoP`, with a proof (RFC 9449), and any other never does.
    Raises MissingToken, InvalidToken, ExpiredToken, SessionEnded, InvalidRequest, or Forbidden.
    """
    if not access.authenticated and not access.optional:
        return None
    bound = _credentials(request, "dpop")
    token, other = bound or bearer(request), request.environ.get("HTTP_X_ACCESS_TOKEN", "").strip(" ")
    if access.optional and not (token or other or request.environ.get("HTTP_AUTHORIZATION")):
        return None
    if token and other and token != other:
        raise access.contradiction("Two different access tokens were sent in Authorization and x-access-token.")
    token = token or other
    if not token:
        raise MissingToken(_NO_BEARER if request.environ.get("HTTP_AUTHORIZATION") else None)
    authenticator = _authenticator_of(token, authenticators)
    caller = _by_key(authenticator, bound, request) if bound else authenticator.authenticate(token)
    return _checked(access, caller, authenticator)


def _by_key(authenticator: Authenticator[Any], token: str, request: Request) -> Any:  # noqa: ANN401 - a Caller
    """Who presents a token by DPoP. Raises InvalidToken, ExpiredToken or SessionEnded, with a challenge of RFC 9449."""
    try:
        if not isinstance(authenticator, BoundAuthenticator):
            raise InvalidToken(_NOT_BOUND)
        return authenticator.authenticate_bound(token, sent_proof(request))
    except ProofRefusedError as refused:
        failure = InvalidToken(str(refused))
        failure.challenge = dpop.challenge("invalid_dpop_proof", failure.message)
        raise failure from None
    except NOT_LOGGED_IN as failure:
        failure.challenge = dpop.challenge("invalid_token", failure.message)
        raise


def _checked(access: Access, caller: Any, authenticator: Authenticator[Any]) -> Admitted[Any]:  # noqa: ANN401 - a Caller
    """The caller, if this access is for them. Raises InvalidToken or Forbidden."""
    if caller.kind not in access.kinds:
        if caller.kind not in _NOT_FOR:
            raise InvalidToken
        raise Forbidden(_NOT_FOR[caller.kind])
    if access.permission and access.permission not in caller.permissions:
        raise Forbidden(f"This needs the permission {access.permission}.")
    return Admitted(caller, authenticator)


def _authenticator_of(token: str, authenticators: Sequence[Authenticator[Any]]) -> Authenticator[Any]:
    """The one that recognises the token; the first of all if none does, which refuses it for a reason it counts."""
    for authenticator in authenticators:
        if authenticator.recognises(token):
            return authenticator
    return authenticators[0]


_NOT_FOR: Final[Mapping[CallerKind, str]] = {
    "session": "A login is not enough for this.",
    "impersonation": "Only the user can do this, not an administrator who acts for them.",
    "api_key": "An API key cannot do this: log in.",
    "client": "This token is for an application that the user gave access to: it does not reach the account.",
}
"""Why a kind of caller is refused. A login that is not finished is not told: its token is none here."""
_NOT_BOUND: Final = "This token is not bound to a key: send it in `Authorization: Bearer`."
_NO_BEARER = "The Authorization header holds no Bearer token: send `Authorization: Bearer <access_token>`."
"""The header is not repeated: without a scheme, it may be the token itself."""
_FORWARDING = re.compile(r"HTTP_(X_FORWARDED(_.*)?|FORWARDED|X_REAL_IP|VIA)")


def is_on_this_machine(request: Request) -> bool:
    """Whether the client runs on this machine, uses no proxy, and addresses the service by a loopback name.

    The name matters because a page from elsewhere could point its own name here and read the reply.
    """
    host = re.sub(r":\d+$", "", request.host).strip("[]")
    return not _came_by_proxy(request) and is_loopback(_peer(request)) and is_loopback(host)


def came_from(networks: Iterable[Network], request: Request) -> bool:
    """Whether the client is in one of these networks and uses no proxy, trusted or not."""
    try:
        peer = ip_address(_peer(request))
    except ValueError:  # a socket of Unix has no address
        return False
    return not _came_by_proxy(request) and any(peer in network for network in networks)


def _came_by_proxy(request: Request) -> bool:
    return any(_FORWARDING.fullmatch(name) for name in request.environ)


def _peer(request: Request) -> str:
    """The address at the other end of the connection; an IPv4-mapped address as IPv4.

    An IPv6 socket shows IPv4 addresses in mapped form (RFC 4291 section 2.5.5.2).
    """
    return str(request.environ.get("REMOTE_ADDR", "")).removeprefix("::ffff:")


def bearer(request: Request) -> str | None:
    """The token in `Authorization: Bearer`, RFC 6750 section 2.1."""
    return _credentials(request, "bearer")


def sent_token(request: Request) -> str | None:
    """The access token, in whatever header it came."""
    bound_or_not = _credentials(request, "dpop") or bearer(request)
    return bound_or_not or request.environ.get("HTTP_X_ACCESS_TOKEN", "").strip(" ") or None


def sent_proof(request: Request) -> SentProof:
    """What the header DPoP says of this request. Two of them arrive as one with a comma, which is no proof."""
    return SentProof(request.environ.get("HTTP_DPOP", "").strip(" "), request.method, request.path)


def _credentials(request: Request, wanted: str) -> str | None:
    scheme, _, credentials = request.environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    return credentials.strip(" ") or None if scheme.lower() == wanted else None
