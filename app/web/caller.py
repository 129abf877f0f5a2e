"""Who a request acts for, as far as the web layer has to know, and how that is found out: features implement both."""

from __future__ import annotations

from typing import (
    TYPE_CHECKING,
    Final,
    Generic,
    Literal,
    NamedTuple,
    Protocol,
    TypeAlias,
    TypeVar,
    get_args,
    runtime_checkable,
)

if TYPE_CHECKING:
    from app.security.dpop import SentProof

CallerKind: TypeAlias = Literal["session", "impersonation", "api_key", "pending_login", "client"]
"""How a caller came in: by a login of their own, by that of an administrator who acts for them, by an API key, by a
login of their own that is not finished before they have added a second factor, or by a client of a third party to which
the user gave access."""
KINDS: Final[frozenset[CallerKind]] = frozenset(get_args(CallerKind))


class Caller(Protocol):
    """Who a request acts for."""

    @property
    def subject(self) -> str:
        """The identifier that the log names."""

    @property
    def counted_as(self) -> str:
        """What a rate limit counts their requests by: the session, or the API key."""

    @property
    def kind(self) -> CallerKind:
        """How they came in. Each endpoint declares the kinds that it admits."""

    @property
    def permissions(self) -> frozenset[str]:
        """All that they may do."""


CallerT = TypeVar("CallerT", bound=Caller)
BoundCallerT_co = TypeVar("BoundCallerT_co", bound=Caller, covariant=True)


class Authenticator(Protocol[CallerT]):
    """Authenticates one kind of token, and does what else depends on the kind.

    Several kinds come in the same header. They are told apart by their form, and a token is never tried as a second
    kind: so two kinds must not share a form. A token of no form is left to the first authenticator, to refuse it.
    """

    def recognises(self, token: str) -> bool:
        """Whether a token has the form of this kind; neither a secret nor the store is used."""

    def authenticate(self, token: str) -> CallerT:
        """Who presents this token. Raises InvalidToken, ExpiredToken, or SessionEnded."""

    def use_is_due(self, caller: CallerT) -> bool:
        """Whether `note_use` is due after this request."""

    def note_use(self, caller: CallerT) -> None:
        """Record that the token was used; called after the reply is sent. Raises Unavailable."""

    def require_fresh_login(self, caller: CallerT) -> None:
        """Raises ReauthenticationRequired if the login behind the token is not recent, Forbidden if there is none."""


@runtime_checkable
class BoundAuthenticator(Protocol[BoundCallerT_co]):
    """An Authenticator of tokens that may be bound to a key, which its `authenticate` refuses (RFC 9449)."""

    def authenticate_bound(self, token: str, proof: SentProof) -> BoundCallerT_co:
        """Who presents this token, and proves that they hold its key. Raises as `authenticate`, InvalidToken for one
        that is not bound, and ProofRefusedError."""


class Admitted(NamedTuple, Generic[CallerT]):
    """A caller, and who authenticated them."""

    caller: CallerT
    authenticator: Authenticator[CallerT]
