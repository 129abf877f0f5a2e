"""Second factors as JSON: secrets are shown once, when they are made."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads the annotation
from io import BytesIO
from typing import TYPE_CHECKING

import segno
from pydantic import Field

from app.factors.passkeys.views import PasskeyView
from app.web.view import View

if TYPE_CHECKING:
    from app.factors.service import Enrolment, FactorState, TotpState

_CODES = ["0-7K3M-Q8XT-V2N9P", "1-D4RW-0HJC-6BZFS"]


class TotpView(View):
    """An authenticator app."""

    confirmed: bool = Field(description="Whether logins ask for it.", examples=[True])
    created_at: datetime = Field(examples=["2026-01-31T12:00:00.000000Z"])
    last_used_at: datetime | None = Field(examples=["2026-01-31T12:05:00.000000Z"])

    @classmethod
    def of(cls, totp: TotpState) -> TotpView:
        """The view of an authenticator app."""
        return cls(confirmed=totp.confirmed, created_at=totp.created_at, last_used_at=totp.last_used_at)


class RecoveryCodesView(View):
    """The recovery codes of a user."""

    left: int = Field(description="How many are not used.", examples=[10])


class FactorsView(View):
    """The second factors of a user."""

    totp: TotpView | None
    passkeys: list[PasskeyView]
    recovery_codes: RecoveryCodesView | None


class FactorsData(View):
    """The second factors of a user."""

    factors: FactorsView

    @classmethod
    def of(cls, state: FactorState) -> FactorsData:
        """The data of a reply that shows the factors."""
        codes = None if state.codes_left is None else RecoveryCodesView(left=state.codes_left)
        totp = None if state.totp is None else TotpView.of(state.totp)
        passkeys = [PasskeyView.of(each) for each in state.passkeys]
        return cls(factors=FactorsView(totp=totp, passkeys=passkeys, recovery_codes=codes))


class NewTotp(View):
    """What an authenticator app needs; this is the only reply that shows it."""

    secret: str = Field(description="Base 32, to type.", examples=["JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"])
    uri: str = Field(
        description="What the QR code says.",
        examples=["otpauth://totp/Latchkey:ann%40example.com?secret=JBSWY3DPEHPK3PXP&issuer=Latchkey"],
    )
    qr: str = Field(
        description="The QR code as SVG, black on white.", examples=['<svg xmlns="http://www.w3.org/2000/svg" ...']
    )

    @classmethod
    def of(cls, begun: Enrolment) -> NewTotp:
        """The data of the reply that shows a new secret."""
        drawn = BytesIO()
        code = segno.make(begun.uri, error="m", micro=False)
        code.save(drawn, kind="svg", scale=4, dark="#000", light="#fff", xmldecl=False, nl=False)
        return cls(secret=begun.secret, uri=begun.uri, qr=drawn.getvalue().decode())


class FirstRecoveryCodes(View):
    """Recovery codes, if these are the user's first."""

    recovery_codes: list[str] | None = Field(
        description="Ten for a first factor, else null. This is the only reply that shows them.", examples=[_CODES]
    )


class NewRecoveryCodes(View):
    """Recovery codes."""

    recovery_codes: list[str] = Field(
        description="Each works once. This is the only reply that shows them.", examples=[_CODES]
    )
