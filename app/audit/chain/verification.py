"""Verifies the chain: finds what was changed, removed or inserted behind the back of the service."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from app.audit.chain.checkpoints import Examined, examine
from app.audit.chain.links import START, follows, is_genuine, seals
from app.audit.signatures import agrees, is_erased, root_of
from app.platform.identifiers import digest_of_token

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from app.audit.chain.checkpoints import Statement, StatementKeys
    from app.audit.chain.model import Checkpoint, Checkpoints, Link, Links, Sealed
    from app.audit.model import AuditEvent
    from app.platform.clock import Clock
    from app.security.secret_keys import SecretKeys

AT_ONCE: Final = 500
"""Links, and their events, that are in memory at a time."""
SEALED_WITHIN: Final = timedelta(minutes=10)
"""An event that is older and not sealed deserves a note."""
ROLLING: Final = timedelta(days=1)
"""How long after the first signed event an instance of a former version, which signs none, may still run."""


_LOWEST: Final = -(2**62)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that nobody but an intruder, or a fault, can have done. Of `kind` programs may make use."""

    kind: str
    message: str
    seq: int | None = None
    event_id: str | None = None


@dataclass(slots=True)
class Report:
    """What the verification saw. `notes` are no reason to worry."""

    records: int = 0
    first: int | None = None
    last: int | None = None
    unsigned: int = 0
    """Sealed events of a former version, which did not sign them."""
    checkpoints: int = 0
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Verification:
    """Verifies the chain, in bounded memory: some pages of it, and of each checkpoint what it states."""

    links: Links
    checkpoints: Checkpoints
    secrets: SecretKeys
    keys: StatementKeys
    clock: Clock

    def run(
        self, report: Report, *, since: datetime | None = None, kept: Sequence[Checkpoint] = ()
    ) -> Iterator[Finding]:
        """Every finding, as it is found; `report` is filled on the way. Raises Unavailable.

        With `since` the chain is verified from the last checkpoint before that time on. `kept` are checkpoints that
        were kept elsewhere.
        """
        examined = examine(self._all_checkpoints(), self.keys, self.secrets)
        report.checkpoints = len(examined)
        yield from _between(examined)
        yield from _elsewhere(kept, examined)
        states = {each.statement.seq: each.statement for each in examined if each.statement and not each.problem}
        walk = _Walk(self, report, states)
        begun = [state for state in states.values() if since is not None and state.at <= since]
        if begun:
            start = max(begun, key=lambda state: state.seq)
            walk.seq, walk.hash = start.seq, start.hash
        yield from walk.all()
        report.notes += self._notes(report)

    def _all_checkpoints(self) -> list[Checkpoint]:
        found: list[Checkpoint] = []
        while page := self.checkpoints.page(after=found[-1].number if found else 0, limit=AT_ONCE):
            found += page
        return found

    def _notes(self, report: Report) -> Iterator[str]:
        if report.unsigned:
            yield f"{report.unsigned} events are of a former version, which signs none: only their seals count"
        waiting = self.links.unsealed(self.clock(), after=None, limit=AT_ONCE)
        late = sum(1 for event in waiting if self.clock() - event.at > SEALED_WITHIN)
        if late:
            yield f"{late} events older than {SEALED_WITHIN} are not sealed yet: does the job seal run? (see the log)"


def _between(examined: Sequence[Examined]) -> Iterator[Finding]:
    """What is wrong with the checkpoints by themselves."""
    before: Examined | None = None
    for each in examined:
        name = f"checkpoint {each.checkpoint.number}"
        if each.problem:
            yield Finding("checkpoint", f"{name} {each.problem}", each.checkpoint.seq)
        expected = before.checkpoint.number + 1 if before else 1
        if each.checkpoint.number != expected:
            yield Finding("checkpoint", f"a checkpoint before {name} was removed", each.checkpoint.seq)
        elif before and each.statement and each.statement.previous != digest_of_token(before.checkpoint.token):
            yield Finding("checkpoint", f"{name} names another one before it than there is", each.checkpoint.seq)
        before = each


def _elsewhere(kept: Sequence[Checkpoint], examined: Sequence[Examined]) -> Iterator[Finding]:
    """Which of the checkpoints that were kept elsewhere are not those of the store."""
    stored = {each.checkpoint.number: each.checkpoint.token for each in examined}
    for checkpoint in kept:
        if stored.get(checkpoint.number) != checkpoint.token:
            what = "is missing" if checkpoint.number not in stored else "is not the one"
            yield Finding(
                "checkpoint", f"checkpoint {checkpoint.number} {what} that was kept elsewhere", checkpoint.seq
            )


