"""How the links of the chain are made, and verified."""

from __future__ import annotations

import hmac
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from app.audit.chain.model import Link
from app.audit.signatures import content_of, hash_of, in_text, mac_of

if TYPE_CHECKING:
    from datetime import datetime

    from app.audit.model import AuditEvent
    from app.audit.signatures import Verdict
    from app.security.secret_keys import RootKey

START: Final = ""
"""Stands for the hash of the link before the first."""
_LABEL: Final = "latchkey audit chain"


def link_behind(before: Link | None, event: AuditEvent, verdict: Verdict, now: datetime, root: RootKey) -> Link:
    """The link that seals an event, behind `before` (None: it is the first)."""
    seq, previous = (1, START) if before is None else (before.seq + 1, before.hash)
    content = hash_of([content_of(event, event.digest)])
    open_link = Link(seq, event.id, now, event.expires_at, verdict, content, "", root.name, "")
    sealed = _hash_of(open_link, previous)
    return replace(open_link, hash=sealed, mac=mac_of(sealed, root, _LABEL))


def follows(link: Link, previous: str) -> bool:
    """Whether the hash of a link is that of its fields and of the link with the hash `previous`."""
    return link.hash == _hash_of(link, previous)


def seals(link: Link, event: AuditEvent) -> bool:
    """Whether what stays of an event is what the link sealed."""
    return link.content == hash_of([content_of(event, event.digest)])


def is_genuine(link: Link, root: RootKey) -> bool:
    """Whether the HMAC of a link is right."""
    return hmac.compare_digest(link.mac.encode(), mac_of(link.hash, root, _LABEL).encode())


def _hash_of(link: Link, previous: str) -> str:
    times = (in_text(link.sealed_at), in_text(link.expires_at))
    return hash_of([previous, link.seq, link.event_id, *times, link.verdict, link.content, link.secret])
