"""The page for the code of a device (RFC 8628 section 3.3). Nobody allows anything by opening a link: the code that a
link brings is shown, and its user says whether that is the one on their device, and whether they allow what it asks
for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.account_pages.asked import asked_facts
from app.account_pages.device.forms import DeviceForm
from app.account_pages.login.asking import consent_is_on, own_page
from app.account_pages.login.destination import Destination
from app.account_pages.paths import DEVICE, ENROL, FACTOR
from app.accounts.principal import Principal
from app.oauth.devices import DeviceFlow
from app.oauth.refusal import RefusedError
from app.oauth.refusal_page import told
from app.platform.errors import FieldError, SessionEnded, Unavailable, ValidationFailed
from app.web.call import CallBy
from app.web.form import Again, keeping
from app.web.guard import on_page
from app.web.result import File, redirect

if TYPE_CHECKING:
    from app.oauth.devices import DeviceRequest

_ENTER: Final = "device.html"
_NO_SUCH_CODE: Final = "No device waits with this code. Compare it with your device, or begin again there."


@own_page(f"GET {DEVICE}", access=on_page, on=consent_is_on, operation="showDevicePage", raises=(Unavailable,))
def show_device(call: CallBy[Principal]) -> File:
    """The page to enter the code that a device shows; a link of the device can bring it."""
    codes = call.query.get("user_code", [])
    return call.page(_ENTER, sent={"user_code": codes[0][:64]} if len(codes) == 1 else {})


@own_page(
    f"POST {DEVICE}",
    access=on_page,
    on=consent_is_on,
    limit="device",
    form=DeviceForm,
    again=Again(_ENTER, failures=(Unavailable,), still_good=keeping("user_code")),
    raises=(SessionEnded,),
)
def answer_device(call: CallBy[Principal], form: DeviceForm) -> File:
    """Show what the device asks for; then give it the answer."""
    flow, visitor = call.get(DeviceFlow), call.caller
    request = flow.find(form.user_code)
    if request is None:
        raise ValidationFailed(fields=(FieldError("user_code", "unknown_code", _NO_SUCH_CODE),))
    if form.answer != "deny" and flow.lacks_factor(request, visitor):
        return _to_two_factors(call, request)
    if form.answer is None or form.user != visitor.user.id:
        facts = asked_facts(call, request, visitor)
        return call.page("device_asks.html", user_code=request.user_code, **facts)
    allowed = form.answer == "allow"
    try:
        is_answered = flow.answer(request, visitor, call.device, allowed=allowed)
    except RefusedError as refused:
        return told(call, refused)
    if not is_answered:
        raise ValidationFailed(fields=(FieldError("user_code", "unknown_code", _NO_SUCH_CODE),))
    return call.page("device_answered.html", allowed=allowed, client=request.client.name)


def _to_two_factors(call: CallBy[Principal], request: DeviceRequest) -> File:
    """Where the user proves the second factor that the client demands, or adds one."""
    back = Destination.of({"to": f"{DEVICE}?user_code={request.user_code}"})
    return redirect(call.link(back.behind(FACTOR if call.get(DeviceFlow).has_factor(call.caller) else ENROL)))
