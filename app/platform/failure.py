"""What a failure is: a reply to the client, entered into one catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping

CATALOGUE: dict[str, type[Failure]] = {}
"""Every failure by its code, in the order of this file."""


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field of a request: never carries the value that was sent."""

    field: str
    code: str
    message: str


class Failure(Exception):  # noqa: N818 - a failure is a reply to the client, not a fault of the program
    """A failure that is reported to the client.

    `message` stands in the reply, `meaning` and `remedy` on the help page `/errors/<code>`.
    `retry_after` is in whole seconds and becomes the `Retry-After` header.
    """

    code: ClassVar[str]
    status: ClassVar[int]
    message: str
    meaning: ClassVar[str]
    remedy: ClassVar[str]
    carries: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """The headers of its reply beside those that its status implies, each with what it says."""
    challenge: str | None = None
    """`WWW-Authenticate` of a 401, where it is not the usual one."""

    def __init_subclass__(cls) -> None:
        """Enter the class into the catalogue; a code belongs to one class."""
        if cls.code in CATALOGUE:
            raise TypeError(f"two failures share the code {cls.code!r}")
        CATALOGUE[cls.code] = cls

    def __init__(
        self,
        message: str | None = None,
        *,
        fields: tuple[FieldError, ...] = (),
        retry_after: int | None = None,
    ) -> None:
        self.message = message or type(self).message
        self.fields = fields
        self.retry_after = retry_after
        super().__init__(self.message)

    @property
    def facts(self) -> Mapping[str, Any]:
        """What stands in the reply beside the message, by its name there."""
        return {}

    @property
    def headers(self) -> Mapping[str, str]:
        """The values of the headers that it `carries`."""
        return {}


class StartError(Exception):
    """The service cannot start; the text is one line that says what to do."""
