"""The pages that mailed links open. Opening one changes nothing, since mail scanners follow links; its form does.

The token is in the fragment of the link, which no browser sends; `static/mailed-link.js` puts it into the form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from flask import request
from pydantic import BaseModel

from app.mail.letters import in_words, readable_on
from app.platform.errors import (
    EmailTaken,
    Failure,
    Forbidden,
    InvalidCode,
    InvalidRequest,
    MalformedJson,
    Overloaded,
    PayloadTooLarge,
    TooManyRequests,
    Unavailable,
    UnsupportedMediaType,
    ValidationFailed,
)
from app.recovery.email_change import EmailChangeService
from app.recovery.forms import UndoForm, VerifyForm
from app.recovery.inputs import ResetPassword
from app.recovery.reset import ResetService
from app.recovery.verification import VerificationService
from app.web.body import validate
from app.web.endpoint import Call, File, endpoint
from app.web.form import read_form
from app.web.guard import public
from app.web.pages import page, site
from app.web.problems import as_form

if TYPE_CHECKING:
    from collections.abc import Callable

_HOUR = 3_600
_OF_FORMS = (
    Forbidden,
    InvalidRequest,
    MalformedJson,
    PayloadTooLarge,
    UnsupportedMediaType,
    ValidationFailed,
)
_TO_TRY_AGAIN = (InvalidCode, ValidationFailed, TooManyRequests, Overloaded, Unavailable)
"""Failures that are shown beside the form."""
_IN_WORDS = {
    ("email", "required"): "Enter the e-mail address that the mail was sent to.",
    ("code", "required"): "Enter the code from the mail.",
    ("new_password", "required"): "Enter a new password.",
}
"""The messages of fields on pages, where those of the API are not meant for people."""

_Form = TypeVar("_Form", bound=BaseModel)


@endpoint("GET /verify-email", access=public, returns=File, media_type="text/html")
def verify_email(_call: Call) -> File:
    """The page to confirm an e-mail address."""
    return page("verify_email.html")


@endpoint(
    "POST /verify-email",
    access=public,
    limit="redeem",
    returns=File,
    media_type="text/html",
    raises=(*_OF_FORMS, EmailTaken),
)
def answer_verification(call: Call) -> File:
    """Show what would be confirmed, which changes nothing; with an `answer`, confirm it, or drop the claim."""
    verification = call.get(VerificationService)

    def act(form: VerifyForm) -> File:
        found = verification.find(token=form.token, email=form.email, code=form.code)
        if form.answer == "yes":
            return page("verified.html", email=verification.verify(found, call.device).email)
        if form.answer == "no":
            verification.disown(found, call.device)
            return page("disowned.html")
        claim = verification.look(found)
        return page("claim.html", claim=claim, since=in_words(claim.claimed_at), sent=form)

    return _answered(VerifyForm, act, "verify_email.html")


@endpoint("GET /reset-password", access=public, returns=File, media_type="text/html")
def reset_password(_call: Call) -> File:
    """The page to set a new password."""
    return page("reset_password.html", least=site().rules.password_min_length)


@endpoint("POST /reset-password", access=public, limit="redeem", returns=File, media_type="text/html", raises=_OF_FORMS)
def set_password(call: Call) -> File:
    """Set the new password."""

    def act(form: ResetPassword) -> File:
        call.get(ResetService).redeem(
            form.new_password, call.device, token=form.token, email=form.email, code=form.code
        )
        return page("password_set.html")

    return _answered(ResetPassword, act, "reset_password.html", least=site().rules.password_min_length)


@endpoint("GET /undo-email", access=public, returns=File, media_type="text/html")
def undo_email(_call: Call) -> File:
    """The page to undo a change of address."""
    return page("undo_email.html")


@endpoint(
    "POST /undo-email",
    access=public,
    limit="redeem",
    returns=File,
    media_type="text/html",
    raises=(*_OF_FORMS, EmailTaken),
)
def take_back(call: Call) -> File:
    """Undo the change."""

    def act(form: UndoForm) -> File:
        call.get(EmailChangeService).undo(form.token or form.link or "", call.device)
        return page("undone.html")

    return _answered(UndoForm, act, "undo_email.html")


@endpoint("GET /assets/brand.css", access=public, returns=File, cache=_HOUR, media_type="text/css")
def brand(_call: Call) -> File:
    """The colour of the product, and the text colour that is most readable on it."""
    color = site().settings.mail.product_color
    return File(
        f":root {{ --brand: {color}; --on-brand: {readable_on(color)}; }}\n".encode(), "text/css; charset=utf-8"
    )


def _answered(model: type[_Form], act: Callable[[_Form], File], template: str, **facts: object) -> File:
    """The page that `act` returns for the submitted form; if it fails, the form again with its errors."""
    settings = site().settings
    sent = read_form(request, settings.server.public_url, local_too=settings.profile != "production")
    try:
        return act(validate(sent, model, site().rules))
    except _TO_TRY_AGAIN as failure:
        return as_form(failure, template, sent=_still_good(sent, failure), errors=_by_field(failure), **facts)


def _still_good(sent: dict[str, str], failure: Failure) -> dict[str, str]:
    """The values that the form shows again: never the password, and no mailed token or code that was not valid."""
    spent = {"token", "link", "code"} if isinstance(failure, InvalidCode) or _is_about_token(failure) else set()
    return {name: value for name, value in sent.items() if name not in {"new_password", *spent}}


def _is_about_token(failure: Failure) -> bool:
    return any(field.field == "token" for field in failure.fields)


def _by_field(failure: Failure) -> dict[str, str]:
    return {field.field: _IN_WORDS.get((field.field, field.code), field.message) for field in failure.fields}
