"""The types of the settings about the system that users come from."""

# Not `from __future__ import annotations`: pydantic reads the annotations.
import base64
import binascii
from typing import Annotated

from pydantic import AfterValidator, SecretStr

from app.config import values

PREFIX = "whsec_"
HOW_TO_MAKE_ONE = "echo whsec_$(openssl rand -base64 32)"
_BYTES = range(24, 65)


def login_url(text: str) -> str:
    """An http(s) URL; whether its host may be asked is decided at each request."""
    parts = values.split_url(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc or "#" in text:
        raise ValueError("has to be an https:// URL without user, password and fragment")
    values.check_port(parts)
    return text


def signing_secret(text: str) -> str:
    """A secret of Standard Webhooks."""
    if len(signing_key(text)) not in _BYTES:
        raise ValueError(f"has to be {PREFIX} and 24 to 64 bytes in base64; make one with: {HOW_TO_MAKE_ONE}")
    return text


def signing_key(text: str) -> bytes:
    """The bytes of such a secret; none if it is not one."""
    try:
        return base64.b64decode(text.removeprefix(PREFIX), validate=True) if text.startswith(PREFIX) else b""
    except binascii.Error:
        return b""


LoginUrl = Annotated[str, AfterValidator(login_url)]
SigningSecret = Annotated[SecretStr, values.inside(signing_secret)]
