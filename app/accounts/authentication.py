"""When and how a user proved who they are: `auth_time`, `amr` and `acr` of their access tokens."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

PASSWORD: Final = "pwd"  # noqa: S105 - a name of RFC 8176
MAILED_CODE: Final = "otp"
"""A code or link that was mailed, and works once. RFC 8176 has no name for mail; its closest one is the one-time
password, which says nothing of how strong that is: `acr` does."""
MFA: Final = "mfa"
"""More than one factor, RFC 8176 section 2."""
_TRUSTED: Final = "trusted_device"
"""The mark of an authentication in which a trusted device stood for the second factor; no name of RFC 8176."""
AAL1: Final = "urn:latchkey:aal1"
AAL2: Final = "urn:latchkey:aal2"
LEVELS: Final = (AAL1, AAL2)
"""The values of `acr`, the weakest first: one factor, and two factors of a kind that NIST SP 800-63B-4 calls AAL2."""


@dataclass(frozen=True, slots=True)
class Authentication:
    """What was proven, and when the last of it was; `amr` holds names of RFC 8176, in the order of the proofs.

    `by_trusted_device` says that a device stood for the second factor of the account: what needs a recent
    authentication needs the factor itself.
    """

    at: datetime
    amr: tuple[str, ...] = (PASSWORD,)
    by_trusted_device: bool = False

    @classmethod
    def from_kept(cls, at: datetime, text: str | None) -> Authentication:
        """What a session keeps as `kept`."""
        return cls.marked(at, amr_of(text))

    @classmethod
    def marked(cls, at: datetime, amr: tuple[str, ...], *, by_trusted_device: bool = False) -> Authentication:
        """What a session or an access token says. A former version, which does not know the mark of a trusted device,
        hands it on among the names."""
        if _TRUSTED not in amr:
            return cls(at, amr, by_trusted_device)
        return cls(at, tuple(each for each in amr if each != _TRUSTED), by_trusted_device=True)

    @property
    def kept(self) -> str:
        """As a session keeps it."""
        return amr_text((*self.amr, _TRUSTED) if self.by_trusted_device else self.amr)

    @property
    def has_two_factors(self) -> bool:
        """Whether two factors were proven."""
        return MFA in self.amr

    @property
    def acr(self) -> str:
        """How strong that is, one of LEVELS."""
        return AAL2 if self.has_two_factors else AAL1

    def reaches(self, acr: str) -> bool:
        """Whether this is at least as strong as one of LEVELS."""
        return LEVELS.index(self.acr) >= LEVELS.index(acr)

    def is_within(self, seconds: int, now: datetime) -> bool:
        """Whether the last proof is at most so old, in whole seconds, as tokens tell its time.

        Never if a trusted device stood for a factor, which was not proven then.
        """
        return not self.by_trusted_device and int(now.timestamp()) - int(self.at.timestamp()) <= seconds

    def with_factor(self, methods: tuple[str, ...], at: datetime) -> Authentication:
        """The same after a second factor; `methods` are its names in `amr`: none if RFC 8176 has none for it."""
        proven = (*self.amr, *methods, MFA)
        return replace(self, at=at, amr=tuple(dict.fromkeys(proven)), by_trusted_device=False)

    def repeated(self, at: datetime) -> Authentication:
        """The same after a factor that was proven before was proven again."""
        return replace(self, at=at)


def amr_text(amr: tuple[str, ...]) -> str:
    """The methods as a store keeps them, separated by spaces."""
    return " ".join(amr)


def amr_of(text: str | None) -> tuple[str, ...]:
    """The methods in a text of `amr_text`. A former version kept none: there every session began with a password."""
    return tuple(text.split()) if text else (PASSWORD,)
