"""All audit events as JSON, in the order of the chain, each with the link that seals it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from app.audit.chain.model import Checkpoint
from app.audit.signatures import in_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from app.audit.chain.model import Checkpoints, Link, Links
    from app.audit.model import AuditEvent
    from app.platform.clock import Clock

_AT_ONCE: Final = 500
_PROOF: Final = ("sealed_at", "verdict", "content", "hash", "secret", "mac")


def exported(links: Links, clock: Clock, since: datetime | None) -> Iterator[dict[str, Any]]:
    """The events since a time (None: all): first those that are sealed, then the others. Raises Unavailable."""
    first = 1 if since is None else links.first_since(since)
    after = None if first is None else first - 1
    while after is not None and (page := links.page(after=after, limit=_AT_ONCE)):
        events = {event.id: event for _, event in links.events([link.event_id for link in page])}
        for link in page:
            event = events.get(link.event_id)
            if event is not None and (since is None or event.at >= since):
                yield _facts(event) | _proof(link)
        after = page[-1].seq
    behind: str | None = None
    while waiting := links.unsealed(clock(), after=behind, limit=_AT_ONCE):
        yield from (_facts(event) for event in waiting if since is None or event.at >= since)
        behind = waiting[-1].id


def exported_checkpoints(checkpoints: Checkpoints, since: datetime | None) -> Iterator[dict[str, Any]]:
    """The checkpoints since a time (None: all). Raises Unavailable."""
    after = 0
    while page := checkpoints.page(after=after, limit=_AT_ONCE):
        yield from (_plain(asdict(each)) for each in page if since is None or each.at >= since)
        after = page[-1].number


def checkpoint_of(facts: Mapping[str, Any]) -> Checkpoint:
    """The checkpoint that was exported so; raises ValueError for anything else."""
    try:
        at, kept_until = (datetime.fromisoformat(facts[name]) for name in ("at", "kept_until"))
        token, secret, mac = (str(facts[name]) for name in ("token", "secret", "mac"))
        return Checkpoint(int(facts["number"]), int(facts["seq"]), at, kept_until, token, secret, mac)
    except (KeyError, TypeError):
        raise ValueError("no checkpoint") from None


def _facts(event: AuditEvent) -> dict[str, Any]:
    return _plain(asdict(event))


def _proof(link: Link) -> dict[str, Any]:
    return {"seq": link.seq, "seal": _plain({name: getattr(link, name) for name in _PROOF})}


def _plain(facts: dict[str, Any]) -> dict[str, Any]:
    return {name: in_text(value) if isinstance(value, datetime) else value for name, value in facts.items()}
