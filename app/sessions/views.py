"""Tokens as JSON."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads the annotation
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema  # noqa: TC002 - pydantic reads the annotation

from app.accounts.cookies import REFRESH_COOKIE
from app.accounts.views import ImpersonationView, UserView
from app.platform.devices import device_name
from app.web.result import Carrying
from app.web.view import View, is_none

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from app.accounts.under_way import Impersonation
    from app.sessions.explain import Explanation
    from app.sessions.impersonation import BegunImpersonation
    from app.sessions.model import Session
    from app.sessions.session_tokens import IssuedAccess, OpenedSession
    from app.web.call import CallBy
    from app.web.result import CookieChange


_ACCESS_TOKEN = "eyJhbGciOiJFUzI1NiIsImtpZCI6Ii..."  # noqa: S105 - the beginning of an example
_WITHOUT_BODY = "X-Auth-Cookies"


def _require_refresh_token(schema: dict[str, Any]) -> None:
    """Clients that do not send `X-Auth-Cookies` always get it, so generated ones need not ask whether they did."""
    names = list(schema["properties"])
    schema["required"] = sorted({*schema["required"], "refresh_token"}, key=names.index)


class TokenPair(View):
    """The tokens of a session, and its user."""

    model_config = ConfigDict(json_schema_extra=_require_refresh_token)

    access_token: str = Field(description="A JWT (RFC 9068).", examples=[_ACCESS_TOKEN])
    token: str = Field(
        description="The same as `access_token`, under the name that the oldest clients read.", examples=[_ACCESS_TOKEN]
    )
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the type of the token, RFC 6750
    expires_in: int = Field(description="Seconds until the access token expires.", examples=[900])
    refresh_token: str | SkipJsonSchema[None] = Field(
        default=None,
        exclude_if=is_none,
        description="Opaque. Absent if `X-Auth-Cookies: 1` asked for it in the cookie only.",
        examples=["AAEBmh9TVF-9c4Ikh..."],
    )
    refresh_expires_in: int = Field(description="Seconds until the refresh token expires.", examples=[2592000])
    device_token: str | SkipJsonSchema[None] = Field(
        default=None,
        exclude_if=is_none,
        description="Opaque, for 180 days. Keep it on this device, and send it as `X-Device-Token` with the next login"
        " of this user: then failed logins from other devices do not delay it. If the device is trusted, it also stands"
        " for the second factor, so keep it secret. A refresh gives none.",
        examples=["AAFpfe3AKx-oZk9..."],
    )
    user: UserView

    @classmethod
    def of(cls, opened: OpenedSession, *, refresh_token: bool = True) -> TokenPair:
        """The data of a reply that opens a session, with its refresh token or without."""
        return cls(
            access_token=opened.access_token,
            token=opened.access_token,
            expires_in=opened.expires_in,
            refresh_token=opened.refresh_token if refresh_token else None,
            refresh_expires_in=opened.refresh_expires_in,
            device_token=opened.device_token,
            user=UserView.of(opened.user, opened.permissions),
        )


class RenewedAccess(View):
    """A new access token of the same session."""

    access_token: str = Field(
        description="A JWT (RFC 9068), with the new `auth_time`, `amr` and `acr`.", examples=[_ACCESS_TOKEN]
    )
    token: str = Field(description="The same as `access_token`.", examples=[_ACCESS_TOKEN])
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the type of the token, RFC 6750
    expires_in: int = Field(description="Seconds until it expires.", examples=[900])

    @classmethod
    def of(cls, renewed: IssuedAccess) -> RenewedAccess:
        """The data of a reply to an authentication in a session."""
        return cls(access_token=renewed.access_token, token=renewed.access_token, expires_in=renewed.expires_in)


class ActingTokens(View):
    """The access token of an administrator who acts for a user."""

    access_token: str = Field(description="A JWT (RFC 9068), with the claim `act`.", examples=[_ACCESS_TOKEN])
    token: str = Field(description="The same as `access_token`.", examples=[_ACCESS_TOKEN])
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the type of the token, RFC 6750
    expires_in: int = Field(description="Seconds until it expires. There is no refresh token.", examples=[900])
    user: UserView
    impersonation: ImpersonationView

    @classmethod
    def of(cls, begun: BegunImpersonation) -> ActingTokens:
        """The data of a reply that begins an impersonation."""
        lives = begun.impersonation.expires_at - begun.impersonation.began_at
        return cls(
            access_token=begun.access_token,
            token=begun.access_token,
            expires_in=int(lives.total_seconds()),
            user=UserView.of(begun.user, begun.permissions),
            impersonation=ImpersonationView.of(begun.impersonation),
        )


class SessionClientView(View):
    """A client that the user gave access to."""

    id: str = Field(examples=["019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7a"])
    name: str = Field(examples=["Grafana"])


class SessionView(View):
    """A session, as its user sees it."""

    id: str = Field(examples=["019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7a"])
    current: bool = Field(examples=[True], description="Whether this is the session of the request.")
    device: str = Field(examples=["Firefox on Linux"])
    ip: str = Field(
        description="The address that last refreshed it; empty if an administrator acts for the user.",
        examples=["203.0.113.7"],
    )
    created_at: datetime = Field(examples=["2026-01-31T12:00:00.000000Z"])
    last_used_at: datetime = Field(examples=["2026-01-31T12:05:00.000000Z"], description="Accurate to the minute.")
    expires_at: datetime = Field(
        examples=["2026-03-02T12:00:00.000000Z"], description="When it ends unless it is refreshed before."
    )
    impersonated_by: Literal["administrator"] | SkipJsonSchema[None] = Field(
        default=None, exclude_if=is_none, description="Only if an administrator acts for the user in it."
    )
    client: SessionClientView | SkipJsonSchema[None] = Field(
        default=None, exclude_if=is_none, description="Only if it is that of an application, not a login."
    )

    @classmethod
    def of(cls, session: Session, current: str, clients: Mapping[str, str]) -> SessionView:
        """The view of a session; `current` is the session of the request, and `clients` are the names of clients."""
        client_id = session.client_id
        return cls(
            client=None if client_id is None else SessionClientView(id=client_id, name=clients[client_id]),
            id=session.id,
            current=session.id == current,
            device=device_name(session.user_agent),
            ip=session.ip,
            created_at=session.created_at,
            last_used_at=session.last_used_at,
            expires_at=min(session.idle_expires_at, session.expires_at),
        )

    @classmethod
    def of_impersonation(cls, begun: Impersonation, current: str) -> SessionView:
        """The view of an impersonation, which tells the user nothing of the administrator's address and device."""
        return cls(
            id=begun.id,
            current=begun.id == current,
            device="An administrator",
            ip="",
            created_at=begun.began_at,
            last_used_at=begun.began_at,
            expires_at=begun.expires_at,
            impersonated_by="administrator",
        )


