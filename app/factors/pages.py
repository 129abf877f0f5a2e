"""The page that the mail about lost factors opens. Opening it changes nothing; its form does."""

from __future__ import annotations

from app.factors.lost import LostFactors
from app.recovery.forms import UndoForm
from app.recovery.pages import redeeming
from app.web.call import Call
from app.web.endpoint import page
from app.web.guard import public
from app.web.result import File


@page("GET /cancel-recovery", access=public)
def cancel_recovery(call: Call) -> File:
    """The page to cancel a recovery of lost factors."""
    return call.page("cancel_recovery.html")


@redeeming("POST /cancel-recovery", UndoForm, "cancel_recovery.html")
def cancel_mailed(call: Call, form: UndoForm) -> File:
    """Cancel it."""
    call.get(LostFactors).cancel_by_mail(form.token or form.link or "", call.device)
    return call.page("recovery_cancelled.html")
