"""Questions about access tokens: from people who debug one, and from proxies in front of an application."""

from __future__ import annotations

from app.errors import Forbidden, Unavailable
from app.inputs.tokens import Explain
from app.models.identifiers import ascii_email
from app.services.permissions import permissions_of
from app.views.tokens import ExplanationView
from app.web.endpoint import Call, File, endpoint
from app.web.guard import asked_by_proxy, public


@endpoint(
    "POST /auth/explain",
    access=public,
    operation="explainToken",
    limit="explain",
    body=Explain,
    returns=ExplanationView,
    raises=(Unavailable,),
)
def explain(call: Call, body: Explain) -> ExplanationView:
    """What a token is, and the exact reason why this instance refuses it.

    The state of its session is revealed only when its signature verifies. Nothing is revealed about anything but a JWT.
    """
    return ExplanationView.of(call.services.explain.explain(body.token))


@endpoint(
    "GET /auth/verify",
    access=asked_by_proxy,
    operation="verifyToken",
    returns=File,
    media_type="text/plain",
    raises=(Forbidden,),
)
def verify(call: Call) -> File:
    """Decide whether to let a request through, for nginx `auth_request`.

    The reply is 200 with `X-Auth-User`, `X-Auth-Username`, `X-Auth-Email` (empty unless verified, an international
    domain in its ASCII form) and `X-Auth-Roles`, else 401 or 403. The query may demand a `role` or a `permission`; any
    other parameter gets 403.
    """
    user, query = call.user, call.query
    if not query.keys() <= {"role", "permission"}:
        raise Forbidden("The query may hold role and permission only.")
    permissions = permissions_of(user.roles)
    if not all(role in user.roles for role in query.get("role", ())):
        raise Forbidden("The user lacks the role.")
    if not all(permission in permissions for permission in query.get("permission", ())):
        raise Forbidden("The user lacks the permission.")
    return File(
        b"",
        "text/plain; charset=utf-8",
        {
            "X-Auth-User": user.id,
            "X-Auth-Username": user.username or "",
            "X-Auth-Email": ascii_email(user.email) if user.email and user.email_verified else "",
            "X-Auth-Roles": ",".join(user.roles),
        },
    )
