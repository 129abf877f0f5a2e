"""What a setting and a section of settings are."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic.fields import FieldInfo

from app.config import values
from app.config.profiles import PROFILES, Profile, Rules
from app.config.sources import Refused

_HTTP = 80


def setting(
    name: str,
    default: object,
    description: str,
    *,
    example: str | None = None,
    default_text: str | None = None,
    secret: bool = False,
    **limits: Any,  # noqa: ANN401 - passed on to pydantic's Field
) -> Any:  # noqa: ANN401 - like Field, it stands for a default of any type
    """A field of a section, read from the variable `name`.

    `default` may be a function of the fields above it; `default_text` then describes it in the documentation.
    `example` is a value that works, as it is written in `.env`. `limits` are Field's (ge, le ...).
    """
    return Field(
        **({"default_factory": default} if callable(default) else {"default": default}),
        **limits,
        validation_alias=name,
        description=description,
        examples=[] if example is None else [example],
        json_schema_extra={"default_text": default_text, "secret": secret},
    )


class Section(BaseModel):
    """The settings that the defaults and rules of several sections depend on: each section reads them."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, loc_by_alias=False)

    profile: Profile = setting(
        "FLASK_ENV",
        "production",
        "The profile. It decides some defaults and how strict the checks at start are. `make run` sets development.",
        example="production",
    )
    port: int = setting("PORT", 5000, "The port to listen on.", example="8080", ge=0, le=65535)
    published_port: values.PublishedPort = setting(
        "PUBLISHED_PORT",
        lambda fields: fields["port"],
        "The port of this machine on which a container is published, also as ADDRESS:PORT. PUBLIC_URL is guessed"
        " from it. Compose sets it.",
        example="8080",
        default_text="PORT",
    )
    public_url: values.PublicUrl = setting(
        "PUBLIC_URL",
        lambda fields: "http://localhost" + ("" if (port := fields["published_port"]) == _HTTP else f":{port}"),
        "The address at which clients reach the service. It is the issuer of tokens and the beginning of every"
        " link. No slash at the end.",
        example="https://auth.example.com",
        default_text="http://localhost:PUBLISHED_PORT",
    )
    web_concurrency: int = setting(
        "WEB_CONCURRENCY", 2, "How many worker processes gunicorn starts.", example="4", ge=1
    )

    @field_validator("*", mode="before")
    @classmethod
    def _refuse(cls, value: object) -> object:
        if isinstance(value, Refused):
            raise ValueError(value.reason)  # noqa: TRY004 - pydantic reports ValueErrors only
        return value


def profile_rules(info: ValidationInfo) -> Rules | None:
    """The rules of the profile, or None where FLASK_ENV itself is wrong."""
    return PROFILES.get(info.data["profile"]) if "profile" in info.data else None


def name_of(field: FieldInfo) -> str:
    """The name of the setting, which is the name of its variable."""
    return str(field.validation_alias)


def example_of(field: FieldInfo) -> str | None:
    """A value that works, as it is written in `.env`; None for a key, which must not be copied."""
    return field.examples[0] if field.examples else None


def is_secret(field: FieldInfo) -> bool:
    """Whether the value is secret: never shown, and readable from the file that `<NAME>_FILE` names."""
    return bool(_extra(field)["secret"])


def default_text_of(field: FieldInfo) -> str:
    """The default as the documentation puts it."""
    default = field.default
    if text := _extra(field)["default_text"]:
        return str(text)
    if isinstance(default, bool):
        return "on" if default else "off"
    return ",".join(default) if isinstance(default, tuple) else str(default)


def _extra(field: FieldInfo) -> dict[str, Any]:
    if not isinstance(field.json_schema_extra, dict):
        raise TypeError(f"{field.validation_alias} has to be made by setting()")
    return field.json_schema_extra
