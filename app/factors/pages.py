"""The page that the mail about lost factors opens. Opening it changes nothing; its form does."""

from __future__ import annotations

from app.factors.lost import LostFactors
from app.recovery.forms import UndoForm
from app.recovery.pages import with_form
from app.web.call import Call
from app.web.endpoint import endpoint
from app.web.guard import public
from app.web.result import File


@endpoint("GET /cancel-recovery", access=public, returns=File, media_type="text/html")
def cancel_recovery(call: Call) -> File:
    """The page to cancel a recovery of lost factors."""
    return call.page("cancel_recovery.html")


@endpoint(
    "POST /cancel-recovery",
    access=public,
    limit="redeem",
    form=UndoForm,
    again=with_form("cancel_recovery.html"),
    returns=File,
    media_type="text/html",
)
def cancel_mailed(call: Call, form: UndoForm) -> File:
    """Cancel it."""
    call.get(LostFactors).cancel_by_mail(form.token or form.link or "", call.device)
    return call.page("recovery_cancelled.html")
