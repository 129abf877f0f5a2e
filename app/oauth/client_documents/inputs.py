"""What a document says of its client (Client ID Metadata Document, with the names of RFC 7591)."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from app.oauth.client_documents.model import Described, InvalidDocumentError
from app.oauth.clients.inputs import Name, Pages, RedirectUris
from app.platform.errors import MalformedJson, ValidationFailed
from app.platform.strict_json import parse_json
from app.web.body import validate
from app.web.input import Body, wrong


def read_document(url: str, raw: bytes) -> Described:
    """An `app.oauth.client_documents.model.Read`."""
    try:
        said = validate(parse_json(raw), DocumentOfClient, url)
    except MalformedJson as error:
        raise InvalidDocumentError(f"The document is not JSON with one reading: {error.message}") from None
    except ValidationFailed as failed:
        wrong = " ".join(f"{error.field}: {error.message}" for error in failed.fields)
        raise InvalidDocumentError(f"The document is not valid. {wrong}") from None
    return Described(said.client_name, tuple(said.redirect_uris), tuple(said.post_logout_redirect_uris))


class DocumentOfClient(Body):
    """The fields that are used here; all others are ignored, as those of logos and policies: they are not fetched.

    The context of the validation is the URL of the document.
    """

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, hide_input_in_errors=True)

    client_id: str
    client_name: Name | None = None
    redirect_uris: Annotated[RedirectUris, Field(min_length=1)]
    post_logout_redirect_uris: Pages = Field(default_factory=list)
    token_endpoint_auth_method: Any = "none"  # noqa: S105 - no secret
    grant_types: list[str] = Field(default_factory=list)
    response_types: list[str] = Field(default_factory=list)
    client_secret: Any = None
    client_secret_expires_at: Any = None

    @field_validator("client_id")
    @classmethod
    def _names_itself(cls, client_id: str, info: ValidationInfo) -> str:
        if client_id != info.context:
            raise wrong("other_client", "This has to be the URL of the document, to the letter.")
        return client_id

    @field_validator("token_endpoint_auth_method")
    @classmethod
    def _has_no_secret(cls, method: object) -> object:
        if method != "none":
            raise wrong("unsupported", "This has to be none: such a client is public here.")
        return method

    @field_validator("client_secret", "client_secret_expires_at")
    @classmethod
    def _publishes_none(cls, _: object) -> object:
        # Asked only if the field is there.
        raise wrong("secret", "What everybody can read holds no secret.")

    @field_validator("grant_types")
    @classmethod
    def _by_code(cls, grants: list[str]) -> list[str]:
        if grants and "authorization_code" not in grants:
            raise wrong("unsupported", "This has to have authorization_code.")
        return grants

    @field_validator("response_types")
    @classmethod
    def _code(cls, types: list[str]) -> list[str]:
        if types and "code" not in types:
            raise wrong("unsupported", "This has to have code.")
        return types
