"""Whom the attack may reach: the deployment that the operator named, and nobody else."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from pathlib import Path

_HTTPS, _HTTP = 443, 80


class NoTargetError(ValueError):
    """The address names nobody whom the attack could reach; the message says what is wrong."""


@dataclass(frozen=True)
class Target:
    """A host and port, and the path under which the deployment is served ("" at the root)."""

    scheme: str
    host: str
    port: int
    prefix: str = ""
    authorities: Path | None = None
    """A file of the certificate authorities to trust, in place of those of the system."""

    @classmethod
    def of(cls, url: str, authorities: Path | None = None) -> Target:
        """The target of an http or https URL. Raises NoTargetError for any other, also one with a password in it."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise NoTargetError(f"{url}: {error}") from None
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise NoTargetError("Give the URL with its scheme, such as https://auth.example.com.")
        if parts.username is not None or parts.query or parts.fragment:
            raise NoTargetError("Give the URL without a user, a query and a fragment.")
        try:
            host = parts.hostname.encode("ascii" if ":" in parts.hostname else "idna").decode()
        except UnicodeError:
            raise NoTargetError(f"{parts.hostname} is no name of a host.") from None
        default = _HTTPS if parts.scheme == "https" else _HTTP
        return cls(parts.scheme, host, port or default, parts.path.rstrip("/"), authorities)

    @property
    def is_https(self) -> bool:
        return self.scheme == "https"

    @property
    def authority(self) -> str:
        """What the header Host says: the port only if it is not that of the scheme."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (_HTTPS if self.is_https else _HTTP) else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.authority}"

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine, by its name."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost" or self.host.endswith(".localhost")

    @cached_property
    def tls(self) -> ssl.SSLContext:
        """How its certificate is checked: the test accounts' passwords go to nobody else."""
        return ssl.create_default_context(cafile=self.authorities)
