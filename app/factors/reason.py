"""The reason to stop a login after its first factor: the account has a second one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.sessions.proof import Step

if TYPE_CHECKING:
    from app.sessions.proof import Proof


class SecondFactorMissing:
    """A reason (`app.sessions.proof.Reason`): one factor was proven of an account that has two."""

    def unmet(self, proof: Proof) -> Step | None:
        """The step by any of the account's methods, unless two factors were proven."""
        factors = proof.credentials.factors
        return Step("second_factor", factors) if factors and not proof.authentication.has_two_factors else None
