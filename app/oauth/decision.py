"""What an authorization request needs next: the one place that decides it, asked at each return of the browser."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

from app.accounts.authentication import AAL2
from app.oauth.clients.redirect_uris import is_of_native_client
from app.oauth.refusal import RefusedError
from app.sessions.step_up import authentication_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from app.accounts.principal import Principal
    from app.oauth.requests.service import Authorization


@dataclass(frozen=True, slots=True)
class Issue:
    """A code is issued without asking anybody."""


@dataclass(frozen=True, slots=True)
class Login:
    """The user logs in, or once more if somebody is logged in."""


@dataclass(frozen=True, slots=True)
class StepUp:
    """The user proves their second factor in the session that they have."""


@dataclass(frozen=True, slots=True)
class Enrol:
    """The client demands a second factor, and the account has none: the user adds one first."""


@dataclass(frozen=True, slots=True)
class Consent:
    """The user is asked whether the client may have this."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The client is told that it does not get a code."""

    error: RefusedError


Step: TypeAlias = Issue | Login | StepUp | Enrol | Consent | Refusal


def next_step(
    authorization: Authorization,
    visitor: Principal | None,
    *,
    is_covered: Callable[[], bool],
    has_factor: Callable[[], bool],
    lacks: Callable[[], str | None],
    now: datetime,
) -> Step:
    """What comes next for who sits at the browser; `visitor` is None for somebody who is not logged in.

    `is_covered` says whether the user consented to all of this before, `has_factor` whether they have a second factor,
    and `lacks` what would keep their login out by now (`LoginGate.lacks`): a factor was added, or is required, or an
    address has to be verified. Each is a read, so each is asked only where it decides.
    """
    silent = "none" in authorization.prompts
    if visitor is None or not _is_recent(authorization, visitor, now):
        return _refused(authorization, "login_required", "The user has to log in.") if silent else Login()
    if authorization.hinted not in {None, visitor.subject}:
        return _refused(authorization, "login_required", "The user of the id_token_hint is not logged in.")
    by_client = authorization.client.require_second_factor
    if (by_client or authorization.acr == AAL2) and not authentication_of(visitor).reaches(AAL2):
        return _to_two_factors(authorization, has_factor=has_factor(), silent=silent)
    if (lacking := lacks()) is not None:
        return _to_admission(authorization, lacking, silent=silent)
    if not authorization.client.first_party and (_is_always_asked(authorization) or not is_covered()):
        return _refused(authorization, "consent_required", "The user has to consent.") if silent else Consent()
    return Issue()


def _is_recent(authorization: Authorization, visitor: Principal, now: datetime) -> bool:
    """Whether the login is as recent as the request demands. One after the request always is: or who needs long for
    their second factor would never arrive."""
    proven = authentication_of(visitor)
    if proven.at >= authorization.asked_at:
        return True
    if authorization.prompts & {"login", "select_account"} or authorization.max_age == 0:
        return False
    return authorization.max_age is None or proven.is_within(authorization.max_age, now)


def _to_two_factors(authorization: Authorization, *, has_factor: bool, silent: bool) -> Step:
    if has_factor:
        return _refused(authorization, "login_required", "The user has to use a second factor.") if silent else StepUp()
    if authorization.client.require_second_factor and not silent:
        return Enrol()
    return _refused(authorization, "unmet_authentication_requirements", "The user has no second factor.")


def _to_admission(authorization: Authorization, lacking: str, *, silent: bool) -> Step:
    """Without it, the client would get a code that is worth nothing, each time again."""
    if silent:
        return _refused(authorization, "login_required", "The user's login lacks something.")
    if lacking == "second_factor":
        return StepUp()
    if lacking == "enrol_factor":
        return Enrol()
    told = "Your account cannot be used for this now: log out, and log in again to learn what is missing."
    return Refusal(RefusedError("access_denied", told, "login_lacks", lacking))


def _is_always_asked(authorization: Authorization) -> bool:
    """Whether an earlier consent does not count: the client asks for that, or another app on the device may pose as it
    (RFC 8252 section 8.6). Nor does it if the document of a client names another host than its own: that may have
    changed since."""
    if "consent" in authorization.prompts:
        return True
    if authorization.client.kind == "metadata" and _leaves_its_host(authorization):
        return True
    return authorization.client.kind != "confidential" and is_of_native_client(authorization.redirect_uri)


def _leaves_its_host(authorization: Authorization) -> bool:
    described_at, target = urlsplit(authorization.client.id), urlsplit(authorization.redirect_uri)
    return (described_at.scheme, described_at.netloc) != (target.scheme, target.netloc)


def _refused(authorization: Authorization, error: str, description: str) -> Refusal:
    return Refusal(RefusedError(error, description, error).behind(authorization.redirect_uri, authorization.state))
