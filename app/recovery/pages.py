"""The pages that mailed links open. Opening one changes nothing, since mail scanners follow links; its form does.

The token is in the fragment of the link, which no browser sends; `static/mailed-link.js` puts it into the form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.mail.mail_templates import in_words, readable_on
from app.platform.errors import EmailTaken, Failure, InvalidCode, Overloaded, TooManyRequests, Unavailable
from app.recovery.email_change import EmailChangeService
from app.recovery.forms import UndoForm, VerifyForm
from app.recovery.inputs import ResetPassword
from app.recovery.reset import ResetService
from app.recovery.verification import VerificationService
from app.web.call import Call
from app.web.endpoint import endpoint, page
from app.web.form import Again
from app.web.guard import public
from app.web.result import File

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from app.web.endpoint import Endpoint
    from app.web.input import Body

_HOUR = 3_600
_IN_WORDS = {
    ("email", "required"): "Enter the e-mail address that the mail was sent to.",
    ("code", "required"): "Enter the code from the mail.",
    ("new_password", "required"): "Enter a new password.",
    ("password", "required"): "Enter a password.",
}
"""The messages of fields on pages, where those of the API are not meant for people."""


def redeeming(
    rule: str,
    form: type[Body],
    template: str,
    *,
    facts: Callable[[Call], Mapping[str, object]] = lambda _call: {},
    raises: tuple[type[Failure], ...] = (),
) -> Callable[[Callable[..., File]], Endpoint]:
    """Declare what the form of a mailed link does, which is open to everybody; it is shown again by the template of its
    page, whose other variables are `facts`."""
    again = Again(
        template,
        failures=(InvalidCode, TooManyRequests, Overloaded, Unavailable),
        still_good=_still_good,
        words=_IN_WORDS,
        facts=lambda call, _sent: facts(call),
    )
    return page(rule, access=public, limit="redeem", form=form, again=again, raises=raises)


def password_rules(call: Call) -> dict[str, Any]:
    """What a page says of new passwords."""
    return {"least": call.settings.passwords.min_length}


def _still_good(sent: Mapping[str, str], failure: Failure) -> dict[str, str]:
    """The values that the form shows again: never the password, and no mailed token or code that was not valid."""
    spent = {"token", "link", "code"} if isinstance(failure, InvalidCode) or _is_about_token(failure) else set()
    return {name: value for name, value in sent.items() if name not in {"password", "new_password", *spent}}


def _is_about_token(failure: Failure) -> bool:
    return any(field.field == "token" for field in failure.fields)


@page("GET /verify-email", access=public)
def verify_email(call: Call) -> File:
    """The page to confirm an e-mail address."""
    return call.page("verify_email.html")


@redeeming("POST /verify-email", VerifyForm, "verify_email.html", raises=(EmailTaken,))
def answer_verification(call: Call, form: VerifyForm) -> File:
    """Show what would be confirmed, which changes nothing; with an `answer`, confirm it, or drop the claim."""
    verification = call.get(VerificationService)
    found = verification.redeemable(token=form.token, email=form.email, code=form.code)
    if form.answer == "yes":
        return call.page("verified.html", email=verification.verify(found, call.device).email)
    if form.answer == "no":
        verification.disown(found, call.device)
        return call.page("disowned.html")
    claim = verification.look(found)
    return call.page("claim.html", claim=claim, since=in_words(claim.claimed_at), sent=form)


@page("GET /reset-password", access=public)
def reset_password(call: Call) -> File:
    """The page to set a new password."""
    return call.page("reset_password.html", **password_rules(call))


@redeeming("POST /reset-password", ResetPassword, "reset_password.html", facts=password_rules)
def set_password(call: Call, form: ResetPassword) -> File:
    """Set the new password."""
    call.get(ResetService).redeem(form.new_password, call.device, token=form.token, email=form.email, code=form.code)
    return call.page("password_set.html")


@page("GET /undo-email", access=public)
def undo_email(call: Call) -> File:
    """The page to undo a change of address."""
    return call.page("undo_email.html")


@redeeming("POST /undo-email", UndoForm, "undo_email.html", raises=(EmailTaken,))
def take_back(call: Call, form: UndoForm) -> File:
    """Undo the change."""
    call.get(EmailChangeService).undo(form.token or form.link or "", call.device)
    return call.page("undone.html")


@endpoint("GET /assets/brand.css", access=public, returns=File, cache=_HOUR, media_type="text/css")
def brand(call: Call) -> File:
    """The colour of the product, and the text colour that is most readable on it."""
    color = call.settings.mail.product_color
    return File(
        f":root {{ --brand: {color}; --on-brand: {readable_on(color)}; }}\n".encode(), "text/css; charset=utf-8"
    )
