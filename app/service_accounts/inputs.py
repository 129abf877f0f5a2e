"""The bodies of requests about service accounts."""

from __future__ import annotations

from pydantic import Field

from app.accounts.fields import Name
from app.roles.inputs import RoleNames
from app.web.input import Body


class CreateServiceAccount(Body):
    """A new service account."""

    name: Name = Field(examples=["Nightly reports"])
    roles: RoleNames


class ChangeServiceAccount(Body):
    """The roles that a service account shall have, and no others."""

    roles: RoleNames
