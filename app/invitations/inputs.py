"""The bodies of requests that invite somebody, and that answer an invitation."""

from __future__ import annotations

from pydantic import ConfigDict, ValidationInfo, field_validator

from app.accounts.fields import Email, Name, NewPassword, Username, refuse_own_words
from app.recovery.inputs import Mailed
from app.roles.inputs import RoleNames
from app.web.input import Body


class Invite(Body):
    """Who is invited. Without `roles` they get those of every new user."""

    email: Email
    username: Username | None = None
    name: Name | None = None
    roles: RoleNames | None = None


class AnswerInvitation(Mailed):
    """What was mailed to the address (either `token`, or `email` and `code`), a password, and, if they shall differ
    from those of the invitation, a user name and a name."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "email": "ann@example.com",
                    "code": "7K3M-Q9TD",
                    "username": "ann",
                    "password": "correct horse battery staple",
                }
            ],
        }
    )

    username: Username | None = None
    name: Name | None = None
    password: NewPassword

    @field_validator("password")
    @classmethod
    def _not_an_own_word(cls, password: str, info: ValidationInfo) -> str:
        return refuse_own_words(password, (info.data.get("email"), info.data.get("username"), info.data.get("name")))
