"""Where pages are that others lead to."""

from __future__ import annotations

PASSKEYS = "/account/passkeys"
NEW_PASSWORD = "/reset-password"  # noqa: S105 - a path
