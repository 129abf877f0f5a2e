"""The page for the code of a device (RFC 8628 section 3.3). Nobody allows anything by opening a link: the code that a
link brings is shown, and its user says whether that is the one on their device, and whether they allow what it asks
for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from app.account_pages.device.forms import DeviceForm
from app.account_pages.login.asking import consent_is_on
from app.account_pages.login.destination import Destination
from app.account_pages.paths import DEVICE, ENROL, FACTOR
from app.accounts.principal import Principal
from app.factors.service import shown_name
from app.oauth.catalogue.service import Catalogue
from app.oauth.devices import DeviceFlow
from app.oauth.refusal import RefusedError
from app.oauth.refusal_page import told_to_user
from app.platform.errors import FieldError, SessionEnded, Unavailable, ValidationFailed
from app.web.call import CallBy
from app.web.endpoint import endpoint
from app.web.form import Again
from app.web.guard import on_page
from app.web.result import File, redirect

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.oauth.devices import DeviceRequest
    from app.platform.errors import Failure

_ENTER: Final = "device.html"
_NO_SUCH_CODE: Final = "No device waits with this code. Compare it with your device, or begin again there."


def _still_good(sent: Mapping[str, str], failure: Failure) -> dict[str, str]:  # noqa: ARG001 - the same after each
    return {name: value for name, value in sent.items() if name == "user_code"}


@endpoint(
    f"GET {DEVICE}",
    access=on_page,
    on=consent_is_on,
    operation="showDevicePage",
    returns=File,
    media_type="text/html",
    raises=(Unavailable,),
)
def show_device(call: CallBy[Principal]) -> File:
    """The page to enter the code that a device shows; a link of the device can bring it."""
    codes = call.query.get("user_code", [])
    return call.page(_ENTER, sent={"user_code": codes[0][:64]} if len(codes) == 1 else {})


@endpoint(
    f"POST {DEVICE}",
    access=on_page,
    on=consent_is_on,
    limit="device",
    form=DeviceForm,
    again=Again(_ENTER, failures=(Unavailable,), still_good=_still_good, words={}, facts=lambda _call, _sent: {}),
    returns=File,
    media_type="text/html",
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
        return call.page("device_asks.html", **_facts(call, request))
    allowed = form.answer == "allow"
    try:
        is_answered = flow.answer(request, visitor, call.device, allowed=allowed)
    except RefusedError as refused:
        return told_to_user(call, refused)
    if not is_answered:
        raise ValidationFailed(fields=(FieldError("user_code", "unknown_code", _NO_SUCH_CODE),))
    return call.page("device_answered.html", allowed=allowed, client=request.client.name)


def _to_two_factors(call: CallBy[Principal], request: DeviceRequest) -> File:
    """Where the user proves the second factor that the client demands, or adds one."""
    back = Destination.of({"to": f"{DEVICE}?user_code={request.user_code}"})
    return redirect(call.link(back.behind(FACTOR if call.get(DeviceFlow).has_factor(call.caller) else ENROL)))


def _facts(call: CallBy[Principal], request: DeviceRequest) -> dict[str, Any]:
    """What the page says, in words that a person understands."""
    catalogue, user = call.get(Catalogue).load(), call.caller.user
    return {
        "user_code": request.user_code,
        "user": user.id,
        "name": shown_name(user),
        "client": request.client.name,
        "scopes": [catalogue.scopes.get(scope, scope) for scope in request.scopes],
        "resources": [
            catalogue.resources[uri].name if uri in catalogue.resources else uri for uri in request.resources
        ],
    }