class _Walk:
    """A walk along the chain, from the link behind `seq`, whose hash is `hash`."""

    def __init__(self, verification: Verification, report: Report, states: Mapping[int, Statement]) -> None:
        self._links = verification.links
        self._secrets = verification.secrets
        self._report = report
        self._states = states
        self._clock = verification.clock
        self._now = self._clock()
        self._expired = 0
        """The last link that may be missing, since all events up to it have expired."""
        self.seq = 0
        self.hash: str | None = START
        self._unproven: Link | None = None
        """The first of those links whose secret is not at hand, and that no later one has proven yet."""
        self._first_signed: datetime | None = None

    def all(self) -> Iterator[Finding]:
        """All findings from here to the end."""
        self._report.first = self.seq + 1
        while True:
            page = self._links.page(after=self.seq, limit=AT_ONCE)
            if page:
                yield from self._page(page)
                continue
            beyond = self._links.sealed(self.seq + 1, None, AT_ONCE)
            # Between the two reads the chain may have grown.
            if beyond and self._links.page(after=self.seq, limit=1):
                continue
            yield from (_inserted(sealed.event) for sealed in beyond)
            break
        yield from self._end()

    def _page(self, page: Sequence[Link]) -> Iterator[Finding]:
        events, others = self._events_of(page)
        # The purge goes on meanwhile.
        self._now = self._clock()
        self._expired = max((state.seq for state in self._states.values() if state.kept_until <= self._now), default=0)
        erased = self._links.deleted({event.user_id for event in events.values() if is_erased(event)})
        for link in page:
            yield from self._link(link)
            yield from self._event(link, events.get(link.event_id), erased)
        for event in others:
            yield _inserted(event)
        self._report.last = self.seq

    def _link(self, link: Link) -> Iterator[Finding]:
        previous = self.hash if link.seq == self.seq + 1 else None
        if link.seq != self.seq + 1:
            if link.seq - 1 > self._expired:
                yield self._gap(link.seq - 1)
            # A checkpoint tells how the removed part ended.
            state = self._states.get(link.seq - 1)
            previous = state.hash if state else None
            if self._report.records == 0:
                self._report.first = link.seq
        right = previous is None or follows(link, previous)
        root = root_of(link.secret, self._secrets)
        if root is not None:
            right = right and is_genuine(link, root)
            if right:
                self._unproven = None
        elif self._unproven is None:
            self._unproven = link
        if not right:
            yield Finding("changed", f"record {link.seq} was changed: its link is wrong", link.seq, link.event_id)
        state = self._states.get(link.seq)
        if state is not None:
            if state.hash != link.hash:
                message = f"record {link.seq} or one before it was replaced: checkpoint {state.number} has another hash"
                yield Finding("checkpoint", message, link.seq, link.event_id)
            else:
                self._unproven = None
        self.seq, self.hash = link.seq, link.hash
        self._report.records += 1

    def _event(self, link: Link, event: AuditEvent | None, deleted: frozenset[str]) -> Iterator[Finding]:
        if event is None:
            if link.expires_at > self._now:
                yield Finding("removed", f"record {link.seq} was removed", link.seq, link.event_id)
            return
        if not seals(link, event):
            yield Finding("changed", f"record {link.seq} was changed", link.seq, link.event_id)
        elif is_erased(event) and event.user_id not in deleted:
            message = f"record {link.seq} was erased in part, though its user was not deleted"
            yield Finding("erased", message, link.seq, link.event_id)
        elif not agrees(event) and not is_erased(event):
            message = f"record {link.seq} was changed: address, device, details or request"
            yield Finding("changed", message, link.seq, link.event_id)
        yield from self._origin(link)

    def _origin(self, link: Link) -> Iterator[Finding]:
        """What its signature said when it was sealed."""
        if link.verdict == "signed":
            self._first_signed = self._first_signed or link.sealed_at
        elif link.verdict == "unsigned":
            if self._first_signed is None or link.sealed_at <= self._first_signed + ROLLING:
                self._report.unsigned += 1
            else:
                message = (
                    f"record {link.seq} came without a signature: by a former version that runs again, or by others"
                )
                yield Finding("unsigned", message, link.seq, link.event_id)
        elif link.verdict == "unverified":
            message = f"record {link.seq} was signed under a secret that was not at hand when it was sealed"
            yield Finding("unverified", message, link.seq, link.event_id)
        else:
            message = f"record {link.seq} was changed or inserted before it was sealed: its signature was wrong"
            yield Finding("altered", message, link.seq, link.event_id)

    def _events_of(self, page: Sequence[Link]) -> tuple[dict[str, AuditEvent], list[AuditEvent]]:
        """The events of these links, by identifier; and those that only claim to be sealed by one of them."""
        first, last = (self.seq + 1 if self.seq else _LOWEST), page[-1].seq
        links = {link.event_id: link for link in page}
        events: dict[str, AuditEvent] = {}
        others: dict[str, AuditEvent] = {}
        for seq, event in self._sealed(first, last):
            link = links.get(event.id)
            if link is not None and link.seq == seq:
                events[event.id] = event
            # Below the first link only what has expired may be left, until it is purged.
            elif event.expires_at > self._now or (seq is not None and seq >= page[0].seq):
                others[event.id] = event
        missing = [link.event_id for link in page if link.event_id not in events]
        found = {event.id: event for seq, event in self._links.events(missing) if seq is None}
        return events | found, list(others.values())

    def _sealed(self, first: int, last: int) -> Iterator[Sealed]:
        while found := self._links.sealed(first, last, AT_ONCE):
            yield from found
            if len(found) < AT_ONCE or found[-1].seq is None or found[-1].seq == first:
                return
            first = found[-1].seq

    def _gap(self, last: int) -> Finding:
        first = self.seq + 1
        return Finding(
            "missing", f"records {first} to {last} are missing" if first < last else f"record {first} is missing", first
        )

    def _end(self) -> Iterator[Finding]:
        for seq, state in sorted(self._states.items()):
            if seq > self.seq and seq > self._expired:
                message = f"the end of the chain is missing: checkpoint {state.number} is of record {seq}"
                yield Finding("missing", message, seq)
        if self._unproven is not None:
            link = self._unproven
            message = (
                f"the records from {link.seq} on were sealed under the secret {link.secret}, which is not at hand:"
                " add it to SECRET_KEY_FALLBACKS to verify them"
            )
            yield Finding("unproven", message, link.seq, link.event_id)


def _inserted(event: AuditEvent) -> Finding:
    return Finding("inserted", f"the event {event.id} says it is sealed, and no link does seal it", None, event.id)
