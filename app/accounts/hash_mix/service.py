"""Draws, for a name without an account, a hash that costs what one of an account might.

After an import, accounts have hashes of other schemes and costs until their users log in. If all unknown accounts cost
what the present scheme costs, the time of a failed login would tell the imported ones. So what an unknown one costs is
drawn from what there is, by an HMAC of the name: the same for each attempt, and nobody can tell which name draws what.
"""

from __future__ import annotations

import hmac
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import structlog

from app.accounts.hash_mix.model import Mix
from app.platform.errors import Unavailable
from app.platform.log import reason_of
from app.security.foreign_hashes import UnreadableHashError
from app.security.passwords import read

if TYPE_CHECKING:
    from app.accounts.hash_mix.model import HashMixes
    from app.accounts.model import Users
    from app.platform.clock import Clock
    from app.security.passwords import PasswordHasher
    from app.security.secret_keys import SecretKeys

RELOAD_AFTER: Final = timedelta(minutes=1)
RECOUNT_AFTER: Final = timedelta(days=1)
"""How often the hashes are counted where all are of the present scheme."""
_LONG_AGO: Final = datetime(2000, 1, 1, tzinfo=UTC)
_AT_ONCE: Final = 1000
_MOST: Final = 256
"""Schemes and costs that are told apart; an import may bring any number."""
_PRESENT: Final = ""
"""Stands for the present scheme in the counts: for what cannot be read, or is too rare."""
_log = structlog.get_logger("latchkey.passwords")


class HashMix:
    """The mix of the stored hashes: counted by a job, and kept in memory for a minute."""

    def __init__(
        self, users: Users, mixes: HashMixes, hasher: PasswordHasher, secrets: SecretKeys, clock: Clock
    ) -> None:
        self._users = users
        self._mixes = mixes
        self._hasher = hasher
        self._secrets = secrets
        self._clock = clock
        self._asked_at: datetime | None = None
        self._shares: tuple[tuple[str, int], ...] = ()

    def dummy_for(self, name: str) -> str | None:
        """The hash to check for a name without an account; None for one of the present scheme.

        Call it for every name, with an account or without: it may ask the store.
        """
        now = self._clock()
        if self._asked_at is None or abs(now - self._asked_at) >= RELOAD_AFTER:
            self._reload()
            self._asked_at = now
        drawn = hmac.digest(self._secrets.current.derive("latchkey dummy hash"), name.encode(), "sha256")
        place = int.from_bytes(drawn[:8]) * sum(count for _, count in self._shares) >> 64
        for dummy, count in self._shares:
            if place < count:
                return dummy or None
            place -= count
        return None

    def count(self) -> int:
        """Count the hashes, unless all were of the present scheme within the last day; returns how many there are."""
        known, now = self._mixes.load(), self._clock()
        if (
            known is not None
            and abs(now - known.counted_at) < RECOUNT_AFTER
            and not any(map(self._is_old, known.counts))
        ):
            return 0
        return self.recount()

    def recount_soon(self) -> None:
        """Have the next run of the job count the hashes: call it before many change."""
        known = self._mixes.load()
        self._mixes.save(Mix(_LONG_AGO, known.counts if known else {}))

    def recount(self) -> int:
        """Count the hashes; returns how many there are."""
        found: Counter[str] = Counter()
        after: str | None = None
        while page := self._users.page_of_hashes(after=after, limit=_AT_ONCE):
            found.update(_dummy_of(stored) for _, stored in page if stored)
            after = page[-1][0]
        kept = dict(found.most_common(_MOST))
        kept[_PRESENT] = kept.get(_PRESENT, 0) + found.total() - sum(kept.values())
        self._mixes.save(Mix(self._clock(), {dummy: count for dummy, count in kept.items() if count}))
        self._asked_at = None
        return found.total()

    def _reload(self) -> None:
        try:
            mix = self._mixes.load()
        except Unavailable as error:
            _log.warning("the mix of hashes in memory goes on", cause=reason_of(error))
            return
        # In the same order each time: so a name changes its cost only as the shares change.
        self._shares = tuple(sorted(mix.counts.items())) if mix else ()

    def _is_old(self, dummy: str) -> bool:
        return dummy != _PRESENT and self._hasher.needs_upgrade(dummy)


def _dummy_of(stored: str) -> str:
    try:
        return read(stored).dummy
    except UnreadableHashError:
        return _PRESENT
