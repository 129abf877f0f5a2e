"""The reasons to stop a login after its first factor: the account has a second one, or needs one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from app.roles.model import ADMINISTRATOR
from app.sessions.proof import Step

if TYPE_CHECKING:
    from app.roles.service import Roles
    from app.sessions.proof import Proof


class SecondFactorMissing:
    """A reason (`app.sessions.proof.Reason`): one factor was proven of an account that has two."""

    def unmet(self, proof: Proof) -> Step | None:
        """The step by any of the account's methods, unless two factors were proven, or the device is trusted, or was
        when the user logged in to what this follows from."""
        factors = proof.credentials.factors
        known = proof.authentication
        done = known.has_two_factors or known.by_trusted_device or proof.trust is not None
        return Step("second_factor", factors) if factors and not done else None


@dataclass(frozen=True, slots=True)
class RequiredFactorMissing:
    """A reason: the account has no second factor, and one is required, of everybody or by a role.

    `of_whom` is the setting REQUIRE_SECOND_FACTOR, and `methods` are those that can be added in a login.
    """

    of_whom: Literal["off", "admins", "all"]
    roles: Roles
    methods: tuple[str, ...]

    def unmet(self, proof: Proof) -> Step | None:
        """The step by which the user adds a factor. Two factors that were proven elsewhere do as well."""
        if proof.credentials.factors or proof.authentication.has_two_factors:
            return None
        return Step("enrol_factor", self.methods) if self._is_required(proof.credentials.user.roles) else None

    def _is_required(self, roles: tuple[str, ...]) -> bool:
        if self.of_whom == "all" or (self.of_whom == "admins" and ADMINISTRATOR in roles):
            return True
        return self.roles.require_second_factor(roles)
