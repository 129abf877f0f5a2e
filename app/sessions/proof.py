"""A login that is under way: what is proven, what can still be missing, and how that is proven.

Each thing that can be missing is one Reason, and each way to prove a second factor is one LoginMethod. Features declare
them (`login_reasons` and `login_methods` of `app.feature.Feature`); `app.sessions.gate` asks them all.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from app.platform.errors import FieldError, ValidationFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from app.accounts.account import Account
    from app.accounts.authentication import Authentication
    from app.accounts.model import Credentials
    from app.platform.devices import Device
    from app.platform.errors import Failure, InvalidCode
    from app.platform.instrumentation import Grant
    from app.throttle.device_tokens import Trust

Next: TypeAlias = Literal["second_factor", "enrol_factor"]
"""What a client does next; one word for each kind of Step."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What was proven of a user, in one epoch of their account.

    `name` is that of the login, under which its failures are counted; None if no name was submitted. `device_id` names
    the known device in whose budget they count. `trust` is set if that device stands for the second factor.
    """

    credentials: Credentials
    authentication: Authentication
    grant: Grant = "login"
    name: str | None = None
    device_id: str | None = None
    trust: Trust | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What is missing, and can be proven in this login by one of the `methods`."""

    next: Next
    methods: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why this login leads nowhere; `noted_as` is the reason that the audit event names."""

    failure: Failure
    noted_as: str


class Reason(Protocol):
    """Something that can keep a first factor from opening a session."""

    def unmet(self, proof: Proof) -> Step | Refusal | None:
        """What is missing; None if this is no reason to stop. Reads nothing but the proof."""


class Settling(Protocol):
    """What is settled first when a factor was proven, so that a login goes by what is true at this moment."""

    def __call__(self, proof: Proof, device: Device) -> Proof:
        """The proof, with the present credentials if it changed the account."""


class SpentCodeError(Exception):
    """The cause of an InvalidCode whose code was right once: whoever sends it again does not guess."""


def is_guess(failure: InvalidCode) -> bool:
    """Whether a refused code counts as a failed attempt. Or of many that send a right code at once, those who are late
    would have the throttle refuse the one that is in time."""
    return not isinstance(failure.__cause__, SpentCodeError)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What somebody sends to prove a second factor: a code to type, or the credential of a WebAuthn ceremony.

    `bound_to` is what it was asked for: the id of the pending login, or of the session.
    """

    bound_to: str = ""
    code: str | None = field(default=None, repr=False)
    ceremony: str | None = field(default=None, repr=False)
    credential: Mapping[str, Any] | None = field(default=None, repr=False)


class LoginMethod(Protocol):
    """A way to prove a second factor, at login and, if it `steps_up`, in a session."""

    @property
    def name(self) -> str:
        """Its name in requests, one of those in `Credentials.factors`."""

    @property
    def by(self) -> Literal["code", "credential"]:
        """What of the Evidence it takes."""

    @property
    def steps_up(self) -> bool:
        """Whether it also proves in a session that the user is still there."""

    @property
    def enrols(self) -> bool:
        """Whether a user who needs a second factor and has none can add this one in their login."""

    def prove(self, account: Account, evidence: Evidence, device: Device) -> tuple[str, ...]:
        """Use up a code or a credential of this account. Of concurrent calls with the same one succeeds.

        Returns what it proves, in names of RFC 8176: none for what that has no name for. Raises InvalidCode for
        anything else, and if the account has no such factor, with SpentCodeError as its cause for a code that is used
        up; SessionEnded if the account has changed in a way that ends its sessions.
        """


def method_of(methods: Iterable[LoginMethod], name: str, evidence: Evidence) -> LoginMethod:
    """The method of this name, which takes what was sent. Raises ValidationFailed."""
    found = next((each for each in methods if each.name == name), None)
    if found is None:
        raise ValidationFailed(fields=(FieldError("method", "unknown", "There is no such method here."),))
    if (found.by == "code") is (evidence.code is None):
        raise ValidationFailed(fields=(FieldError(found.by, "required", "This method needs it."),))
    return found
