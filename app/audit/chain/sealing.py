"""Seals new events: a job appends a link for each to the chain, in the order in which it finds them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import takewhile
from typing import TYPE_CHECKING, Final

import structlog

from app.audit.chain.checkpoints import Statement
from app.audit.chain.links import link_behind
from app.audit.signatures import with_digest
from app.platform.identifiers import digest_of_token

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from app.audit.chain.checkpoints import StatementKeys
    from app.audit.chain.model import Checkpoints, Link, Links
    from app.audit.model import AuditEvent
    from app.audit.signatures import Signer, Verdict
    from app.platform.clock import Clock

AT_ONCE: Final = 200
"""Events that one write seals: some milliseconds for which other writes may wait."""
_MOST: Final = 100
"""Such writes in one run; the next run continues."""
WAITS: Final = timedelta(hours=1)
"""How long an event waits for a process that has the secret it was signed with: in a rolling change of SECRET_KEY
other instances sign with the new one already."""
_log = structlog.get_logger("latchkey.audit")


@dataclass(frozen=True, slots=True)
class Sealing:
    """Keeps the chain up. Any number of processes may do so at once: what one of them is too late for, it leaves."""

    links: Links
    checkpoints: Checkpoints
    signer: Signer
    keys: StatementKeys
    clock: Clock

    def run(self) -> int:
        """Seal what is new, and make the checkpoint of the day; returns how many events were sealed."""
        sealed, after = 0, None
        for _ in range(_MOST):
            found = self.links.unsealed(self.clock(), after=after, limit=AT_ONCE)
            if not found:
                break
            links = self._links_of(self._complete(found))
            if links and not self.links.append(links):
                break  # another process is at it
            sealed += len(links)
            after = found[-1].id
        self._checkpoint()
        return sealed

    def _complete(self, events: Sequence[AuditEvent]) -> Sequence[AuditEvent]:
        """The same events, all with a digest; those of a former version have none yet."""
        missing = [with_digest(event) for event in events if event.digest is None]
        if not missing:
            return events
        self.links.complete(missing)
        # Read again: an account may have been erased meanwhile, or another process may have been faster.
        there = {event.id: event for _, event in self.links.events([event.id for event in missing])}
        known = (there.get(event.id, event) for event in events)
        return [event for event in known if event.digest is not None]

    def _links_of(self, events: Sequence[AuditEvent]) -> list[Link]:
        before, now, root = self.links.last(), self.clock(), self.signer.secrets.current
        links: list[Link] = []
        for event in events:
            verdict = self._verdict_on(event, now)
            if verdict is not None:
                before = link_behind(before, event, verdict, now, root)
                links.append(before)
        return links

    def _verdict_on(self, event: AuditEvent, now: datetime) -> Verdict | None:
        """What its signature says of an event; None if it is too early to say."""
        verdict = self.signer.verdict_on(event)
        return None if verdict == "unverified" and abs(now - event.at) < WAITS else verdict

    def _checkpoint(self) -> None:
        """State where the chain stands, once a day: in the store, and in the log, which may leave the machine."""
        last, before, now = self.links.last(), self.checkpoints.last(), self.clock()
        if last is None or (before and (last.seq <= before.seq or before.at.date() == now.date())):
            return
        statement = Statement(
            number=before.number + 1 if before else 1,
            seq=last.seq,
            hash=last.hash,
            at=now,
            kept_until=self._kept_until(before.seq if before else 0, last.seq, before.kept_until if before else now),
            previous=digest_of_token(before.token) if before else None,
        )
        made = statement.signed(self.keys, self.signer.secrets)
        if self.checkpoints.add(made):
            _log.info("checkpoint", number=made.number, seq=made.seq, token=made.token)

    def _kept_until(self, after: int, last: int, least: datetime) -> datetime:
        """When the last event of these links expires, or of those before them."""
        while page := list(takewhile(lambda link: link.seq <= last, self.links.page(after=after, limit=AT_ONCE))):
            least = max(least, *(link.expires_at for link in page))
            after = page[-1].seq
        return least
