"""The secrets of webhooks, and the headers that they sign: Standard Webhooks (standardwebhooks.com)."""

from __future__ import annotations

import secrets
from base64 import b64encode
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from app.security import sealing, standard_webhooks
from app.security.secret_keys import SealedError
from app.webhooks.model import SealedSecret, Webhook

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from app.security.secret_keys import SecretKeys

_SECRET_BYTES: Final = 32
_LABEL: Final = "latchkey webhook seal"


def new_secret() -> str:
    """A new signing secret, as receivers configure it."""
    return f"whsec_{b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()}"


def sealed_secret(secret: str, webhook_id: str, roots: SecretKeys) -> SealedSecret:
    """The secret of a webhook, sealed under the current SECRET_KEY."""
    root = roots.current
    return SealedSecret(sealing.seal(secret.encode(), root, _LABEL, webhook_id), root.name)


def resealed(webhook: Webhook, roots: SecretKeys, now: datetime) -> Webhook:
    """The webhook with its secrets sealed under the current SECRET_KEY, unchanged if they already are.

    A former secret that does not sign any more goes. Raises SealedError.
    """

    def anew(secret: SealedSecret) -> SealedSecret:
        if secret.wrapped_by == roots.current.name:
            return secret
        return sealed_secret(_opened(secret, webhook.id, roots), webhook.id, roots)

    former = None
    if webhook.former is not None and signs_too(webhook, now):
        with suppress(SealedError):
            former = anew(webhook.former)
    until = webhook.former_until if former else None
    return replace(webhook, secret=anew(webhook.secret), former=former, former_until=until)


def signs_too(webhook: Webhook, now: datetime) -> bool:
    """Whether the former secret signs beside the present one."""
    return webhook.former_until is not None and now < webhook.former_until


def signed_headers(webhook: Webhook, message_id: str, body: str, now: datetime, roots: SecretKeys) -> Mapping[str, str]:
    """The headers that show a receiver that a body is ours, from both secrets while two of them sign.

    Raises SealedError if no SECRET_KEY opens the secret, or the one that sealed it leaked.
    """
    signing = [_opened(webhook.secret, webhook.id, roots)]
    if webhook.former is not None and signs_too(webhook, now):
        with suppress(SealedError):  # it was replaced since it cannot be opened
            signing.append(_opened(webhook.former, webhook.id, roots))
    return standard_webhooks.signed_headers(signing, message_id, body, now)


def _opened(secret: SealedSecret, webhook_id: str, roots: SecretKeys) -> str:
    root = roots.named(secret.wrapped_by)
    if root is None:
        raise SealedError(
            f"the secret of the webhook {webhook_id} is sealed under another SECRET_KEY (its name is"
            f" {secret.wrapped_by}), or one that leaked"
        )
    try:
        return sealing.unseal(secret.text, root, _LABEL, webhook_id).decode()
    except SealedError:
        raise SealedError(f"the secret of the webhook {webhook_id} was altered in the store") from None
