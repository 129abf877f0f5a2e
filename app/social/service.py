"""Logging in with an account at a provider: there and back, and then a code that is exchanged for a session.

What comes back is worth something in the browser alone that began: the state goes through the provider, and a cookie
stays here. From both the nonce of the ID token and the verifier of PKCE are computed, so no store knows them. A flow is
answered once, within ten minutes, and its outcome waits behind a code of ours that is used once: no token is ever in
an address.
"""

from __future__ import annotations

import hmac
import json
import re
import secrets as random
from base64 import urlsafe_b64encode
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

import structlog

from app.accounts.authentication import MFA, Authentication
from app.platform import deadline, pieces
from app.platform.errors import (
    InvalidCode,
    NotFound,
    ProviderRefused,
    SessionEnded,
    Unavailable,
)
from app.security.digests import s256
from app.sessions.proof import Proof
from app.social.flows.model import Flow, digest_of
from app.social.openid import with_query
from app.social.provider import Answer, Claims, NotTrustedError, Secrets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from app.accounts.principal import Principal
    from app.platform.clock import Clock
    from app.platform.devices import Device
    from app.sessions.gate import LoginGate
    from app.sessions.session_tokens import OpenedSession
    from app.social.flows.model import Flows
    from app.social.identities.model import Identity
    from app.social.provider import Provider
    from app.social.targets import Targets
    from app.social.users import SocialUsers

LIVES: Final = timedelta(minutes=10)
CODE_LIVES: Final = timedelta(minutes=2)
FEDERATED: Final = "fed"
"""The name in `amr` of a login at a provider, as others have it; RFC 8176 has none."""
_PATIENCE: Final = deadline.REQUEST_SECONDS - 2
"""Seconds for all that a provider is asked in one request: the store still has to take up what came of it."""
_BYTES: Final = 32
_BROWSER: Final = re.compile("[A-Za-z0-9_-]{43}")
_LONGEST_STATE: Final = 200
_LONGEST_CODE: Final = 4096
_LONGEST_NAME: Final = 200
_log = structlog.get_logger("latchkey.social")

Purpose: TypeAlias = Literal["login", "link"]


class Upstream(Protocol):
    """Asks one provider who somebody is."""

    @property
    def provider(self) -> Provider:
        """Which."""

    def address(self, secrets: Secrets) -> str:
        """The address at the provider where somebody logs in. Raises Unavailable and NotTrustedError."""

    def who(self, answer: Answer, secrets: Secrets) -> Claims:
        """Who came back with this answer. Raises Unavailable and NotTrustedError."""


@dataclass(frozen=True, slots=True)
class Started:
    """Where to send the browser, and what it keeps."""

    url: str
    browser: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Returned:
    """What a visit to a provider came to: where to go on, if the application said so, and the code, or an error."""

    redirect_to: str | None
    code: str | None = field(default=None, repr=False)
    error: str | None = None

    @property
    def location(self) -> str | None:
        """The address of the application, with the code or the error."""
        if self.redirect_to is None:
            return None
        told = {"code": self.code} if self.code is not None else {"error": self.error or ProviderRefused.code}
        return with_query(self.redirect_to, told)


