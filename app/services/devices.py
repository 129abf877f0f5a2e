"""Where requests come from, and User-Agent headers in words."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from app.models.session import LONGEST_USER_AGENT


@dataclass(frozen=True, slots=True)
class Device:
    """Where a request comes from: the client's address and its User-Agent header."""

    ip: str
    user_agent: str

    @property
    def name(self) -> str:
        """What a person would call it."""
        return device_name(self.user_agent[:LONGEST_USER_AGENT])


@lru_cache(maxsize=512)
def device_name(user_agent: str) -> str:
    """What a person would call the device: "Firefox on Linux"; "unknown" for what nobody knows."""
    from ua_parser import parse  # noqa: PLC0415 - its tables take memory that most workers never need

    seen = parse(user_agent)
    program = seen.user_agent.family if seen.user_agent else None
    system = seen.os.family if seen.os else None
    return " on ".join(filter(None, (program, system))) or "unknown"
