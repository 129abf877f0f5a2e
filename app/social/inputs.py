"""The bodies of requests about providers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from app.social.targets import LONGEST
from app.web.input import Body


class StartAtProvider(Body):
    """Where to go on afterwards, and what it is for."""

    redirect_to: Annotated[str, Field(min_length=1, max_length=LONGEST)] | None = Field(
        default=None,
        description="A path of this service, or the address of a page whose origin is in CORS_ORIGINS. `code` or"
        " `error` is added to its query. Without it, a page of this service shows the code.",
        examples=["https://app.example.com/signed-in?state=af0ifjsldkj"],
    )
    purpose: Literal["login", "link"] = Field(
        default="login", description="`link` is for the user of the access token.", examples=["login"]
    )
    challenge: Annotated[str, Field(pattern="^[A-Za-z0-9_-]{43}$")] | None = Field(
        default=None,
        description="The SHA-256, in base64url, of a `verifier` that the page keeps and sends with the code: so nobody"
        " can slip it a code of theirs.",
        examples=["E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"],
    )


class FinishAtProvider(Body):
    """The code that came back."""

    code: Annotated[str, Field(min_length=1, max_length=200)] = Field(
        repr=False, description="From the query of `redirect_to`, or the page.", examples=["q0uYp1s7..."]
    )
    verifier: Annotated[str, Field(pattern=r"^[A-Za-z0-9._~-]{43,128}$")] | None = Field(
        default=None,
        repr=False,
        description="Needed if the start sent its `challenge`.",
        examples=["dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"],
    )
