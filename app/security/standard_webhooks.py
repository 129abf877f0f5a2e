"""Requests of ours to addresses that others name, signed by Standard Webhooks (standardwebhooks.com)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from standardwebhooks import Webhook as Signer

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime


def signed_headers(secrets: Iterable[str | bytes], message_id: str, body: str, now: datetime) -> dict[str, str]:
    """The headers of a JSON body; each of the secrets signs it. `now` is an aware time in UTC.

    A secret is the bytes themselves, or their text with `whsec_`.
    """
    # sign() would take a time of any other zone for one in UTC.
    signatures = [Signer(secret).sign(message_id, now, body) for secret in secrets]
    return {
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
