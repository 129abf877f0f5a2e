"""The bodies of requests about second factors."""

from __future__ import annotations

from app.sessions.inputs import FactorCode, ReasonText
from app.web.input import Body


class ConfirmTotp(Body):
    """A code that the authenticator app shows."""

    code: FactorCode


class ResetFactors(Body):
    """Why an administrator removes the second factors of a user."""

    reason: ReasonText
