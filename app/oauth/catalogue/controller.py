"""Scopes and resources, for those who administer clients."""

from __future__ import annotations

from app.accounts.principal import Principal
from app.oauth.catalogue.inputs import CreateResource, CreateScope
from app.oauth.catalogue.model import STANDARD, Resource, Scope
from app.oauth.catalogue.service import Catalogue
from app.oauth.catalogue.views import ResourceData, ResourceList, ScopeData, ScopeList, ScopeView
from app.oauth.clients.permissions import READ, WRITE
from app.platform.errors import Forbidden, InvalidRequest, NotFound, SessionEnded, ValidationFailed
from app.web.call import Call, CallBy
from app.web.endpoint import endpoint
from app.web.guard import permission
from app.web.paging import Part
from app.web.view import Nothing

_READ = permission(READ).by("session", "api_key")
_WRITE = permission(WRITE).by("session", "api_key")
_REFUSED = (Forbidden, SessionEnded)


@endpoint(
    "GET /admin/scopes",
    access=_READ,
    operation="listScopes",
    query=Part,
    returns=ScopeList,
    raises=(ValidationFailed,),
)
def scopes(call: Call, part: Part) -> ScopeList:
    """What clients may be given: the standard scopes and those that were created, by name."""
    found = sorted(call.get(Catalogue).load().scopes.items())
    some, after = part.of(found, lambda scope: scope[0], "scopes")
    listed = [ScopeView.of(Scope(name, said), standard=name in STANDARD) for name, said in some]
    return ScopeList(scopes=listed, next=after)


@endpoint(
    "POST /admin/scopes",
    access=_WRITE,
    operation="createScope",
    body=CreateScope,
    returns=ScopeData,
    status=201,
    message="Scope created",
    raises=(*_REFUSED, InvalidRequest, ValidationFailed),
)
def create_scope(call: CallBy[Principal], body: CreateScope) -> ScopeData:
    """Create a scope. Clients may ask for it once they list it. What it permits is for the APIs that read tokens."""
    scope = Scope(body.name, body.description)
    return ScopeData.of(call.get(Catalogue).add_scope(scope, call.caller, call.device))


@endpoint(
    "DELETE /admin/scopes/<path:name>",
    access=_WRITE,
    operation="deleteScope",
    returns=Nothing,
    message="Scope deleted",
    raises=(*_REFUSED, NotFound, InvalidRequest),
)
def delete_scope(call: CallBy[Principal], name: str) -> Nothing:
    """Delete a scope that no resource lists: it is given to no client any more. Sessions keep it while they live."""
    call.get(Catalogue).remove_scope(name, call.caller, call.device)
    return Nothing()


@endpoint(
    "GET /admin/resources",
    access=_READ,
    operation="listResources",
    query=Part,
    returns=ResourceList,
    raises=(ValidationFailed,),
)
def resources(call: Call, part: Part) -> ResourceList:
    """The APIs whose tokens are issued here, by URI."""
    found = sorted(call.get(Catalogue).load().resources.values(), key=lambda resource: resource.uri)
    return ResourceList.of(*part.of(found, lambda resource: resource.uri, "resources"))


@endpoint(
    "POST /admin/resources",
    access=_WRITE,
    operation="createResource",
    body=CreateResource,
    returns=ResourceData,
    status=201,
    message="Resource created",
    raises=(*_REFUSED, InvalidRequest, ValidationFailed),
)
def create_resource(call: CallBy[Principal], body: CreateResource) -> ResourceData:
    """Create a resource: an API that accepts tokens of this service, with `uri` as their audience (RFC 8707).

    Clients that list resources ask for those alone; the others may ask for each of these.
    """
    scopes = None if body.scopes is None else tuple(dict.fromkeys(body.scopes))
    resource = Resource(body.uri, body.name, scopes)
    return ResourceData.of(call.get(Catalogue).add_resource(resource, call.caller, call.device))


@endpoint(
    "DELETE /admin/resources/<path:name>",
    access=_WRITE,
    operation="deleteResource",
    returns=Nothing,
    message="Resource deleted",
    raises=(*_REFUSED, NotFound),
)
def delete_resource(call: CallBy[Principal], name: str) -> Nothing:
    """Delete a resource, by its name or its percent-encoded URI. Sessions keep it while they live."""
    call.get(Catalogue).remove_resource(name, call.caller, call.device)
    return Nothing()
