"""Second factors, for their user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.accounts.principal import Principal
from app.administration.views import AdministeredUserData
from app.factors.administration import WRITE_USERS, FactorReset
from app.factors.inputs import ConfirmTotp, RecoverFactors, ResetFactors
from app.factors.lost import LostFactors
from app.factors.service import FactorService
from app.factors.views import (
    FactorsData,
    FactorsView,
    FirstRecoveryCodes,
    NewRecoveryCodes,
    NewTotp,
    RecoveryData,
    RecoveryView,
)
from app.platform.errors import (
    Forbidden,
    InvalidCode,
    InvalidLoginToken,
    NotFound,
    ReauthenticationRequired,
    Unavailable,
)
from app.recovery.inputs import MailedToken
from app.roles.service import Roles
from app.sessions.gate import LoginGate
from app.web.call import Call, CallBy
from app.web.endpoint import endpoint
from app.web.export import exporter
from app.web.guard import authenticated, permission, public
from app.web.view import Nothing

if TYPE_CHECKING:
    from collections.abc import Iterator


@endpoint("GET /auth/factors", access=authenticated, operation="showFactors", returns=FactorsData)
def factors(call: CallBy[Principal]) -> FactorsData:
    """The user's second factors. An authenticator app that is not confirmed yet is not asked for at logins."""
    return FactorsData.of(call.get(FactorService).state_of(call.caller.user.id))


@endpoint(
    "POST /auth/factors/totp",
    access=authenticated.by("session", "pending_login"),
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
    then. It needs a login within the last `REAUTH_SECONDS`, or the token of one that goes on with `enrol_factor`.
    """
    call.require_fresh_login()
    return NewTotp.of(call.get(FactorService).begin_totp(call.caller))


@endpoint(
    "POST /auth/factors/totp/confirm",
    access=authenticated.by("session", "pending_login"),
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
    mail. It needs a login within the last `REAUTH_SECONDS`, or the token of one that goes on with `enrol_factor`: send
    the next code that the app shows, or a recovery code, to `POST /auth/login/continue`.
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


@endpoint(
    "POST /auth/factors/recover",
    access=public,
    operation="recoverFactors",
    limit="login",
    body=RecoverFactors,
    returns=RecoveryData,
    status=202,
    message="Check your mail; until then you can cancel this",
    raises=(InvalidLoginToken, Forbidden, Unavailable),
)
def recover_factors(call: Call, body: RecoverFactors) -> RecoveryData:
    """Report that all second factors are lost, with the token of a login that asks for one.

    After `FACTOR_RECOVERY_HOURS` they are gone, and the first factor is enough. The verified address of the user, and
    each former address that can still take the account back, get a mail with a link to cancel it. A login with a factor
    cancels it, too, and so does whatever ends all sessions, such as a new password. One that is under way keeps its
    time, and the mails are sent again. If no mail server takes the warning within 30 minutes, it is void.

    403 `forbidden` if `FACTOR_RECOVERY_HOURS` is 0, or the user has no verified address.
    """
    found = call.get(LostFactors).ask(call.get(LoginGate).account_of(body.login_token), call.device)
    return RecoveryData(recovery=RecoveryView.of(found))


@endpoint(
    "DELETE /auth/factors/recover",
    access=authenticated,
    operation="cancelFactorRecovery",
    limit="factors",
    returns=Nothing,
    message="The second factors stay",
    raises=(NotFound,),
)
def cancel_factor_recovery(call: CallBy[Principal]) -> Nothing:
    """Cancel the recovery of lost factors that is under way. It needs no recent login: it only keeps what there is."""
    call.get(LostFactors).cancel(call.caller, call.device)
    return Nothing()


@endpoint(
    "POST /auth/factors/recover/cancel",
    access=public,
    operation="cancelMailedRecovery",
    limit="redeem",
    body=MailedToken,
    returns=Nothing,
    message="The second factors stay",
    raises=(InvalidCode, Unavailable),
)
def cancel_mailed_recovery(call: Call, body: MailedToken) -> Nothing:
    """Cancel a recovery of lost factors, with the token of the link in the mail that warned of it."""
    call.get(LostFactors).cancel_by_mail(body.token, call.device)
    return Nothing()


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
