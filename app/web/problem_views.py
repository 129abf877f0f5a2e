"""Failures as JSON: the envelope of this service, or RFC 9457."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema  # noqa: TC002 - pydantic reads the annotation

from app.platform.errors import CATALOGUE
from app.web.view import BareView, is_none

if TYPE_CHECKING:
    from app.platform.errors import Failure


_FIELD_ERROR = {"field": "password", "code": "too_short", "message": "A password has at least 10 characters."}


class FieldErrorView(BareView):
    """One wrong field."""

    field: str = Field(examples=[_FIELD_ERROR["field"]])
    code: str = Field(examples=[_FIELD_ERROR["code"]])
    message: str = Field(examples=[_FIELD_ERROR["message"]])


class LoginStepView(BareView):
    """A login that is not finished."""

    token: str = Field(
        description="Opaque. Send it to POST /auth/login/continue as `login_token`.", examples=["q0uYp1s7..."]
    )
    expires_in: int = Field(description="Seconds until it expires.", examples=[600])
    next: str = Field(
        description="What is missing: `second_factor`, or `enrol_factor` for a user who has none and needs one. They"
        " add one by the endpoints for that, with the `token` in `Authorization: Bearer`.",
        examples=["second_factor"],
    )
    methods: list[str] = Field(
        description="One of these proves it, or can be added.", examples=[["totp", "recovery_code"]]
    )


def _known_codes(schema: dict[str, Any]) -> None:
    schema["enum"] = list(CATALOGUE)


class Problem(BareView):
    """A failure."""

    status: Literal["error"] = "error"
    code: str = Field(examples=["validation_failed"], json_schema_extra=_known_codes)
    message: str = Field(examples=["Some fields are wrong."])
    help: str = Field(
        description="A page that explains the code and what to do.",
        examples=["http://localhost:5000/errors/validation_failed"],
    )
    request_id: str = Field(examples=["9fd6eeefdda32312630d860928468d20"])
    errors: list[FieldErrorView] | SkipJsonSchema[None] = Field(
        default=None,
        exclude_if=is_none,
        description="The wrong fields, 100 at the most. Absent unless fields are wrong.",
        examples=[[_FIELD_ERROR]],
    )
    login: LoginStepView | SkipJsonSchema[None] = Field(
        default=None, exclude_if=is_none, description="Only with `second_factor_required`: how the login goes on."
    )
    methods: list[str] | SkipJsonSchema[None] = Field(
        default=None,
        exclude_if=is_none,
        description="Only with `reauthentication_required`: one of these does at POST /auth/reauthenticate.",
        examples=[["totp"]],
    )

    @classmethod
    def of(cls, failure: Failure, *, help_url: str, request_id: str) -> Problem:
        """A failure in the envelope."""
        return cls(
            code=failure.code,
            message=failure.message,
            help=help_url,
            request_id=request_id,
            errors=_fields(failure),
            **failure.facts,
        )


class ProblemDetails(BareView):
    """A failure in the form of RFC 9457, for clients that accept `application/problem+json`."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[FieldErrorView] | SkipJsonSchema[None] = Field(default=None, exclude_if=is_none)
    login: LoginStepView | SkipJsonSchema[None] = Field(default=None, exclude_if=is_none)
    methods: list[str] | SkipJsonSchema[None] = Field(default=None, exclude_if=is_none)

    @classmethod
    def of(cls, failure: Failure, *, help_url: str, request_id: str) -> ProblemDetails:
        """A failure as problem details."""
        return cls(
            type=help_url,
            title=type(failure).message,
            status=failure.status,
            detail=failure.message,
            code=failure.code,
            request_id=request_id,
            errors=_fields(failure),
            **failure.facts,
        )


def _fields(failure: Failure) -> list[FieldErrorView] | None:
    errors = [FieldErrorView(field=error.field, code=error.code, message=error.message) for error in failure.fields]
    return errors or None
