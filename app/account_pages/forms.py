"""What the forms of several pages share. All values are text, and fields left empty are absent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, TypeVar

from pydantic import Field, ValidationError

from app.account_pages.login.destination import Destination
from app.web.input import Body, wrong

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.sessions.inputs import WebAuthnJson

CredentialT = TypeVar("CredentialT", bound="WebAuthnJson")

LONGEST_HIDDEN: Final = 500
"""Characters of what a page keeps in a hidden field."""
_LONGEST_CREDENTIAL: Final = 32_768


class OnwardForm(Body):
    """A form that leads on: in an authorization request, or to a page of this service."""

    request: Annotated[str, Field(max_length=LONGEST_HIDDEN)] | None = Field(default=None, repr=False)
    to: Annotated[str, Field(max_length=LONGEST_HIDDEN)] | None = None

    @property
    def going(self) -> Destination:
        """Where it leads."""
        return Destination.of({"request": self.request, "to": self.to})


def from_json(credential: type[CredentialT]) -> Callable[[object], CredentialT]:
    """Reads what a passkey answered from its JSON, which a script puts into a hidden field."""

    def read(text: object) -> CredentialT:
        try:
            return credential.model_validate_json(str(text)[:_LONGEST_CREDENTIAL])
        except ValidationError:
            raise wrong("invalid_credential", "The answer of the browser could not be read. Try again.") from None

    return read
