"""The bodies of requests that ask why a request is refused."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints, WithJsonSchema, model_validator

from app.web.input import Body, wrong
from app.web.parameters import Parameters

_Name = Annotated[str, StringConstraints(min_length=1, max_length=100)]
_Value = Annotated[str, StringConstraints(max_length=8000)]
_MOST = 100
# Generators of clients in Java fail at "a text or a list of texts".
_Parameters = Annotated[
    dict[_Name, _Value | list[_Value]],
    Field(max_length=_MOST),
    WithJsonSchema({"type": "object", "maxProperties": _MOST, "additionalProperties": True}),
]


class ExplainClient(Body):
    """An authorization URL, or the parameters of a token request: one of the two."""

    url: Annotated[str, StringConstraints(min_length=1, max_length=8000)] | None = Field(
        None,
        description="An authorization URL, with its query.",
        examples=["https://id.example.com/oauth/authorize?client_id=019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7a"],
    )
    token_request: _Parameters | None = Field(
        None,
        description="The parameters of a token request, `client_id` and `client_secret` among them; a list for"
        " `resource`, which may be there several times.",
        examples=[None],
    )

    @model_validator(mode="after")
    def _one_of_them(self) -> ExplainClient:
        if (self.url is None) is (self.token_request is None):
            raise wrong("one_of", "Give url or token_request.")
        return self

    @property
    def parameters(self) -> Parameters:
        """Those of the token request, without empty ones, as that endpoint reads them."""
        sent = {
            name: tuple(each for each in (value if isinstance(value, list) else [value]) if each)
            for name, value in (self.token_request or {}).items()
        }
        return Parameters({name: values for name, values in sent.items() if values})
