"""How an account waits once a worker has tried what was due in it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.accounts.account import Account
from app.accounts.holders import ERASE, implied_entries, settled
from app.accounts.under_way import UndoOffer
from app.outbox.model import CLAIMED_FOR, Entry
from tests.contract.entities import DAY, HASH, MINUTE, NOW, a_user, a_whole_account

if TYPE_CHECKING:
    from datetime import datetime

PLAIN = Account(a_user(), HASH)
WHOLE = a_whole_account()
MOMENTS = st.integers(-3, 3).map(lambda days: NOW + days * DAY)


def offer(number: int, *, expires_at: datetime = NOW + DAY) -> UndoOffer:
    return UndoOffer(str(number), f"former{number}@example.com", expires_at)


def entry(number: int, due_at: datetime = NOW) -> Entry:
    """An entry that only a newer version knows."""
    return Entry(f"entry {number}", "of a newer version", {"to": "ann@example.com"}, due_at)


@given(st.dictionaries(st.integers(0, 5), st.none() | MOMENTS), st.booleans())
def test_after_a_round_what_failed_or_was_not_tried_waits_each_for_its_own_time(
    tried: dict[int, datetime | None],
    claim: bool,  # noqa: FBT001 - hypothesis gives it
) -> None:
    entries = tuple(entry(number, NOW + number * MINUTE) for number in range(4))
    until = NOW + CLAIMED_FOR
    before = replace(PLAIN, outbox=entries, due_at=until if claim else until + MINUTE)
    # What the worker read may be another by now: its time alone counts.
    outcomes = {f"entry {number}": Entry("", "", {}, at, 7) if at else None for number, at in tried.items()}
    after = settled(before, outcomes, claimed_until=until, now=NOW)
    expected = []
    for each in entries:
        left = outcomes.get(each.id, each)
        if left is not None:
            expected.append(replace(each, due_at=left.due_at, attempts=left.attempts))
    assert after.outbox == tuple(expected)
    if claim:
        assert after.due_at == min((each.due_at for each in expected), default=None)
    else:
        assert after.due_at == before.due_at


def test_a_deleted_account_is_erased_before_anything_else() -> None:
    assert implied_entries(PLAIN, NOW) == ()
    (implied,) = implied_entries(PLAIN.with_user(status="deleted"), NOW)
    assert (implied.id, implied.kind) == (PLAIN.user.id, ERASE)


def test_a_deleted_account_that_could_not_be_erased_waits_with_all_else() -> None:
    gone = replace(WHOLE, outbox=()).deleted(roles=(), claimed_until=NOW + CLAIMED_FOR, now=NOW)
    gone = replace(gone, outbox=(entry(1),))
    (implied,) = implied_entries(gone, NOW)
    outcomes = {implied.id: replace(implied, due_at=NOW + MINUTE, attempts=1)}
    after = settled(gone, outcomes, claimed_until=NOW + CLAIMED_FOR, now=NOW)
    assert (after.due_at, after.outbox, after.undo_offers) == (NOW + MINUTE, (entry(1),), WHOLE.undo_offers)


def test_a_deleted_account_is_due_when_an_offer_ends_and_at_once_when_none_is_left() -> None:
    gone = replace(WHOLE, outbox=(), undo_offers=(offer(1, expires_at=NOW + MINUTE), offer(2, expires_at=NOW + DAY)))
    gone = gone.deleted(roles=(), claimed_until=NOW + CLAIMED_FOR, now=NOW)

    def offers_and_due_at(now: datetime) -> tuple[int, datetime | None]:
        after = settled(gone, {gone.user.id: None}, claimed_until=NOW + CLAIMED_FOR, now=now)
        return len(after.undo_offers), after.due_at

    assert offers_and_due_at(NOW) == (2, NOW + MINUTE)
    assert offers_and_due_at(NOW + MINUTE) == (1, NOW + DAY)
    assert offers_and_due_at(NOW + DAY) == (0, NOW + DAY)


@pytest.mark.parametrize("offers", [(), (offer(1),)])
def test_a_deleted_account_that_nobody_began_to_erase_is_due_at_once(offers: tuple[UndoOffer, ...]) -> None:
    gone = replace(PLAIN, undo_offers=offers).deleted(roles=(), claimed_until=NOW + CLAIMED_FOR, now=NOW)
    gone = replace(gone, outbox=(entry(1, NOW + MINUTE),))
    assert settled(gone, {}, claimed_until=NOW + CLAIMED_FOR, now=NOW).due_at == NOW


def test_an_erased_account_waits_for_what_is_left_in_its_outbox() -> None:
    gone = replace(PLAIN, outbox=()).deleted(roles=(), claimed_until=NOW + CLAIMED_FOR, now=NOW)
    gone = replace(gone, outbox=(entry(1, NOW + DAY), entry(2, NOW + MINUTE)))
    assert settled(gone, {gone.user.id: None}, claimed_until=NOW + CLAIMED_FOR, now=NOW).due_at == NOW + MINUTE
