"""The profiles that FLASK_ENV chooses, and everything that depends on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Profile: TypeAlias = Literal["development", "production", "testing"]
LogFormat: TypeAlias = Literal["json", "console"]

EMBEDDED_DATABASE = "sqlite:///instance/latchkey.db"


@dataclass(frozen=True, slots=True)
class Rules:
    """What a profile decides."""

    allowed_hosts: tuple[str, ...] | None
    """The default of ALLOWED_HOSTS; None means the host of PUBLIC_URL."""
    database_url: str | None
    """The default of DATABASE_URL if MONGO_URI is not set; with None, the service does not start."""
    log_format: LogFormat
    secret_key_required: bool
    """Whether the service refuses to start without a SECRET_KEY; else it makes one."""
    rate_limits_required: bool
    bcrypt_cost_at_least: int


PROFILES: dict[Profile, Rules] = {
    "development": Rules(
        allowed_hosts=("*",),
        database_url=EMBEDDED_DATABASE,
        log_format="console",
        secret_key_required=False,
        rate_limits_required=False,
        bcrypt_cost_at_least=4,
    ),
    "testing": Rules(
        allowed_hosts=("*",),
        database_url=EMBEDDED_DATABASE,
        log_format="json",
        secret_key_required=False,
        rate_limits_required=False,
        bcrypt_cost_at_least=4,
    ),
    "production": Rules(
        allowed_hosts=None,
        database_url=None,
        log_format="json",
        secret_key_required=True,
        rate_limits_required=True,
        bcrypt_cost_at_least=12,
    ),
}