@dataclass(frozen=True, slots=True)
class ProviderLogins:
    """Begins, answers and finishes visits to providers."""

    upstreams: Mapping[str, Upstream]
    flows: Flows
    users: SocialUsers
    gate: LoginGate
    clock: Clock
    targets: Targets
    trusts_mfa: bool

    def providers(self) -> list[Provider]:
        """The providers, in the order of the operator's file."""
        return [upstream.provider for upstream in self.upstreams.values()]

    def start(
        self,
        provider_id: str,
        redirect_to: str | None,
        *,
        browser: str | None = None,
        challenge: str | None = None,
        by: Principal | None = None,
    ) -> Started:
        """Begin a login, or with `by` a link to their account; `browser` is what the browser kept of an earlier one.

        Raises NotFound, ValidationFailed for an address that is not ours or an application's, Unavailable, and
        ProviderRefused if its documents cannot be trusted.
        """
        upstream = self._upstream(provider_id)
        target = None if redirect_to is None else self.targets.address_of(redirect_to)
        browser = browser if browser and _BROWSER.fullmatch(browser) else random.token_urlsafe(_BYTES)
        state = random.token_urlsafe(_BYTES)
        try:
            with deadline.begin(_PATIENCE):
                url = upstream.address(_secrets(state, browser))
        except NotTrustedError as error:
            _log.warning("provider refused", provider=provider_id, cause=str(error))
            raise ProviderRefused(_WRONG_PROVIDER) from None
        flow = Flow(
            id=digest_of(state),
            provider=provider_id,
            purpose="login" if by is None else "link",
            browser=digest_of(browser),
            expires_at=self.clock() + LIVES,
            redirect_to=target,
            challenge=challenge,
            user_id=None if by is None else by.user.id,
            session_id=None if by is None else by.session_id,
        )
        self.flows.add(flow)
        return Started(url, browser)

    def keep(self, provider_id: str, sent: Mapping[str, str]) -> str:
        """Keep what a provider posted: browsers send no cookie with it. Returns the state, to come back with.

        Raises NotFound, and InvalidCode without a state.
        """
        self._upstream(provider_id)
        state = _state_of(sent)
        kept = {name: sent[name] for name in ("code", "error", "iss") if len(sent.get(name, "")) in _KEPT_LENGTHS}
        if name := _posted_name(sent.get("user")):
            kept["name"] = name
        self.flows.keep_answer(digest_of(state), json.dumps(kept), self.clock())
        return state

    def answer(self, provider_id: str, sent: Mapping[str, str], browser: str | None) -> Returned:
        """Take up what a provider answered, in the browser that began; of concurrent calls with one state one goes on.

        Raises NotFound; InvalidCode for a flow that was not begun in this browser, is over, or is answered already;
        Unavailable if the store does not answer.
        """
        upstream, state = self._upstream(provider_id), _state_of(sent)
        flow = self.flows.take(digest_of(state), digest_of(browser or ""), self.clock())
        if flow is None or flow.provider != provider_id:
            raise InvalidCode(_NOT_BEGUN_HERE)
        said = json.loads(flow.answer) if flow.answer is not None else sent
        if said.get("error"):
            denied = said["error"] == "access_denied" or said["error"] == "user_cancelled_authorize"
            return Returned(flow.redirect_to, error="access_denied" if denied else ProviderRefused.code)
        try:
            claims = self._claims(upstream, said, _secrets(state, browser or ""))
        except NotTrustedError as error:
            _log.warning("provider refused", provider=provider_id, cause=str(error))
            return Returned(flow.redirect_to, error=ProviderRefused.code)
        except Unavailable:
            return Returned(flow.redirect_to, error=Unavailable.code)
        code = random.token_urlsafe(_BYTES)
        if not self.flows.finish(flow.id, digest_of(code), json.dumps(asdict(claims)), self.clock() + CODE_LIVES):
            raise InvalidCode(_NOT_BEGUN_HERE)
        return Returned(flow.redirect_to, code=code)

    def finish(
        self, code: str, verifier: str | None, browser: str | None, by: Principal | None, device: Device
    ) -> OpenedSession | Identity:
        """Exchange the code for a session, or, for a link, for what is linked now to the account of `by`.

        Raises InvalidCode for a code that is unknown, used or expired, or came to somebody else than who began; what
        `SocialUsers` raises; and what `LoginGate.admit` raises.
        """
        flow = self._redeemed(code)
        if not _may_finish(flow, verifier, browser, by):
            raise InvalidCode
        provider, claims = self._outcome(flow)
        if flow.purpose == "link":
            assert by is not None  # noqa: S101 - `_may_finish` says so
            return self.users.link(provider, claims, by, device).identity
        return self._log_in(provider, claims, device)

    def log_in_page(self, code: str, browser: str | None, device: Device) -> OpenedSession:
        """Exchange the code for a session of a page, to which `start` was told to return: a path of this service.

        The browser that began has to be this one, by its cookie. Raises what `finish` raises for a login: the page
        goes on from `SecondFactorRequired`, and says the other failures.
        """
        flow = self._redeemed(code)
        if not self._is_of_page(flow, browser):
            raise InvalidCode
        return self._log_in(*self._outcome(flow), device)

    def erase(self, user_id: str) -> Iterator[None]:
        """Delete what a user who is deleted has begun, a piece at each step; idempotent."""
        yield from pieces.in_pieces(lambda limit: self.flows.remove_some_of(user_id, limit))
        yield from self.users.erase(user_id)

    def _redeemed(self, code: str) -> Flow:
        """The flow that waited with this code, which is spent now. Raises InvalidCode."""
        flow = self.flows.redeem(digest_of(code))
        if flow is None or flow.expires_at <= self.clock():
            raise InvalidCode
        return flow

    def _is_of_page(self, flow: Flow, browser: str | None) -> bool:
        """Whether a flow is a login that a page of this service began in this browser. Codes for applications open no
        page: their verifier would not be asked for."""
        target = flow.redirect_to or ""
        is_of_page = flow.purpose == "login" and flow.challenge is None and self.targets.is_ours(target)
        return is_of_page and _is_of_browser(flow, browser)

    def _outcome(self, flow: Flow) -> tuple[Provider, Claims]:
        """Who the provider said that it is. Raises InvalidCode if the operator removed the provider meanwhile."""
        upstream = self.upstreams.get(flow.provider)
        if upstream is None or flow.outcome is None:
            raise InvalidCode
        return upstream.provider, Claims(**json.loads(flow.outcome))

    def _log_in(self, provider: Provider, claims: Claims, device: Device) -> OpenedSession:
        linked = self.users.user_of(provider, claims, device)
        amr = (FEDERATED, MFA) if self.trusts_mfa and claims.two_factors else (FEDERATED,)
        with suppress(Unavailable):
            self.users.identities.touch(linked.identity.id, self.clock())
        try:
            return self.gate.admit(
                Proof(linked.account.credentials, Authentication(self.clock(), amr), "provider"), device
            )
        except SessionEnded:  # deleted, disabled, or unlinked meanwhile
            raise InvalidCode from None

    def _claims(self, upstream: Upstream, said: Mapping[str, str], secrets: Secrets) -> Claims:
        code = said.get("code")
        if not code or len(code) > _LONGEST_CODE:
            raise NotTrustedError("the answer holds no code")
        with deadline.begin(_PATIENCE):
            return upstream.who(Answer(code, said.get("iss"), said.get("name")), secrets)

    def _upstream(self, provider_id: str) -> Upstream:
        try:
            return self.upstreams[provider_id]
        except KeyError:
            raise NotFound("There is no such provider.") from None


