"""The section about passkeys: the domain that they are made for, and the pages and apps that may ask for them."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, ValidationInfo, field_validator

from app.config import values
from app.config.browsers import origin, origin_of, require_encryption
from app.config.section import Section, setting

if TYPE_CHECKING:
    from collections.abc import Iterator

_ORIGINS: Final = "PASSKEY_ORIGINS"
_ANDROID: Final = re.compile(r"android:apk-key-hash:[A-Za-z0-9_-]{43}")
_LABEL: Final = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN: Final = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_LONGEST_DOMAIN: Final = 253


def domain(text: str) -> str:
    """A domain as browsers compare it (WebAuthn Level 3 section 5.1.3, "effective domain"); an address is let pass."""
    if is_address(text) or (len(text) <= _LONGEST_DOMAIN and _DOMAIN.fullmatch(text)):
        return text
    raise ValueError("has to be a domain in lower case, without scheme, port and path; an international one as xn--")


def passkey_origin(text: str) -> str:
    """The origin of a page, or of an Android app: `android:apk-key-hash:` and the SHA-256 of its certificate."""
    if not text.startswith("android:"):
        return origin(text, _ORIGINS)
    if not _ANDROID.fullmatch(text):
        raise ValueError("has to list Android apps as android:apk-key-hash: and 43 characters of base64url")
    return text


def is_address(host: str) -> bool:
    """Whether a host is an IP address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


_Origins = Annotated[tuple[Annotated[str, AfterValidator(passkey_origin)], ...], BeforeValidator(values.items)]


class Passkeys(Section):
    """The domain that they are made for, and which pages and apps may ask for them (docs/second-factors.md)."""

    rp_id: Annotated[str, AfterValidator(domain)] = setting(
        "PASSKEY_RP_ID",
        lambda fields: urlsplit(fields["public_url"]).hostname or "",
        "The domain that passkeys are made for: the host of the pages that ask for them, or a domain above it. A change"
        " makes all passkeys worthless.",
        example="example.com",
        default_text="the host of PUBLIC_URL",
    )
    origins: _Origins = setting(
        _ORIGINS,
        lambda fields: (origin_of(urlsplit(fields["public_url"])),),
        "The origins of the pages and Android apps that may ask for passkeys, separated by commas.",
        example="https://auth.example.com,https://app.example.com",
        default_text="the origin of PUBLIC_URL",
    )

    @field_validator("origins")
    @classmethod
    def _encrypted(cls, origins: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        for each in origins if info.data.get("profile") == "production" else ():
            if not each.startswith("android:"):
                require_encryption(each, _ORIGINS)
        return origins

    def problems(self) -> Iterator[str]:
        """Why browsers would make no passkey here, if so: a line for each reason."""
        if is_address(self.rp_id):
            yield "PASSKEY_RP_ID: browsers make no passkeys for an IP address: give PUBLIC_URL a host name"
            return
        for each in self.origins:
            parts = urlsplit(each)
            if parts.scheme == "http" and parts.hostname != "localhost":
                yield f"PASSKEY_ORIGINS: {each} is not https, so no passkeys are made there"
            elif parts.scheme == "https" and not f".{parts.hostname}".endswith(f".{self.rp_id}"):
                yield (
                    f"PASSKEY_ORIGINS: {each} is outside of {self.rp_id}: only browsers that know related origins"
                    " (/.well-known/webauthn) use passkeys there"
                )
