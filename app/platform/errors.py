"""The catalogue of everything that can go wrong: one class for each failure.

Services and repositories raise these; `app/web/problems.py` turns them into replies and `/errors/<code>` serves
them as pages. A message is written for the person who reads it and reveals nothing to an attacker.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from app.platform.failure import CATALOGUE, Failure, FieldError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["CATALOGUE", "Failure", "FieldError"]

CHALLENGE: Final = "What authentication is needed (RFC 9470): `acr_values`, `max_age` in seconds, or both."


class MalformedJson(Failure):
    code = "malformed_json"
    status = 400
    message = "The body is not the JSON this service accepts."
    meaning = (
        "The body could not be read as one JSON document in UTF-8. Besides syntax errors, this service refuses"
        " what parsers disagree about: duplicate keys, NaN and Infinity, numbers outside the range of a double or of a"
        " signed 64-bit integer, lone surrogates, a byte order mark, and nesting deeper than 32 levels."
    )
    remedy = "Send one JSON object made by a JSON library, encoded in UTF-8 without a byte order mark."


class InvalidRequest(Failure):
    code = "invalid_request"
    status = 400
    message = "The request contradicts itself."
    meaning = (
        "Two parts of the request contradict each other, for example two headers with different access tokens; or the"
        " request is not valid HTTP."
    )
    remedy = "Send the access token once, in `Authorization: Bearer <token>`, and use an HTTP library."


class InvalidHost(Failure):
    code = "invalid_host"
    status = 400
    message = "This service does not answer to the host name in the request."
    meaning = "The `Host` header names a host that is not in the setting ALLOWED_HOSTS."
    remedy = "Call the service at its public address. Operators: set PUBLIC_URL, or list all names in ALLOWED_HOSTS."


class InvalidCredentials(Failure):
    code = "invalid_credentials"
    status = 401
    message = "The account or the password is wrong."
    meaning = "No account has this name and this password. The service does not reveal which of the two is wrong."
    remedy = "Check both and try again. After several failures, wait as long as `Retry-After` says."


class MissingToken(Failure):
    code = "missing_token"
    status = 401
    message = "This endpoint needs an access token."
    meaning = (
        "The request has no access token, neither in `x-access-token` nor after the word `Bearer` in `Authorization`."
        " A token in the query string is ignored."
    )
    remedy = "Log in at POST /auth/login and send `Authorization: Bearer <access_token>`."


class InvalidToken(Failure):
    code = "invalid_token"
    status = 401
    message = "The access token is not valid."
    meaning = (
        "The token is malformed, is of another kind or from another issuer, or has a signature that does not verify."
    )
    remedy = "Log in again and send the `access_token` exactly as you received it."


class ExpiredToken(Failure):
    code = "expired_token"
    status = 401
    message = "The access token has expired."
    meaning = (
        "Access tokens live for a few minutes only, and API keys until the day that was set when they were made. This"
        " one was valid, but has expired."
    )
    remedy = "Log in again, or exchange the refresh token for a new pair. In the place of an API key, make a new one."


class SessionEnded(Failure):
    code = "session_ended"
    status = 401
    message = "The session of this token has ended."
    meaning = (
        "The token is genuine, but its session was ended by a logout or a change of password, or its user was disabled"
        " or deleted."
    )
    remedy = "Log in again."


class InvalidRefreshToken(Failure):
    code = "invalid_refresh_token"
    status = 401
    message = "The refresh token is not valid."
    meaning = (
        "The refresh token is malformed, comes from another service, or belongs to a session that has ended or expired."
    )
    remedy = "Log in again."


class InvalidLoginToken(Failure):
    code = "invalid_login_token"
    status = 401
    message = "This login cannot be continued: log in again."
    meaning = (
        "The login token is unknown, expired or used up: it lives for 10 minutes, and is good for one success and five"
        " wrong codes. A change of the password or of the factors ends it, too."
    )
    remedy = "Log in again at POST /auth/login, which gives a new login token."


class UnknownPasskey(Failure):
    code = "unknown_passkey"
    status = 401
    message = "No account has this passkey."
    meaning = (
        "The passkey was removed from its account, or the account is gone. A device or password manager still keeps it."
    )
    remedy = (
        "Log in another way, and delete the passkey where it is kept. Pages can have it deleted: call"
        " `PublicKeyCredential.signalUnknownCredential` (WebAuthn Level 3)."
    )


class ReusedRefreshToken(Failure):
    code = "reused_refresh_token"
    status = 401
    message = "The refresh token was used before, so its session was ended."
    meaning = (
        "A refresh token can be exchanged only once. This one had been exchanged before, so someone else may have a"
        " copy of it. The session was ended for everyone who holds its tokens."
    )
    remedy = "Log in again; if you did not send the token twice, change your password."


class WrongPassword(Failure):
    code = "wrong_password"
    status = 403
    message = "The current password is wrong."
    meaning = "This change requires the current password, and the password that was sent is a different one."
    remedy = (
        "Send the current password. Wrong passwords are counted; after several you have to wait. Logging in, or"
        " resetting the password by mail, lets you try again."
    )


class EmailNotVerified(Failure):
    code = "email_not_verified"
    status = 403
    message = "The e-mail address of this account has to be verified first."
    meaning = "The password was right, but this service requires a verified e-mail address before a login."
    remedy = (
        "Open the link in the mail that was sent at registration, or send its code to POST /auth/email/verify."
        " POST /auth/email/resend sends the mail again."
    )


class SecondFactorRequired(Failure):
    code = "second_factor_required"
    status = 403
    message = "The login is not finished: it needs a second factor."
    meaning = (
        "The first factor was right, but this account has a second one, or needs one. There is no session yet. `login`"
        " holds a token for this login, what is next, and the methods to choose from."
    )
    remedy = (
        "Ask the user for a code, and send it to POST /auth/login/continue with `login.token` as `login_token` and one"
        " of `login.methods` as `method`. If `login.next` is `enrol_factor`, let them add one first, by one of"
        " `login.methods`, as POST /auth/factors/totp does, with `login.token` in Authorization: Bearer; the login goes"
        " on in the same way."
    )

    def __init__(
        self,
        message: str | None = None,
        *,
        login: Mapping[str, Any] | None = None,
        fields: tuple[FieldError, ...] = (),
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message, fields=fields, retry_after=retry_after)
        self._login = login

    @property
    def facts(self) -> Mapping[str, Any]:
        return {} if self._login is None else {"login": self._login}


class ReauthenticationRequired(Failure):
    code = "reauthentication_required"
    status = 403
    message = (
        "This needs a recent login: authenticate or log in again, and repeat the request with the new access token."
    )
    meaning = (
        "Sensitive requests, such as the export, a new user name, a new API key or a change of second factors, need a"
        " login no older than the setting REAUTH_SECONDS (10 minutes by default). The access token says when its user"
        " last authenticated; a refresh does not count."
    )
    remedy = (
        "Send one of `methods` to POST /auth/reauthenticate, and repeat the request with the access token that it"
        " gives. Or log in again, as users do who have no password but an account at a provider: their method is"
        " `provider`."
    )
    carries = MappingProxyType({"WWW-Authenticate": CHALLENGE})

    def __init__(
        self,
        message: str | None = None,
        *,
        methods: Sequence[str] = (),
        max_age: int | None = None,
        fields: tuple[FieldError, ...] = (),
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message, fields=fields, retry_after=retry_after)
        self._methods = methods
        self._max_age = max_age

    @property
    def facts(self) -> Mapping[str, Any]:
        return {"methods": list(self._methods)} if self._methods else {}

    @property
    def headers(self) -> Mapping[str, str]:
        return {} if self._max_age is None else {"WWW-Authenticate": _insufficient(None, self._max_age)}


class InsufficientAuthentication(Failure):
    code = "insufficient_user_authentication"
    status = 401
    message = "This needs a stronger or more recent authentication."
    meaning = (
        "What asked GET /auth/verify wants a second factor (`acr`), or an authentication no older than `max_age`"
        " seconds. The access token is valid, but says less."
    )
    remedy = "Authenticate at POST /auth/reauthenticate, and repeat the request with the access token that it gives."
    carries = MappingProxyType({"WWW-Authenticate": CHALLENGE})

    def __init__(
        self,
        message: str | None = None,
        *,
        acr_values: str | None = None,
        max_age: int | None = None,
        fields: tuple[FieldError, ...] = (),
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message, fields=fields, retry_after=retry_after)
        self._acr_values = acr_values
        self._max_age = max_age

    @property
    def headers(self) -> Mapping[str, str]:
        return {"WWW-Authenticate": _insufficient(self._acr_values, self._max_age)}


def _insufficient(acr_values: str | None, max_age: int | None) -> str:
    """The challenge of RFC 9470 section 3."""
    parts = ['error="insufficient_user_authentication"']
    if acr_values is not None:
        parts.append(f'acr_values="{acr_values}"')
    if max_age is not None:
        parts.append(f'max_age="{max_age}"')
    return f"Bearer {', '.join(parts)}"


class Forbidden(Failure):
    code = "forbidden"
    status = 403
    message = "You lack the permission for this."
    meaning = (
        "The access token is valid, but its user does not hold the permission that the message names. Nobody gives,"
        " takes or changes permissions that they do not hold themselves, and the built-in roles stay."
    )
    remedy = "Ask an administrator for a role that holds the permission; it takes effect on the next request."

    def __init__(
        self,
        message: str | None = None,
        *,
        scope: str | None = None,
        fields: tuple[FieldError, ...] = (),
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message, fields=fields, retry_after=retry_after)
        self.scope = scope
        """The scope that an access token of OAuth needs for this; None if none would help."""


class RegistrationRefused(Failure):
    code = "registration_refused"
    status = 403
    message = "You cannot register here."
    meaning = "The operator of this service decides who may register, by rules of their own, and refused this."
    remedy = "The message says why. If it does not help, ask the operator."


class AccountDisabled(Failure):
    code = "account_disabled"
    status = 403
    message = "This account is disabled."
    meaning = "The password was right, but an administrator has disabled the account."
    remedy = "Ask an administrator to enable it."


class NotFound(Failure):
    code = "not_found"
    status = 404
    message = "There is nothing here."
    meaning = "There is no such path or object, or you may not see it. The reply does not reveal which."
    remedy = "Check the path and the identifier; /openapi.json lists every endpoint."


class MethodNotAllowed(Failure):
    code = "method_not_allowed"
    status = 405
    message = "This path does not support this method."
    meaning = "The path exists, but does not support the method of the request."
    remedy = "Use one of the methods in the `Allow` header."


class EmailTaken(Failure):
    code = "email_taken"
    status = 409
    message = "An account with this e-mail address already exists."
    meaning = (
        "E-mail addresses are unique, regardless of case. A former address is held for seven days for the user who had"
        " it."
    )
    remedy = (
        "Log in with this address. If you have forgotten the password, or never created this account, use"
        " POST /auth/password/forgot: it mails a link and a code, and whoever reads the mail of the address gets the"
        " account."
    )


class UsernameTaken(Failure):
    code = "username_taken"
    status = 409
    message = "This user name is taken."
    meaning = "User names are unique, regardless of case, and a few are reserved."
    remedy = "Choose another one."


class LastAdmin(Failure):
    code = "last_admin"
    status = 409
    message = "This would leave the service without an administrator."
    meaning = "The last administrator can be neither deleted nor disabled, and cannot lose the role."
    remedy = "Make another user an administrator first."


class RoleExists(Failure):
    code = "role_exists"
    status = 409
    message = "There is a role of this name already."
    meaning = (
        "The names of roles are unique. `admin` and `member` are built in, so there is always a role of each name."
    )
    remedy = "Choose another name, or change the role with PATCH /admin/roles/<name>."


class RoleInUse(Failure):
    code = "role_in_use"
    status = 409
    message = "Users still have this role."
    meaning = (
        "A role can be deleted only when nobody has it. Disabled users count, and so do deleted ones whose account may"
        " still be restored by mail. A role that new users get (the setting DEFAULT_ROLES) stays, too."
    )
    remedy = "Take the role from its users first: PUT /admin/users/<user_id>/roles."


class TooManyApiKeys(Failure):
    code = "too_many_api_keys"
    status = 409
    message = "This account has as many API keys as it may have."
    meaning = "The setting API_KEYS_PER_USER (50 by default) limits the API keys of an account that have not expired."
    remedy = "Delete a key that is no longer used: GET /auth/api-keys says when each was last used."


class FactorExists(Failure):
    code = "factor_exists"
    status = 409
    message = "This passkey is registered already."
    meaning = "The credential of a passkey belongs to one account, and to it once."
    remedy = "Log in with the passkey, or make another one."


class TooManyPasskeys(Failure):
    code = "too_many_passkeys"
    status = 409
    message = "This account has as many passkeys as it may have."
    meaning = "An account has at most 20 passkeys."
    remedy = "Remove one that is no longer used: GET /auth/passkeys says when each was last used."


class LastCredential(Failure):
    code = "last_credential"
    status = 409
    message = "This is the last way into the account."
    meaning = "Without a password, a passkey or an account at a provider, nobody could log in to the account any more."
    remedy = "Set a password first (POST /auth/password/forgot), add a passkey, or link another provider."


class IdentityTaken(Failure):
    code = "identity_taken"
    status = 409
    message = "This account of the provider belongs to another user here."
    meaning = "An account of a provider leads to one user, and to no other."
    remedy = "Log in with it, and remove it there (DELETE /auth/identities/<identity_id>); or use another one."


class TooManyIdentities(Failure):
    code = "too_many_identities"
    status = 409
    message = "This account has as many linked providers as it may have."
    meaning = "An account is linked to at most 20 accounts of providers."
    remedy = "Remove one that is no longer used: GET /auth/identities says when each was last used."


class IdentityNotLinked(Failure):
    code = "identity_not_linked"
    status = 409
    message = "An account with this e-mail address already exists. Log in to it, and link the provider there."
    meaning = (
        "Nobody has linked this account of the provider yet, and its e-mail address belongs to a user here. An address"
        " alone never links: who can log in to the account says so there."
    )
    remedy = "Log in another way; then POST /auth/providers/<provider>/start with `purpose: link`."


class ProviderRefused(Failure):
    code = "provider_refused"
    status = 403
    message = "The provider did not confirm who you are."
    meaning = "The provider refused the login, or its answer could not be trusted. The log of the service says why."
    remedy = "Try again; if it happens again, tell the operator the `request_id`."


class CannotBeMailed(Failure):
    code = "cannot_be_mailed"
    status = 409
    message = "This user cannot be mailed."
    meaning = (
        "The request would send the user a mail that leads into their account. But they have no e-mail address, or are"
        " disabled, or this service sends no mail."
    )
    remedy = "The message says which it is. Give the user an address, or enable them, with /admin/users/<user_id>."


class PayloadTooLarge(Failure):
    code = "payload_too_large"
    status = 413
    message = "The body is too large."
    meaning = "The body is larger than the setting MAX_BODY_BYTES allows (64 KiB by default)."
    remedy = "Send a smaller body."


class UnsupportedMediaType(Failure):
    code = "unsupported_media_type"
    status = 415
    message = "The body has to be JSON, sent with Content-Type: application/json."
    meaning = (
        "The request has a body whose `Content-Type` is not `application/json` in UTF-8, or which is compressed"
        " (`Content-Encoding`)."
    )
    remedy = (
        "Send uncompressed JSON with `Content-Type: application/json`. curl labels every body as a form by default: add"
        " `-H 'Content-Type: application/json'`."
    )


class ValidationFailed(Failure):
    code = "validation_failed"
    status = 422
    message = "Some fields are wrong."
    meaning = (
        "Fields of the body, or parameters of the query, are missing, unknown or break a rule. `errors` lists up to 100"
        " of them."
    )
    remedy = "Correct the fields that `errors` names and send the request again."


class InvalidCode(Failure):
    code = "invalid_code"
    status = 422
    message = "This code or link is not valid."
    meaning = (
        "The token or code is unknown, was used before, has expired, or was replaced by a later change. The reply does"
        " not reveal which. After 100 wrong guesses for an address, its codes stop working."
    )
    remedy = "Request a new mail: POST /auth/password/forgot, POST /auth/email/resend, or repeat the change itself."


class TooManySecrets(Failure):
    code = "too_many_secrets"
    status = 409
    message = "This client has two secrets, which is the most."
    meaning = (
        "A client has at most two secrets at a time, so that the second can replace the first. Expired ones are none."
    )
    remedy = "Delete the secret that nothing uses any more, and create the new one then."


class TooManyRequests(Failure):
    code = "too_many_requests"
    status = 429
    message = "Too many attempts. Wait before you try again."
    meaning = "A limit was reached: too many requests, or too many failed logins for one account."
    remedy = (
        "Wait as many seconds as the `Retry-After` header says. If the password was wrong too often, a reset by mail"
        " unlocks the account at once."
    )


class InternalError(Failure):
    code = "internal_error"
    status = 500
    message = "Something went wrong on our side."
    meaning = "The service ran into an unexpected error. Its log has the cause under the request id."
    remedy = "Try again later; tell the operator the `request_id` if it happens again."


class Overloaded(Failure):
    code = "overloaded"
    status = 503
    message = "Too many passwords are being checked at the moment."
    meaning = (
        "Checking a password is costly on purpose. The queue for it is full, so this request was turned away."
        " Exports are bounded in the same way."
    )
    remedy = "Wait as many seconds as the `Retry-After` header says and try again."


class Unavailable(Failure):
    code = "unavailable"
    status = 503
    message = "A part of the service does not answer at the moment."
    meaning = (
        "The store, or another service behind this one, did not answer in time. A change that was not acknowledged may"
        " or may not have happened."
    )
    remedy = "Wait as many seconds as the `Retry-After` header says and try again."


def cause_of(error: BaseException) -> BaseException:
    """The original cause of an error, behind however many `Failure`s were raised from it."""
    while isinstance(error, Failure) and error.__cause__ is not None:
        error = error.__cause__
    return error
