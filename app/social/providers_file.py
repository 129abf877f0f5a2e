"""The file of PROVIDERS_FILE: YAML, of which every wrong line is told."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import yaml
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from app.config.secret_text import secret_text
from app.platform.failure import StartError
from app.security.egress_urls import read_url
from app.social.provider import IMPORTED_AS, ISSUERS, NAMES, SCOPES, AppleKey, Kind, Link, Provider

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_MOST = 50
_PYDANTICS = "Value error, "
_Text = Annotated[str, Field(min_length=1, max_length=400)]
_Scope = Annotated[str, Field(pattern=r"^[\x21\x23-\x5B\x5D-\x7E]{1,200}$")]
_Domain = Annotated[str, Field(pattern=r"^[a-z0-9.-]{1,253}$")]


class _Declared(BaseModel):
    """One provider of the file."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    id: Annotated[str, Field(pattern="^[a-z][a-z0-9_-]{0,31}$")]
    kind: Kind = "oidc"
    name: Annotated[str, Field(min_length=1, max_length=50)] | None = None
    issuer: _Text | None = Field(default=None, validate_default=True)
    client_id: _Text
    client_secret: _Text | None = Field(default=None, repr=False)
    client_secret_file: Path | None = None
    scopes: Annotated[list[_Scope], Field(max_length=20)] | None = None
    trust_email: bool | None = None
    email_domains: Annotated[list[_Domain], Field(max_length=100)] = []
    link: Link = "ask"
    allow_signup: bool = True
    imported_as: Annotated[list[_Text], Field(max_length=20)] | None = None
    team_id: Annotated[str, Field(pattern="^[A-Z0-9]{10}$")] | None = None
    key_id: Annotated[str, Field(pattern="^[A-Z0-9]{10}$")] | None = None
    private_key_file: Path | None = None

    @field_validator("issuer")
    @classmethod
    def _address(cls, issuer: str | None, info: Any) -> str | None:  # noqa: ANN401 - pydantic's ValidationInfo
        if issuer is None:
            if info.data.get("kind") == "oidc":
                raise ValueError("is needed: the `issuer` of the provider's openid-configuration")
            return None
        if "?" in issuer:
            raise ValueError("cannot have a query")
        try:
            read_url(issuer)
        except ValueError as error:
            raise ValueError(str(error)) from None
        return issuer

    @model_validator(mode="after")
    def _secrets(self) -> Self:
        apple = (self.team_id, self.key_id, self.private_key_file)
        if self.kind == "apple":
            if None in apple:
                raise ValueError("apple needs team_id, key_id and private_key_file")
            if self.client_secret or self.client_secret_file:
                raise ValueError("apple has no client secret: it is made with private_key_file")
        elif any(apple):
            raise ValueError("team_id, key_id and private_key_file are for the kind apple")
        if self.client_secret and self.client_secret_file:
            raise ValueError("client_secret and client_secret_file are both set: keep one of them")
        if self.kind in {"github", "google"} and not (self.client_secret or self.client_secret_file):
            raise ValueError(f"{self.kind} needs client_secret or client_secret_file")
        return self


class _FileError(Exception):
    """A file that a provider names cannot be used. The text says why."""


class _File(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    providers: Annotated[list[_Declared], Field(max_length=_MOST)]


def read_providers(path: Path | None) -> dict[str, Provider]:
    """The providers of the file, by their identifiers, in its order; none without a file. Raises StartError."""
    if path is None:
        return {}
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _wrong(f"the file cannot be read ({error.strerror})") from None
    except (ValueError, yaml.YAMLError, RecursionError):  # the text of the error may hold a secret
        raise _wrong("the file is not YAML in UTF-8") from None
    if not isinstance(document, dict):
        raise _wrong("the file has to begin with `providers:`, and list them below it")
    try:
        declared = _File.model_validate(document).providers
    except ValidationError as error:
        wrong = error.errors(include_url=False, include_input=False, include_context=False)
        raise _wrong("; ".join(f"{_place(each)}{each['msg'].removeprefix(_PYDANTICS)}" for each in wrong)) from None
    providers: dict[str, Provider] = {}
    faults: list[str] = []
    for each in declared:
        if each.id in providers:
            faults.append(f"{each.id}: two providers have this id")
        try:
            providers[each.id] = _provider(each)
        except _FileError as error:
            faults.append(f"{each.id}: {error}")
    if faults:
        raise _wrong("; ".join(faults))
    return providers


def _provider(declared: _Declared) -> Provider:
    """Raises _FileError."""
    kind, key = declared.kind, None
    secret = declared.client_secret
    if declared.client_secret_file is not None:
        secret = _secret(declared.client_secret_file)
    if declared.private_key_file is not None:
        key = AppleKey(declared.team_id or "", declared.key_id or "", _private_key(declared.private_key_file))
    return Provider(
        id=declared.id,
        kind=kind,
        name=declared.name or NAMES.get(kind, declared.id),
        issuer=declared.issuer or ISSUERS[kind],
        client_id=declared.client_id,
        client_secret=secret,
        scopes=_scopes(declared),
        # Of an OpenID provider nobody knows how it proves addresses; the rules of the others are known.
        trusts_email=kind != "oidc" if declared.trust_email is None else declared.trust_email,
        email_domains=frozenset(declared.email_domains),
        link=declared.link,
        allows_signup=declared.allow_signup,
        apple_key=key,
        imported_as=_imported_as(declared),
    )


def _imported_as(declared: _Declared) -> frozenset[str]:
    if declared.imported_as is not None:
        return frozenset(declared.imported_as)
    # A server of the operator's own has other users under the same numbers.
    return frozenset(IMPORTED_AS.get(declared.kind, ()) if declared.issuer is None else ())


def _scopes(declared: _Declared) -> tuple[str, ...]:
    needed: tuple[Literal["openid"], ...] = () if declared.kind == "github" else ("openid",)
    return tuple(dict.fromkeys((*needed, *(declared.scopes or SCOPES[declared.kind]))))


def _secret(path: Path) -> str:
    try:
        return secret_text(path.read_bytes())
    except OSError as error:
        raise _FileError(f"client_secret_file cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise _FileError(f"client_secret_file {error}") from None


def _private_key(path: Path) -> str:
    try:
        pem = path.read_bytes()
        key = load_pem_private_key(pem, password=None)
    except OSError as error:
        raise _FileError(f"private_key_file cannot be read ({error.strerror})") from None
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _FileError("private_key_file holds no private key in PEM") from None
    if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
        raise _FileError("private_key_file holds another key than one of P-256, which Apple gives")
    return pem.decode("ascii")


def _wrong(what: str) -> StartError:
    return StartError(f"PROVIDERS_FILE: {what}; docs/social-login.md shows a file that works")


def _place(detail: ErrorDetails) -> str:
    """Where the fault is: the provider by its number, and its field."""
    parts = [f"provider {part + 1}" if isinstance(part, int) else str(part) for part in detail["loc"]]
    shown = [part for part in parts if part != "providers"] or ["the file"]
    return f"{', '.join(shown)}: "
