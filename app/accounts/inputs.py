"""The bodies of `controllers/account.py`."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict

from app.accounts.fields import Email, Name, NewPassword, SubmittedPassword, Username  # noqa: TC001 - pydantic reads them
from app.web.input import Body


def _without_defaults(schema: dict[str, Any]) -> None:
    for field in schema["properties"].values():
        field.pop("default", None)


class UpdateMe(Body):
    """New names. A field that is left out does not change. A `name` of null removes the name."""

    # The defaults stand for "not given". The default of `username` is not a valid user name, so nobody can send it.
    model_config = ConfigDict(json_schema_extra=_without_defaults)

    username: Username = ""
    name: Name | None = None


class DeleteMe(Body):
    """The current password."""

    password: SubmittedPassword


class ChangePassword(Body):
    """The current password and a new one."""

    current_password: SubmittedPassword
    new_password: NewPassword


class ChangeEmail(Body):
    """The new address and the current password."""

    email: Email
    password: SubmittedPassword
