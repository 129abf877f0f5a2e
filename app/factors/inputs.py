"""The bodies of requests about second factors."""

from __future__ import annotations

from app.sessions.inputs import FactorCode, LoginToken, ReasonText
from app.web.input import Body


class ConfirmTotp(Body):
    """A code that the authenticator app shows."""

    code: FactorCode


class RecoverFactors(Body):
    """The token of a login that needs a second factor."""

    login_token: LoginToken


class ResetFactors(Body):
    """Why an administrator removes the second factors of a user."""

    reason: ReasonText
