"""The section about the authorization server, and about the pages where users log in to clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

from pydantic import BeforeValidator, ValidationInfo, field_validator

from app.config import values
from app.config.section import Section, setting
from app.config.sections import Algorithm, jwt_algorithm

if TYPE_CHECKING:
    from collections.abc import Iterator

ANY_HOST: Final = "*"
"""What CIMD_ALLOW becomes if it is `any`."""


def metadata_hosts(text: object) -> tuple[str, ...]:
    """The hosts whose client metadata documents are fetched: none for `off`, ANY_HOST alone for `any`."""
    if not isinstance(text, str):
        raise ValueError("has to be off, any, or host names")  # noqa: TRY004 - pydantic reports ValueErrors only
    word = text.strip().lower()
    if word == "off":
        return ()
    if word == "any":
        return (ANY_HOST,)
    hosts = tuple(values.allowed_host(entry) for entry in values.items(text))
    if ANY_HOST in hosts:
        raise ValueError("has to be `any`, and nothing else, for any host")
    return hosts


def includes_host(hosts: tuple[str, ...], host: str) -> bool:
    """Whether these, as `metadata_hosts` gives them, name a host; `.example.com` names that and its subdomains."""
    return any(entry in {host, ANY_HOST} or (entry.startswith(".") and f".{host}".endswith(entry)) for entry in hosts)


_Hosts = Annotated[tuple[str, ...], BeforeValidator(metadata_hosts)]


class OAuth(Section):
    """The authorization server: OAuth 2.1 and OpenID Connect (docs/oauth.md)."""

    jwt_algorithm: Algorithm = jwt_algorithm()
    on: values.Switch = setting(
        "OAUTH",
        lambda fields: fields["jwt_algorithm"] != "HS256",
        "The authorization server: `/oauth`, its well-known documents, and the administration of clients. It signs ID"
        " tokens with published keys, so not with HS256.",
        example="off",
        default_text="on; off with JWT_ALGORITHM=HS256",
    )
    pages: values.Switch = setting(
        "PAGES",
        True,  # noqa: FBT003 - the default of the field
        "The pages where users log in and allow clients: `/login`, `/consent`, `/device` and so on. Without them the"
        " authorization server gives no codes.",
        example="off",
    )
    cimd_allow: _Hosts = setting(
        "CIMD_ALLOW",
        (),
        "Whose URLs are taken as client ids, with the metadata that is fetched there (Client ID Metadata Documents):"
        " `off`, `any`, or host names, separated by commas; `.example.com` is that name and its subdomains.",
        example="example.com,.apps.example.net",
        default_text="off",
    )
    code_seconds: int = setting(
        "OAUTH_CODE_SECONDS", 60, "How long an authorization code lives.", example="30", ge=1, le=60
    )
    device_code_seconds: int = setting(
        "DEVICE_CODE_SECONDS",
        600,
        "How long a device code lives: in this time users open `/device` and enter the code that their device shows.",
        example="300",
        ge=60,
        le=1800,
    )
    client_sessions_per_user: int = setting(
        "CLIENT_SESSIONS_PER_USER",
        10,
        "How many sessions one client may have of one user. One more ends the least recently used of them.",
        example="5",
        ge=1,
        le=1000,
    )

    @field_validator("on")
    @classmethod
    def _with_keys_to_publish(cls, on: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - called by pydantic
        if on and info.data.get("jwt_algorithm") == "HS256":
            raise ValueError(
                "cannot be on with JWT_ALGORITHM=HS256, whose key no client can have: set OAUTH=off, or"
                " JWT_ALGORITHM=ES256"
            )
        return on

    def problems(self) -> Iterator[str]:
        """What an operator may not expect, a line each."""
        if "on" not in self.model_fields_set and not self.on:
            yield "OAUTH: off, since JWT_ALGORITHM=HS256 publishes no key; JWT_ALGORITHM=ES256 turns it on"
