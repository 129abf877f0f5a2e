"""Why a request to the authorization server is refused, for those who administer its clients."""

from __future__ import annotations

from app.oauth.clients.permissions import READ
from app.oauth.explain.inputs import ExplainClient
from app.oauth.explain.service import ExplainRequests
from app.oauth.explain.views import ExplainedRequest
from app.web.call import Call
from app.web.endpoint import endpoint
from app.web.guard import permission


@endpoint(
    "POST /admin/clients/explain",
    access=permission(READ).by("session", "api_key"),
    operation="explainClient",
    body=ExplainClient,
    returns=ExplainedRequest,
)
def explain(call: Call, body: ExplainClient) -> ExplainedRequest:
    """Exactly why an authorization `url` is refused, or a `token_request` would be.

    The same code decides as at the endpoints themselves. Nothing is spent, counted or changed by it: a code that is
    explained can still be redeemed.
    """
    service = call.get(ExplainRequests)
    if body.url is not None:
        return ExplainedRequest.of(service.url(body.url))
    return ExplainedRequest.of(service.token_request(body.parameters))
