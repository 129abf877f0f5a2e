"""Nobody gives, takes or changes more than they hold themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from app.platform.errors import Forbidden

if TYPE_CHECKING:
    from app.roles.service import Roles
    from app.web.caller import Caller


class Authority(Protocol):
    """Where it is asked what the caller of a request may do now, right before the write that it asks for."""

    def held_by(self, caller: Caller) -> frozenset[str]:
        """The permissions that the caller had at the start of their request and still has.

        Raises SessionEnded if they may not act at all any more.
        """


def require_power(authority: Authority, roles: Roles, by: Caller, permission: str, *, over: tuple[str, ...]) -> None:
    """Ask right before a write: raises Forbidden unless `by` still holds the permission, and all that the roles `over`
    whose holders they act permit; SessionEnded if they may not act at all any more."""
    held = authority.held_by(by)
    require_permission(held, permission)
    require_authority(held, roles.permissions_of(over))


def require_permission(actor: frozenset[str], permission: str) -> None:
    """Raises Forbidden if the actor does not hold a permission."""
    if permission not in actor:
        raise Forbidden(f"This needs the permission {permission}.")


def require_authority(actor: frozenset[str], target: frozenset[str]) -> None:
    """Raises Forbidden, naming what the actor lacks, unless they hold all permissions of the target.

    The target is a role, as it is and as it shall be, or a user, with the roles that they have and shall have.
    """
    if lacking := sorted(target - actor):
        raise Forbidden(f"This concerns permissions that you do not hold yourself: {', '.join(lacking)}.")