class SessionList(View):
    """The active sessions of a user."""

    sessions: list[SessionView]
    next: str | None = Field(default=None, examples=[None], description="Always null: a user has few sessions.")

    @classmethod
    def of(
        cls, sessions: Sequence[Session], acting: Sequence[Impersonation], current: str, clients: Mapping[str, str]
    ) -> SessionList:
        """The data of a reply with these sessions and impersonations; `current` is that of the request, and `clients`
        are the names of clients."""
        own = [SessionView.of(session, current, clients) for session in sessions]
        return cls(sessions=[*own, *(SessionView.of_impersonation(begun, current) for begun in acting)])


class ExplanationView(View):
    """What a token is, and why it is refused."""

    kind: Literal["access_token", "jwt", "opaque"] = Field(examples=["access_token"])
    accepted: bool | None = Field(examples=[False], description="Null unless this is an access token.")
    reason: str | None = Field(description="Null when the token is accepted.", examples=["expired"])
    detail: str = Field(examples=["It has expired: refresh, or log in again."])
    header: dict[str, Any] | None = Field(
        examples=[{"typ": "at+jwt", "alg": "ES256", "kid": "5Om_FZ8kqHyoLqBE"}], description="As read, verified or not."
    )
    claims: dict[str, Any] | None = Field(
        examples=[{"sub": "019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7a", "exp": 1769861700}],
        description="As read, verified or not.",
    )

    @classmethod
    def of(cls, explanation: Explanation) -> ExplanationView:
        """The data of a reply that explains a token."""
        return cls(
            kind=explanation.kind,
            accepted=explanation.accepted,
            reason=explanation.reason,
            detail=explanation.detail,
            header=explanation.header,
            claims=explanation.claims,
        )


def as_reply(call: CallBy[Any], opened: OpenedSession) -> TokenPair | Carrying:
    """The tokens of a session just opened or renewed.

    With AUTH_COOKIES they come with the cookie, and without the refresh token in the body if the client does not want
    it there. A page of an origin that is not listed sets no cookie, or it could log its visitors in to its own account.
    """
    if not call.settings.browsers.auth_cookies or call.came_from_other_page:
        return TokenPair.of(opened)
    in_body = call.header(_WITHOUT_BODY).strip() != "1"
    return Carrying(TokenPair.of(opened, refresh_token=in_body), cookies=(refresh_cookie(opened),))


def refresh_cookie(opened: OpenedSession) -> CookieChange:
    """What sets the cookie of a login, which always has a refresh token."""
    return REFRESH_COOKIE.set(opened.refresh_token or "", seconds=max(1, opened.refresh_expires_in))
