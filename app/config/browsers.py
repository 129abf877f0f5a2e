"""The section about browsers: whether they get a cookie, and which pages of other origins may call the service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BeforeValidator, ValidationInfo, field_validator

from app.config import values
from app.config.section import Section, setting

if TYPE_CHECKING:
    from urllib.parse import SplitResult

_DEFAULT_PORTS = {"http": 80, "https": 443}


def origin(text: str, setting_name: str = "CORS_ORIGINS") -> str:
    """An origin exactly as browsers send it (RFC 6454 section 6.2); raises ValueError for anything else.

    The comparison with the header is a comparison of texts, so what browsers never send would allow nobody.
    """
    if text in {"*", "null"}:
        raise ValueError(f"cannot be {text}, which is any page; list origins like https://app.example.com")
    parts = values.split_url(text)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise ValueError("has to list origins that start with https:// or http:// and a host")
    values.check_port(parts)
    if not text.isascii():
        raise ValueError("has to be ASCII; write an international domain in its xn-- form")
    exact = origin_of(parts)
    if "*" in parts.hostname:
        raise ValueError("has to name each origin in full, without *")
    if text != exact:
        raise ValueError(
            "has to list origins as browsers send them: scheme, host and a port that is not the default, in lower case,"
            f" without user, path and slash; set {setting_name}={exact}"
        )
    return text


def require_encryption(origin: str, setting_name: str = "CORS_ORIGINS") -> None:
    """Raise ValueError for an http origin of another machine."""
    parts = values.split_url(origin)
    if parts.scheme == "http" and not values.is_loopback(parts.hostname or ""):
        raise ValueError(
            "has to list https origins in production (http is for this machine only: localhost, 127.0.0.1,"
            f" [::1]); set {setting_name}=https{origin.removeprefix('http')}"
        )


def origin_of(parts: SplitResult) -> str:
    """The origin of an http(s) URL, as browsers send it."""
    host, port = parts.hostname or "", parts.port
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + ("" if port in {None, _DEFAULT_PORTS[parts.scheme]} else f":{port}")


_Origins = Annotated[tuple[Annotated[str, AfterValidator(origin)], ...], BeforeValidator(values.items)]


class Browsers(Section):
    """Cookies for web pages, and the pages of other origins (docs/browsers.md)."""

    auth_cookies: values.Switch = setting(
        "AUTH_COOKIES",
        False,  # noqa: FBT003 - the default of the field
        "Give browsers the refresh token in a cookie that no script can read, too.",
        example="on",
    )
    cors_origins: _Origins = setting(
        "CORS_ORIGINS",
        (),
        "The origins whose pages may call the service from a browser, with credentials: exactly as browsers send them,"
        " separated by commas. In production http is for this machine only.",
        example="https://app.example.com,http://localhost:3000",
        default_text="none",
    )

    @field_validator("cors_origins")
    @classmethod
    def _encrypted(cls, origins: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        for each in origins if info.data.get("profile") == "production" else ():
            require_encryption(each)
        return origins
