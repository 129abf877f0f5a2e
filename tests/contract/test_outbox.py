"""What waits in the outbox is done once, on every store, whatever becomes of a worker, a handler or another entry."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from app.accounts.account import Account
from app.accounts.holders import ERASE, AccountHolders, MailRequestHolders
from app.accounts.mail_requests.model import MailRequest, PendingRegistration
from app.accounts.under_way import UndoOffer
from app.outbox.model import CLAIMED_FOR, LONGEST_RETRY, Entry
from app.outbox.service import BEGINS_FOR, FIRST_RETRY, Box, Outbox, Wakes
from app.platform.errors import Unavailable
from app.platform.identifiers import new_id
from tests.contract.entities import DAY, HASH, MINUTE, NOW, a_user

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from app.accounts.mail_requests.model import MailRequestKind
    from tests.contract.races import InThreads
    from tests.stores import Store

    Handle = Callable[[Any, Entry], datetime | None]


class Worker:
    """An outbox with a clock of its own, which handles entries of the kind "known" and writes down what it did."""

    def __init__(self, store: Store, handle: Handle = lambda _owner, _entry: None, **handlers: Handle) -> None:
        self.now = NOW
        self.done: list[str] = []

        def known(owner: Any, entry: Entry) -> datetime | None:
            again_at = handle(owner, entry)
            self.done.append(entry.id)
            return again_at

        every: dict[str, Handle] = {"known": known, "reset": known, "verify": known, "register": known} | handlers
        boxes = (
            Box(MailRequestHolders(store.mail_requests), every),
            Box(AccountHolders(store.users), every),
        )
        self.outbox = Outbox(boxes, lambda: self.now, Wakes())

    def deliver(self) -> list[str]:
        """What was done of what is due now."""
        self.done.clear()
        self.outbox.deliver_due()
        return [*self.done]


def entries(*names: str) -> tuple[Entry, ...]:
    return tuple(Entry(name, name.partition(" ")[0], {"name": name, "facts": {"a": [1]}}, NOW) for name in names)


def queued(store: Store, *names: str, **more: Any) -> Account:
    """An account with entries, whose kind is the first word of their names."""
    account = Account(a_user(), HASH, outbox=entries(*names), due_at=NOW, **more)
    store.users.add(account)
    return account


def kept(store: Store, account: Account) -> Account | None:
    return store.users.account(account.user.id)


def left_in(store: Store, account: Account) -> list[tuple[str, int, datetime]]:
    found = kept(store, account)
    assert found is not None
    return [(entry.id, entry.attempts, entry.due_at) for entry in found.outbox]


def test_entries_are_done_once_in_their_order_and_go(store: Store) -> None:
    account = queued(store, "known 1", "known 2")
    worker = Worker(store)
    assert [worker.deliver(), worker.deliver()] == [["known 1", "known 2"], []]
    found = kept(store, account)
    assert found is not None
    assert (found.outbox, found.due_at) == ((), None)


def test_an_entry_that_is_due_later_waits(store: Store) -> None:
    now, later = entries("known 1", "known 2")
    account = Account(a_user(), HASH, outbox=(replace(later, due_at=NOW + DAY), now), due_at=NOW)
    store.users.add(account)
    assert Worker(store).deliver() == ["known 1"]
    assert left_in(store, account) == [("known 2", 0, NOW + DAY)]


def test_of_sixteen_couriers_at_once_one_does_an_entry(store: Store, in_threads: InThreads) -> None:
    for _ in range(4):
        queued(store, f"known {new_id()}", f"known {new_id()}")
        store.mail_requests.add(a_request())
    done = [name for names in in_threads(lambda _: Worker(store).deliver()) for name in names]
    assert len(done) == len(set(done)) == 12
    assert Worker(store).deliver() == []


def test_an_account_that_is_not_due_any_more_is_not_claimed(store: Store) -> None:
    later = Account(a_user(), HASH, outbox=entries("known 1"), due_at=NOW + MINUTE)
    never = Account(a_user(), HASH)
    for account in (later, never):
        store.users.add(account)
        assert AccountHolders(store.users).claim(account.user.id, NOW, NOW + CLAIMED_FOR) is None
        assert kept(store, account) == account
    assert AccountHolders(store.users).claim(new_id(), NOW, NOW + CLAIMED_FOR) is None


def fails_at(name: str, error: BaseException) -> Handle:
    def handle(_: Any, entry: Entry) -> None:
        if entry.id == name:
            raise error

    return handle


@pytest.mark.parametrize("error", [ValueError("a bug"), Unavailable()], ids=["bug", "outage"])
def test_a_handler_that_raises_postpones_its_own_entry_alone(store: Store, error: Exception) -> None:
    account = queued(store, "known 1", "known 2", "known 3")
    other = queued(store, "known 4")
    failing = Worker(store, fails_at("known 2", error))
    assert sorted(failing.deliver()) == ["known 1", "known 3", "known 4"]
    assert left_in(store, account) == [("known 2", 1, NOW + FIRST_RETRY)]
    assert left_in(store, other) == []
    assert failing.deliver() == []
    failing.now = NOW + FIRST_RETRY
    assert failing.deliver() == []
    assert left_in(store, account) == [("known 2", 2, NOW + 3 * FIRST_RETRY)]
    late = Worker(store)
    late.now = NOW + 3 * FIRST_RETRY
    assert late.deliver() == ["known 2"]


def test_an_entry_is_tried_again_when_its_handler_says(store: Store) -> None:
    account = queued(store, "known 1")
    assert Worker(store, lambda *_: NOW + DAY).deliver() == ["known 1"]
    assert left_in(store, account) == [("known 1", 1, NOW + DAY)]


def test_an_entry_of_a_newer_version_is_kept_as_it_is_and_blocks_no_other(store: Store) -> None:
    account = queued(store, "newer 1", "known 2")
    (newer, _) = account.outbox
    assert Worker(store).deliver() == ["known 2"]
    found = kept(store, account)
    assert found is not None
    assert found.outbox == (replace(newer, due_at=NOW + LONGEST_RETRY),)
    done: list[Entry] = []
    upgraded = Worker(store, newer=lambda _, entry: done.append(entry))
    upgraded.now = NOW + LONGEST_RETRY
    upgraded.deliver()
    assert [entry.payload for entry in done] == [newer.payload]
    assert left_in(store, account) == []


def test_after_a_crash_in_a_handler_another_worker_does_what_is_left(store: Store) -> None:
    queued(store, "known 1", "known 2")
    with pytest.raises(KeyboardInterrupt):
        Worker(store, fails_at("known 2", KeyboardInterrupt())).deliver()
    other = Worker(store)
    assert other.deliver() == []
    other.now = NOW + CLAIMED_FOR
    assert other.deliver() == ["known 1", "known 2"]  # the first one again: it was not settled


def test_an_entry_that_is_queued_while_another_is_done_stays_and_is_done_next(store: Store) -> None:
    account = queued(store, "known 1")

    def add_another(_: Any, entry: Entry) -> None:
        found = kept(store, account)
        if entry.id == "known 1":
            assert found is not None
            assert store.users.save(replace(found, outbox=(*found.outbox, *entries("known 2"))))

    assert Worker(store, add_another).deliver() == ["known 1", "known 2"]
    assert left_in(store, account) == []


def test_a_worker_begins_with_nothing_more_under_a_claim_that_is_half_over(store: Store) -> None:
    account, claims = queued(store, "known 1", "known 2"), []

    def slow(*_: Any) -> None:
        found = kept(store, account)
        assert found is not None
        claims.append(found.due_at)
        worker.now += BEGINS_FOR

    worker = Worker(store, slow)
    assert worker.deliver() == ["known 1", "known 2"]
    assert claims == [NOW + CLAIMED_FOR, NOW + BEGINS_FOR + CLAIMED_FOR]


def test_a_worker_whose_claim_is_over_leaves_the_claim_of_the_next_one_alone(store: Store) -> None:
    account = queued(store, "known 1", "newer 2")

    def too_slow(*_: Any) -> None:
        worker.now += CLAIMED_FOR
        assert holders.claim(account.user.id, worker.now, worker.now + CLAIMED_FOR) is not None

    holders = AccountHolders(store.users)
    worker = Worker(store, too_slow)
    assert worker.deliver() == ["known 1"]
    found = kept(store, account)
    assert found is not None
    assert found.due_at == NOW + 2 * CLAIMED_FOR


def deleted(store: Store, *names: str, offer: bool = False) -> Account:
    offers = (UndoOffer("o", "ada@example.net", NOW + DAY),) if offer else ()
    gone = Account(a_user(status="deleted"), None, outbox=entries(*names), undo_offers=offers, due_at=NOW)
    store.users.add(gone)
    return gone


def test_a_deleted_account_is_erased_before_its_mail_and_then_removed(store: Store) -> None:
    account = deleted(store, "known 1")
    erased: list[str] = []

    def known(*_: Any) -> None:
        assert erased == [account.user.id]

    def erase(owner: Account, _: Entry) -> None:
        erased.append(owner.user.id)

    assert Worker(store, known, **{ERASE: erase}).deliver() == ["known 1"]
    assert kept(store, account) is None


def test_a_deleted_account_that_cannot_be_erased_sends_no_mail_and_stays(store: Store) -> None:
    account = deleted(store, "known 1")
    failing: Handle = fails_at(account.user.id, Unavailable())
    assert Worker(store, **{ERASE: failing}).deliver() == []
    found = kept(store, account)
    assert found is not None
    assert (found.outbox, found.due_at) == (account.outbox, NOW + FIRST_RETRY)
    # Nor is it removed by a version that does not know how to erase it.
    other = Worker(store)
    other.now = NOW + FIRST_RETRY
    assert other.deliver() == []
    assert kept(store, account) is not None


def test_a_deleted_account_whose_last_mail_fails_is_left_alone_until_that_is_tried_again(store: Store) -> None:
    account = deleted(store, "known 1")
    erased: list[str] = []
    # Whoever comes back sooner than that would never end.
    erase = iter([erased.append] * 2)
    worker = Worker(store, lambda *_: NOW + MINUTE, **{ERASE: lambda owner, _: next(erase)(owner.user.id)})
    assert worker.deliver() == ["known 1"]
    assert erased == [account.user.id]
    found = kept(store, account)
    assert found is not None
    assert found.due_at == NOW + MINUTE
    after = Worker(store, **{ERASE: lambda *_: None})
    after.now = NOW + MINUTE
    assert after.deliver() == ["known 1"]
    assert kept(store, account) is None


def test_a_deleted_account_is_not_removed_under_a_claim_that_came_too_late_to_erase_it(store: Store) -> None:
    account, erased = deleted(store), []
    worker = Worker(store, **{ERASE: lambda owner, _: erased.append(owner.user.id)})
    looks = iter([NOW] * 3)  # for what is due in either box, and for the claim
    replace(worker.outbox, clock=lambda: next(looks, NOW + BEGINS_FOR)).deliver_due()
    assert erased == [account.user.id]
    assert kept(store, account) is None


def test_a_deleted_account_with_an_undo_offer_stays_until_that_ends(store: Store) -> None:
    account = deleted(store, "known 1", offer=True)
    erased: list[Account] = []
    worker = Worker(store, **{ERASE: lambda owner, _: erased.append(owner)})
    assert worker.deliver() == ["known 1"]
    found = kept(store, account)
    assert found is not None
    assert (found.undo_offers, found.due_at) == (account.undo_offers, NOW + DAY)
    worker.now = NOW + DAY
    worker.deliver()
    assert kept(store, account) is None
    # First the offer goes, so that nobody can bring the account back any more, then the account.
    assert [len(owner.undo_offers) for owner in erased] == [1, 1, 0]


# Mail requests


def a_request(kind: MailRequestKind = "reset", **more: Any) -> MailRequest:
    plain: dict[str, Any] = {"expires_at": NOW + DAY, "due_at": NOW}
    return MailRequest(new_id(), kind, "ada@example.org", NOW, **plain | more)


def test_a_request_that_is_done_goes_but_a_registration_waits_for_its_answer(store: Store) -> None:
    reset = a_request()
    register = a_request("register", registration=PendingRegistration(password_hash=HASH))
    for request in (reset, register):
        store.mail_requests.add(request)
    assert sorted(Worker(store).deliver()) == sorted([reset.id, register.id])
    assert store.mail_requests.get(reset.id) is None
    assert store.mail_requests.get(register.id) == replace(register, due_at=None, attempts=1)


def test_a_request_that_failed_is_tried_again_and_blocks_no_other(store: Store) -> None:
    first, second = a_request(), a_request("verify")
    for request in (first, second):
        store.mail_requests.add(request)
    assert Worker(store, fails_at(first.id, ValueError("a bug"))).deliver() == [second.id]
    assert store.mail_requests.get(first.id) == replace(first, due_at=NOW + FIRST_RETRY, attempts=1)


def test_a_request_of_a_newer_version_is_kept(store: Store) -> None:
    newer, known = a_request("invite"), a_request()  # type: ignore[arg-type] # of a newer version
    for request in (newer, known):
        store.mail_requests.add(request)
    assert Worker(store).deliver() == [known.id]
    assert store.mail_requests.get(newer.id) == replace(newer, due_at=NOW + LONGEST_RETRY)


def test_a_request_that_has_expired_goes_unanswered(store: Store) -> None:
    late = a_request(expires_at=NOW)
    store.mail_requests.add(late)
    assert Worker(store).deliver() == []
    assert store.mail_requests.get(late.id) is None


def test_what_waits_is_counted_with_what_is_to_be_tried_again(store: Store) -> None:
    queued(store, "known 1")
    store.mail_requests.add(a_request())
    far = Account(a_user(), HASH, due_at=NOW + DAY)
    store.users.add(far)
    assert Worker(store).outbox.waiting() == 2
    Worker(store, lambda *_: NOW + MINUTE).deliver()
    assert Worker(store).outbox.waiting() == 2
