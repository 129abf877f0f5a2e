"""`flask users reset-factors`: a user who lost their factors is let in by password again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from app import wired_of
from app.accounts.login_name import LoginName
from app.accounts.model import Users
from app.audit.model import Events
from app.factors.service import FactorService
from app.factors.totp import TotpParameters
from app.factors.totp_secrets.model import TotpSecrets
from app.sessions.authenticator import AccessTokenAuthenticator
from app.sessions.login import LoginService
from tests.api.service import PASSWORD
from tests.unit.instance import DEVICE

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

    from app.wiring import Wired


def test_the_operator_removes_the_factors_of_a_user(flask: Callable[..., Result], prepared: None) -> None:
    del prepared
    created = flask("users", "create", "--username", "ann", "--password-stdin", "--json", input=PASSWORD)
    user_id = json.loads(created.stdout)["id"]
    wired: Wired = wired_of(flask.app())  # type: ignore[attr-defined]
    opened = wired.get(LoginService).login(LoginName("username", "ann"), PASSWORD, DEVICE)
    principal, factors = wired.get(AccessTokenAuthenticator).authenticate(opened.access_token), wired.get(FactorService)
    begun = factors.begin_totp(principal)
    factors.confirm_totp(principal, TotpParameters(begun.secret).totp.at(wired.parts.clock()), DEVICE)
    account = wired.get(Users).account(user_id)
    assert account is not None
    (listed,) = account.totp

    result = flask("users", "reset-factors", "ann", "--reason", "Ticket 4711", "--json")

    assert (result.exit_code, json.loads(result.stdout)["id"]) == (0, user_id), result.output
    assert wired.get(LoginService).login(LoginName("username", "ann"), PASSWORD, DEVICE).user.id == user_id
    assert wired.get(TotpSecrets).get(listed.id) is None
    event = next(
        event for event in wired.get(Events).page_of(user_id, before=None, limit=10) if event.action == "factors.reset"
    )
    assert (event.actor_id, event.details) == (None, {"reason": "Ticket 4711"})
    assert flask("users", "reset-factors", "ann").exit_code == 0
    events = wired.get(Events).page_of(user_id, before=None, limit=10)
    assert [event.action for event in events].count("factors.reset") == 1
