"""Where pages are that others lead to."""

from __future__ import annotations

LOGIN = "/login"
FACTOR = "/login/factor"
ENROL = "/login/enrol"
PROVIDER = "/login/provider"
LOGOUT = "/logout"
CONSENT = "/consent"
DEVICE = "/device"
PASSKEYS = "/account/passkeys"
NEW_PASSWORD = "/reset-password"  # noqa: S105 - a path
