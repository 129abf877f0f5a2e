"""Hooks of an imaginary company: staff only, their department in each token, and a line for each lockout of a device.

Set HOOKS=company_hooks:CompanyHooks, with this file where Python finds it (PYTHONPATH).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from app.hooks import Refused

if TYPE_CHECKING:
    from app.hooks import Event, Registration, Session, User

DEPARTMENTS = {"ann@company.example": "sales"}
"""Where a real hook would ask the company's directory: with a timeout, since it is given HOOK_SECONDS."""

log = logging.getLogger("company")


class CompanyHooks:
    """All three kinds of hooks in one class. One of them would do."""

    def check_registration(self, registration: Registration) -> None:
        """Only addresses of the company may register."""
        if not (registration.email or "").endswith("@company.example"):
            raise Refused("Register with your address at company.example.")

    def add_claims(self, user: User, session: Session) -> dict[str, Any]:
        """The department, from an address that is proven: anybody can register with anybody's address."""
        if session.kind == "impersonation" or not user.email_verified or user.email is None:
            return {}
        department = DEPARTMENTS.get(user.email.lower())
        return {"x_department": department} if department else {}

    def on_event(self, event: Event) -> None:
        """Tell the people who watch over the company that a refresh token was used twice."""
        if event.action == "session.reused":
            log.warning("a refresh token of %s was used twice", event.user_id)
