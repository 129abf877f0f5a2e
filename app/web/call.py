"""What an endpoint receives: everything it may know of a request, so that none of them needs Flask."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar
from urllib.parse import urlsplit

from flask import request

from app.config.values import is_loopback
from app.platform.errors import Forbidden, InvalidRequest
from app.web import guard, origins, problems
from app.web.caller import Caller, CallerT
from app.web.limits import limits_of
from app.web.pages import Pages, root_of_links

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from app.config import Settings
    from app.config.values import Network
    from app.platform.container import Container
    from app.platform.devices import Device
    from app.platform.failure import Failure
    from app.security.dpop import SentProof
    from app.web.caller import Admitted, Authenticator
    from app.web.limits import Limit
    from app.web.openapi import Specification
    from app.web.rates import Rates
    from app.web.result import Cookie, File

T = TypeVar("T")


@dataclass(frozen=True)
class Shared:
    """What all calls of an application share."""

    settings: Settings
    parts: Container
    """The parts of the features, of which the web layer knows nothing."""
    authenticators: tuple[Authenticator[Any], ...]
    """Of each kind of token, in the order in which they are asked."""
    permissions: frozenset[str]
    """Every permission that an endpoint may ask for."""
    input_context: object
    """What the inputs get from pydantic as the validation context."""
    specification: Specification
    rates: Rates
    """Counts the requests to limited endpoints."""
    page_authenticator: Authenticator[Any] | None = None
    """Of the cookie of our own pages; None where there are no such pages."""

    @cached_property
    def limits(self) -> dict[str, Limit]:
        """The rate limits by name; none if they are off."""
        return limits_of(self.settings.limits) if self.settings.server.rate_limits else {}

    @cached_property
    def pages(self) -> Pages:
        """The templates."""
        return Pages.from_settings(self.settings)

    @cached_property
    def https(self) -> bool:
        """Whether cookies need https: always, but for development on loopback."""
        public = urlsplit(self.settings.server.public_url)
        on_loopback = public.scheme == "http" and is_loopback(public.hostname or "")
        return not on_loopback or self.settings.profile == "production"


@dataclass(frozen=True, slots=True)
class CallBy(Generic[CallerT]):
    """A call by a certain kind of caller: the device that sent the request, whom it acts for, and what it may use."""

    shared: Shared
    device: Device
    admitted: Admitted[CallerT] | None

    def get(self, kind: type[T]) -> T:
        """The service of this type. Raises LookupError if the settings turn it off."""
        return self.shared.parts.get(kind)

    def find(self, kind: type[T]) -> T | None:
        """The service of this type, or None if the settings turn it off."""
        return self.shared.parts.find(kind)

    @property
    def settings(self) -> Settings:
        """The settings of the service."""
        return self.shared.settings

    @property
    def specification(self) -> Specification:
        """The OpenAPI document of the service."""
        return self.shared.specification

    @property
    def caller(self) -> CallerT:
        """Who presented the token; only if `access` requires one."""
        if self.admitted is None:
            raise TypeError("a public endpoint has no caller")
        return self.admitted.caller

    def require_fresh_login(self) -> None:
        """Raises ReauthenticationRequired, or Forbidden, unless the caller logged in recently."""
        if self.admitted is None:
            raise TypeError("a public endpoint has no caller")
        self.admitted.authenticator.require_fresh_login(self.admitted.caller)

    @property
    def query(self) -> dict[str, list[str]]:
        """The raw query string, for an endpoint that refuses unknown parameters in its own way."""
        return request.args.to_dict(flat=False)

    @property
    def bearer(self) -> str | None:
        """The token in `Authorization: Bearer`, of whatever kind."""
        return guard.bearer(request)

    @property
    def access_token(self) -> str | None:
        """The access token, in whatever header it came."""
        return guard.sent_token(request)

    @property
    def proof(self) -> SentProof:
        """The proof that the sender holds a key (RFC 9449), as it was sent."""
        return guard.sent_proof(request)

    @property
    def is_on_this_machine(self) -> bool:
        """Whether the client runs on this machine, uses no proxy, and addresses the service by a loopback name."""
        return guard.is_on_this_machine(request)

    def came_from(self, networks: Iterable[Network]) -> bool:
        """Whether the client is in one of these networks and uses no proxy, trusted or not."""
        return guard.came_from(networks, request)

    def header(self, name: str) -> str:
        """A header of the request, "" if it has none."""
        return request.headers.get(name, "")

    def cookie(self, cookie: Cookie) -> str | None:
        """The value of a cookie of the request."""
        return request.cookies.get(cookie.sent_as(https=self.shared.https))

    def authenticating_cookie(self, cookie: Cookie) -> str | None:
        """The value of a cookie that is about to authenticate the request; None if there is none.

        Raises Forbidden unless a page of this origin, or of one in CORS_ORIGINS, sent the request: browsers add cookies
        to requests of any page. Raises InvalidRequest if it is there twice: the second may be someone else's.
        """
        values = set(request.cookies.getlist(cookie.sent_as(https=self.shared.https)))
        if not values:
            return None
        if not origins.is_trusted_page(request.environ, self.settings):
            raise Forbidden("A cookie is accepted only from pages of this origin, or of one in CORS_ORIGINS.")
        if len(values) > 1:
            raise InvalidRequest("Two different cookies were sent under one name.")
        return values.pop() or None

    @property
    def visitor(self) -> Caller | None:
        """Who is logged in at this browser on our own pages, for an endpoint that serves others, too; else None.

        Raises Forbidden and InvalidRequest as for a page, and Unavailable.
        """
        authenticator = self.shared.page_authenticator
        if authenticator is None:
            return None
        with suppress(*guard.NOT_LOGGED_IN):
            admitted: Admitted[Caller] = guard.admit_by_cookie(
                guard.on_page, request, authenticator, https=self.shared.https
            )
            return admitted.caller
        return None

    @property
    def came_from_other_page(self) -> bool:
        """Whether a page of an origin that is neither this one nor in CORS_ORIGINS sent the request."""
        return origins.is_other_page(request.environ, self.settings)

    def preferred(self, *media_types: str) -> str:
        """The type that the client prefers of these; the first if it has no preference, or accepts none."""
        return problems.accepted(media_types)

    def link(self, path: str) -> str:
        """The link to a path of this service: relative, since a proxy may have removed a prefix of this one."""
        return f"{root_of_links()}{path}"

    def page(
        self,
        template: str,
        *,
        status: int = 200,
        headers: dict[str, str] | None = None,
        form_action: tuple[str, ...] = (),
        **facts: object,
    ) -> File:
        """Render a template as a page, with these variables; see `Pages.render`."""
        return self.shared.pages.render(template, facts, status=status, headers=headers, form_action=form_action)

    def failed(self, failure: Failure, template: str, facts: Mapping[str, object], headers: Mapping[str, str]) -> File:
        """The same for a failure that a person can do something about on this page: with its status, and logged."""
        return problems.as_form(failure, self.shared.pages, template, facts, headers)


Call: TypeAlias = CallBy[Caller]
"""A call by whoever it may be."""
