"""The bodies of requests about scopes and resources."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from app.web.input import Body, wrong

_SCOPE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/+-]*")
_URI: Final = re.compile(r"[a-z][a-z0-9+.-]*:[!$&'()*+,./0-9:;=?@A-Z\[\]_a-z~%-]+")


def _scope(name: str) -> str:
    if not _SCOPE.fullmatch(name):
        raise wrong("invalid_scope", "A scope consists of letters, digits and _ . : / + -, like files:read.")
    return name


def _uri(uri: str) -> str:
    if not _URI.fullmatch(uri):
        raise wrong("invalid_resource", "A resource is an absolute URI without a fragment (RFC 8707).")
    return uri


def _words(text: str) -> str:
    if any(unicodedata.category(character) in {"Cc", "Cf", "Zl", "Zp"} for character in text):
        raise wrong("invalid_text", "This contains no control characters.")
    if not text.strip():
        raise wrong("too_short", "This contains more than spaces.")
    return text.strip()


ScopeName = Annotated[
    str,
    Field(min_length=1, max_length=100, description="Its name in requests and tokens.", examples=["files:read"]),
    AfterValidator(_scope),
]
ResourceUri = Annotated[
    str,
    Field(
        min_length=1,
        max_length=300,
        description="An absolute URI: the `resource` that clients ask for, and the audience of the tokens.",
        examples=["https://files.example.com/"],
    ),
    AfterValidator(_uri),
]


class CreateScope(Body):
    """A new scope."""

    name: ScopeName
    description: Annotated[
        str,
        Field(
            min_length=1,
            max_length=200,
            description="What it permits, as the consent page says it.",
            examples=["Read your files."],
        ),
        AfterValidator(_words),
    ]


class CreateResource(Body):
    """A new resource."""

    uri: ResourceUri
    name: Annotated[
        str,
        Field(min_length=1, max_length=100, description="What people call it; no two alike.", examples=["Files"]),
        AfterValidator(_words),
    ]
    scopes: list[ScopeName] | None = Field(
        default=None,
        max_length=100,
        description="The scopes of `/admin/scopes` that may be asked for with it; null, the default, for all.",
        examples=[["files:read"]],
    )