_KEPT_LENGTHS: Final = range(1, _LONGEST_CODE + 1)
_NOT_BEGUN_HERE: Final = "This login was not begun in this browser, or is over. Begin again where you log in."
_WRONG_PROVIDER: Final = "What the provider publishes of itself cannot be trusted."


def _secrets(state: str, browser: str) -> Secrets:
    """What only this browser's flow knows: whoever reads the store, or the addresses, does not."""

    def made(label: str) -> str:
        digest = hmac.digest(browser.encode(), f"{label} {state}".encode(), "sha256")
        return urlsafe_b64encode(digest).rstrip(b"=").decode()

    return Secrets(state, made("nonce"), made("verifier"))


def _state_of(sent: Mapping[str, str]) -> str:
    state = sent.get("state", "")
    if not state or len(state) > _LONGEST_STATE:
        raise InvalidCode(_NOT_BEGUN_HERE)
    return state


def _may_finish(flow: Flow, verifier: str | None, browser: str | None, by: Principal | None) -> bool:
    """Whether who sends the code is who began: by the application's verifier, or else the cookie, which is right if it
    came; and by the session of whoever links. A code alone, which was in an address, opens nothing."""
    if flow.challenge is not None and (verifier is None or s256(verifier) != flow.challenge):
        return False
    if (flow.challenge is None or browser is not None) and not _is_of_browser(flow, browser):
        return False
    if flow.purpose == "link":
        return by is not None and (by.user.id, by.session_id) == (flow.user_id, flow.session_id)
    return True


def _is_of_browser(flow: Flow, browser: str | None) -> bool:
    return browser is not None and hmac.compare_digest(digest_of(browser), flow.browser)


def _posted_name(text: str | None) -> str | None:
    """The name in what Apple posts as `user` when somebody logs in for the first time."""
    try:
        name = json.loads(text or "")["name"]
        parts = [name.get("firstName"), name.get("lastName")]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return " ".join(part for part in parts if isinstance(part, str) and part)[:_LONGEST_NAME] or None
