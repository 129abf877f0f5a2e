"""The form of the page that asks whether to log out. All values are text, and fields left empty are absent."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from app.web.input import Body
from app.web.parameters import Parameters

_LONGEST = 2000


class ConfirmLogout(Body):
    """Who asks for the logout, and where the browser is to go then."""

    client_id: Annotated[str, Field(max_length=_LONGEST)] | None = None
    post_logout_redirect_uri: Annotated[str, Field(max_length=_LONGEST)] | None = None
    state: Annotated[str, Field(max_length=_LONGEST)] | None = None

    @property
    def parameters(self) -> Parameters:
        """The same as the client sent it."""
        return Parameters({name: (value,) for name, value in self.model_dump(exclude_none=True).items()})
