"""What keeps a passkey, by the AAGUID of its authenticator: for people who have several and wonder which is which.

Any authenticator may claim any AAGUID, so nothing is decided by it. `providers.json` has the names of those that many
people use, as published by their vendors in the community's list of passkey provider AAGUIDs
(github.com/passkeydeveloper/passkey-authenticator-aaguids) and each found alike in two other projects that name it as
their source. That list has no licence of its own: only these facts were taken, no text, code or icons.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

_FILE = Path(__file__).with_name("providers.json")


@cache
def _names() -> dict[str, str]:
    names: dict[str, str] = json.loads(_FILE.read_text(encoding="utf-8"))
    return names


def provider_of(aaguid: str) -> str | None:
    """The name of what keeps a passkey; None if its AAGUID is unknown, or hidden by zeros, as security keys do."""
    return _names().get(aaguid)
