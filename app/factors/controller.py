"""Second factors, for their user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.accounts.principal import Principal
from app.administration.views import AdministeredUserData
from app.factors.administration import WRITE_USERS, FactorReset
from app.factors.inputs import ConfirmTotp, ResetFactors
from app.factors.service import FactorService
from app.factors.views import FactorsData, FactorsView, FirstRecoveryCodes, NewRecoveryCodes, NewTotp
from app.platform.errors import Forbidden, InvalidCode, NotFound, ReauthenticationRequired, Unavailable
from app.roles.service import Roles
from app.web.call import CallBy
from app.web.endpoint import endpoint
from app.web.export import exporter
from app.web.guard import authenticated, permission
from app.web.view import Nothing

if TYPE_CHECKING:
    from collections.abc import Iterator


@endpoint("GET /auth/factors", access=authenticated, operation="showFactors", returns=FactorsData)
def factors(call: CallBy[Principal]) -> FactorsData:
    """The user's second factors. An authenticator app that is not confirmed yet is not asked for at logins."""
    return FactorsData.of(call.get(FactorService).state_of(call.caller.user.id))


@endpoint(
    "POST /auth/factors/totp",
    access=authenticated,
    operation="beginTotp",
    limit="factors",
    returns=NewTotp,
    status=201,
    message="Scan this with an authenticator app, then confirm it with a code",
    raises=(Forbidden, ReauthenticationRequired),
)
def begin_totp(call: CallBy[Principal]) -> NewTotp:
    """Make a secret for an authenticator app (TOTP, RFC 6238: SHA-1, 6 digits, 30 seconds).

    It is asked for from `POST /auth/factors/totp/confirm` on, within 10 minutes. One that the user has stays until
    then. It needs a login within the last `REAUTH_SECONDS`.
    """
    call.require_fresh_login()
    return NewTotp.of(call.get(FactorService).begin_totp(call.caller))


@endpoint(
    "POST /auth/factors/totp/confirm",
    access=authenticated,
    operation="confirmTotp",
    limit="factors",
    body=ConfirmTotp,
    returns=FirstRecoveryCodes,
    message="From now on, a login asks for a code of the authenticator app",
    raises=(InvalidCode, Forbidden, ReauthenticationRequired),
)
def confirm_totp(call: CallBy[Principal], body: ConfirmTotp) -> FirstRecoveryCodes:
    """Turn the authenticator app on, by a code that it shows; a former one is off. The code is used up by this.

    With the first factor come recovery codes, which this reply alone shows. All other sessions end, and the user gets a
    mail. It needs a login within the last `REAUTH_SECONDS`.
    """
    call.require_fresh_login()
    codes = call.get(FactorService).confirm_totp(call.caller, body.code, call.device)
    return FirstRecoveryCodes(recovery_codes=None if codes is None else list(codes))


@endpoint(
    "DELETE /auth/factors/totp",
    access=authenticated,
    operation="removeTotp",
    limit="factors",
    returns=Nothing,
    message="The authenticator app is off",
    raises=(NotFound, Forbidden, ReauthenticationRequired),
)
def remove_totp(call: CallBy[Principal]) -> Nothing:
    """Turn the authenticator app off. Without another factor, the recovery codes are void, too.

    All other sessions end, and the user gets a mail. It needs a login within the last `REAUTH_SECONDS`.
    """
    call.require_fresh_login()
    call.get(FactorService).remove_totp(call.caller, call.device)
    return Nothing()


@endpoint(
    "POST /auth/factors/recovery-codes",
    access=authenticated,
    operation="renewRecoveryCodes",
    limit="factors",
    returns=NewRecoveryCodes,
    status=201,
    message="New recovery codes: this reply is the only one that shows them",
    raises=(NotFound, Forbidden, ReauthenticationRequired, Unavailable),
)
def renew_recovery_codes(call: CallBy[Principal]) -> NewRecoveryCodes:
    """Make ten new recovery codes; all former ones are void.

    All other sessions end, and the user gets a mail. It needs a login within the last `REAUTH_SECONDS`.
    """
    call.require_fresh_login()
    return NewRecoveryCodes(recovery_codes=list(call.get(FactorService).renew_codes(call.caller, call.device)))


@exporter("factors", FactorsView)
def exported(call: CallBy[Principal]) -> Iterator[list[FactorsView]]:
    """The user's second factors, without secrets: one entry, or none."""
    found = FactorsData.of(call.get(FactorService).state_of(call.caller.user.id)).factors
    yield [found] if found.totp or found.passkeys or found.recovery_codes else []


@endpoint(
    "POST /admin/users/<user_id>/reset-factors",
    access=permission(WRITE_USERS),
    operation="resetFactors",
    limit="factors",
    body=ResetFactors,
    returns=AdministeredUserData,
    message="The user has no second factor any more",
    raises=(NotFound, Forbidden, ReauthenticationRequired),
)
def reset_factors(call: CallBy[Principal], body: ResetFactors, user_id: str) -> AdministeredUserData:
    """Remove all second factors of a user who lost them, whom you are sure of: the password alone is enough then.

    Their sessions end, and they get a mail with the reason. It needs a login of yours within the last `REAUTH_SECONDS`,
    and all permissions that the user has.
    """
    call.require_fresh_login()
    user = call.get(FactorReset).reset(user_id, body.reason, call.caller, call.device)
    return AdministeredUserData.of(user, call.get(Roles).permissions_of(user.roles, call.caller.roles_version))
