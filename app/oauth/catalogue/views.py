"""Scopes and resources as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from app.web.view import View

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.oauth.catalogue.model import Resource, Scope


class ScopeView(View):
    """A scope."""

    name: str = Field(examples=["files:read"])
    description: str = Field(description="What it permits, as the consent page says it.", examples=["Read your files."])
    standard: bool = Field(description="Whether it is one of OpenID Connect, which stay.", examples=[False])

    @classmethod
    def of(cls, scope: Scope, *, standard: bool = False) -> ScopeView:
        """The view of a scope."""
        return cls(name=scope.name, description=scope.description, standard=standard)


class ScopeData(View):
    """One scope."""

    scope: ScopeView

    @classmethod
    def of(cls, scope: Scope) -> ScopeData:
        """The data of a reply about one scope."""
        return cls(scope=ScopeView.of(scope))


class ScopeList(View):
    """Some scopes."""

    scopes: list[ScopeView]
    next: str | None = Field(description="The `cursor` of the next page; null at the end.", examples=[None])


class ResourceView(View):
    """A resource."""

    uri: str = Field(examples=["https://files.example.com/"])
    name: str = Field(examples=["Files"])
    scopes: list[str] | None = Field(
        description="The scopes that may be asked for with it; null for all.", examples=[["files:read"]]
    )

    @classmethod
    def of(cls, resource: Resource) -> ResourceView:
        """The view of a resource."""
        scopes = None if resource.scopes is None else list(resource.scopes)
        return cls(uri=resource.uri, name=resource.name, scopes=scopes)


class ResourceData(View):
    """One resource."""

    resource: ResourceView

    @classmethod
    def of(cls, resource: Resource) -> ResourceData:
        """The data of a reply about one resource."""
        return cls(resource=ResourceView.of(resource))


class ResourceList(View):
    """Some resources."""

    resources: list[ResourceView]
    next: str | None = Field(description="The `cursor` of the next page; null at the end.", examples=[None])

    @classmethod
    def of(cls, resources: Sequence[Resource], after: str | None) -> ResourceList:
        """The data of a reply with a part of the resources."""
        return cls(resources=[ResourceView.of(resource) for resource in resources], next=after)
