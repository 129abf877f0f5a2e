"""What replies about logins by mail show."""

from __future__ import annotations

from pydantic import Field

from app.web.view import View


class MailLoginRequested(View):
    """A login that was asked for."""

    request: str = Field(
        description="To be sent with the code, within 10 minutes. Keep it on this device.", examples=["q0uYp1s7..."]
    )
