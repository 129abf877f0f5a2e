"""What is done to audit events behind the back of the service is found, on every store."""

import json
from dataclasses import replace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from jwt.algorithms import ECAlgorithm
from jwt.api_jws import PyJWS

from app.audit.chain import sealing, verification
from app.audit.chain.checkpoints import TYPE
from app.audit.model import AuditEvent
from app.audit.signatures import with_digest
from app.platform.identifiers import new_id
from tests.contract.audited import DEVICE, NEW_SECRET, SECRET, AuditLog
from tests.contract.entities import DAY, MINUTE, NOW, a_link
from tests.contract.races import InProcesses, InThreads
from tests.contract.subject import Tamper
from tests.stores import Store


@pytest.fixture
def log(store: Store) -> AuditLog:
    return AuditLog(store)


def test_nothing_is_found_where_nothing_was_done(log: AuditLog) -> None:
    assert log.findings() == []
    log.recorded(3)
    log.recorded(2)
    log.record()
    assert log.findings() == []
    assert (log.report.records, log.report.first, log.report.last, log.report.checkpoints) == (5, 1, 5, 1)
    assert log.report.notes == []


def test_the_links_run_without_a_gap_in_the_order_in_which_events_were_found(log: AuditLog) -> None:
    events = log.recorded(3) + log.recorded(2)
    assert [(link.seq, link.event_id) for link in log.links()] == [
        (number, event.id) for number, event in enumerate(events, start=1)
    ]
    assert {link.verdict for link in log.links()} == {"signed"}


CHANGES = {
    "user_id": new_id(),
    "action": "password.changed",
    "at": NOW + DAY,
    "ip": "2001:db8::2",
    "user_agent": "Mozilla/5.0",
    "expires_at": NOW + 999 * DAY,
    "actor_id": new_id(),
    "outcome": "failure",
    "request_id": "0123456789abcdef",
    "salt": "s" * 22,
    "digest": "d" * 43,
}


@pytest.mark.parametrize("field", CHANGES)
def test_a_changed_event_is_found_whether_it_was_sealed_or_not(log: AuditLog, tamper: Tamper, field: str) -> None:
    before = log.recorded(3)
    tamper("events", before[1].id, **{field: CHANGES[field]})
    assert log.kinds() == {"changed"}
    tamper("events", before[1].id, **{field: getattr(before[1], field)})
    assert log.kinds() == set()
    [event] = log.record()
    tamper("events", event.id, **{field: CHANGES[field]})
    log.now += 2 * DAY
    log.seal()
    assert "altered" in log.kinds()


def test_changed_details_are_found(log: AuditLog, tamper: Tamper) -> None:
    event = log.record(reason="asked")[0]
    log.seal()
    as_stored = {"reason": "told"} if log.store.common_name == "MongoDB" else '{"reason": "told"}'
    tamper("events", event.id, details=as_stored)
    assert log.kinds() == {"changed"}


def test_a_removed_event_is_found(log: AuditLog, tamper: Tamper) -> None:
    event = log.recorded(3)[1]
    tamper("events", event.id)
    assert [(each.kind, each.seq, each.event_id) for each in log.findings()] == [("removed", 2, event.id)]


def test_an_event_that_was_removed_with_its_link_is_found(log: AuditLog, tamper: Tamper) -> None:
    event = log.recorded(3)[1]
    tamper("events", event.id)
    tamper("event_links", 2)
    assert [(each.kind, each.seq) for each in log.findings()] == [("missing", 2)]


def test_links_that_were_moved_up_over_a_gap_are_found(log: AuditLog, tamper: Tamper) -> None:
    events = log.recorded(3)
    tamper("events", events[1].id)
    second, third = log.links()[1:]
    tamper("event_links", 3)
    tamper("event_links", 2)
    assert log.store.links.append([replace(third, seq=second.seq)])
    assert "changed" in log.kinds()


def test_swapped_events_are_found(log: AuditLog, tamper: Tamper) -> None:
    first, second = log.recorded(2)
    tamper("events", first.id, action="session.ended", at=second.at)
    assert log.kinds() == {"changed"}
    tamper("events", first.id, action=first.action, at=first.at, seq=2)
    tamper("events", second.id, seq=1)
    assert {"inserted", "removed"} <= log.kinds()


def test_swapped_links_are_found(log: AuditLog, tamper: Tamper) -> None:
    log.recorded(3)
    first, second, _ = log.links()
    for link in (first, second):
        tamper("event_links", link.seq)
    assert log.store.links.append([replace(second, seq=1)])
    assert log.store.links.append([replace(first, seq=2)])
    assert "changed" in log.kinds()


def forged(log: AuditLog, **fields: Any) -> AuditEvent:
    """An event that an intruder writes, as much like others as they can make it."""
    [event] = log.record()
    copy = replace(event, id=new_id(), action="password.changed", **fields)
    log.store.events.add(copy)
    return copy


def test_an_inserted_event_is_found_once_it_is_sealed(log: AuditLog) -> None:
    log.recorded(2)
    copy = forged(log)
    log.seal()
    assert [(each.kind, each.event_id) for each in log.findings()] == [("altered", copy.id)]


def test_an_event_signed_under_an_invented_secret_is_found(log: AuditLog) -> None:
    log.recorded()
    copy = forged(log, signature=f"{'0' * 16}.{'m' * 43}")
    assert log.seal() == 1
    assert log.kinds() == set()
    log.now += sealing.WAITS
    assert log.seal() == 1
    assert [(each.kind, each.event_id) for each in log.findings()] == [("unverified", copy.id)]


@pytest.mark.parametrize("seq", [-5, 0, 1, 2, 3, 999])
def test_an_event_that_only_claims_to_be_sealed_is_found(log: AuditLog, tamper: Tamper, seq: int) -> None:
    log.recorded(2)
    copy = forged(log)
    tamper("events", copy.id, seq=seq)
    assert [(each.kind, each.event_id) for each in log.findings()] == [("inserted", copy.id)]


def test_an_inserted_link_is_found(log: AuditLog) -> None:
    log.recorded(2)
    [event] = log.record()
    last = log.links()[-1]
    assert log.store.links.append([replace(last, seq=3, event_id=event.id)])
    assert "changed" in log.kinds()


@pytest.mark.parametrize(
    "fields",
    [
        {"verdict": "unsigned"},
        {"secret": "0" * 16},
        {"content": "c" * 43},
        {"mac": "m" * 43},
        {"hash": "h" * 43},
        {"expires_at": NOW},
        {"sealed_at": NOW},
        {"event_id": new_id()},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_a_changed_link_is_found(log: AuditLog, tamper: Tamper, fields: dict[str, object]) -> None:
    log.recorded(3)
    tamper("event_links", 2, **fields)
    assert "changed" in log.kinds()


def test_an_event_whose_expiry_was_set_back_in_the_link_too_is_found_when_it_is_gone(
    log: AuditLog, tamper: Tamper
) -> None:
    event = log.recorded(3)[1]
    tamper("events", event.id)
    tamper("event_links", 2, expires_at=NOW)
    assert log.kinds() == {"changed"}


def test_a_cut_end_is_found_by_the_checkpoint_behind_it(log: AuditLog, tamper: Tamper) -> None:
    events = log.recorded(3)
    for number, event in enumerate(events[1:], start=2):
        tamper("events", event.id)
        tamper("event_links", number)
    assert [(each.kind, each.seq) for each in log.findings()] == [("missing", 3)]
    log.recorded(4)
    assert log.kinds() == {"checkpoint"}


def test_a_cut_beginning_is_found(log: AuditLog, tamper: Tamper) -> None:
    events = log.recorded(3)
    log.now += DAY
    log.recorded(2)
    for number, event in enumerate(events, start=1):
        tamper("events", event.id)
        tamper("event_links", number)
    assert [(each.kind, each.seq) for each in log.findings()] == [("missing", 1)]


def daily(log: AuditLog, days: int) -> None:
    """A checkpoint for each of these days."""
    for _ in range(days):
        log.recorded(2)
        log.now += DAY


def test_there_is_a_checkpoint_for_each_day_with_events(log: AuditLog) -> None:
    daily(log, 2)
    log.recorded(1)
    log.now += DAY
    assert log.seal() == 0
    checkpoints = log.store.checkpoints.page(after=0, limit=10)
    assert [(each.number, each.seq) for each in checkpoints] == [(1, 2), (2, 4), (3, 5)]
    assert log.findings() == []


@pytest.mark.parametrize(
    "fields",
    [{"seq": 3}, {"token": "e30.e30.e30"}, {"mac": "m" * 43}, {"kept_until": NOW}, {"number": 9}, {}],
    ids=["seq", "token", "mac", "kept_until", "number", "removed"],
)
def test_a_changed_or_removed_checkpoint_is_found(log: AuditLog, tamper: Tamper, fields: dict[str, object]) -> None:
    daily(log, 3)
    if "number" in fields and log.store.common_name == "MongoDB":
        second = log.store.checkpoints.page(after=1, limit=1)[0]
        tamper("event_checkpoints", 2)
        assert log.store.checkpoints.add(replace(second, number=9))
    else:
        tamper("event_checkpoints", 2, **fields)
    assert log.kinds() == {"checkpoint"}


@pytest.mark.parametrize("secret", [None, "0" * 16])
def test_a_checkpoint_by_a_key_of_somebody_else_is_found(log: AuditLog, tamper: Tamper, secret: str | None) -> None:
    daily(log, 2)
    last = log.store.checkpoints.last()
    assert last is not None
    key = generate_private_key(SECP256R1())
    header = {"typ": TYPE, "kid": "theirs", "jwk": ECAlgorithm.to_jwk(key.public_key(), as_dict=True)}
    claims = jwt.decode(last.token, options={"verify_signature": False})
    token = PyJWS().encode(json.dumps(claims).encode(), key, algorithm="ES256", headers=header)
    tamper("event_checkpoints", last.number, token=token, secret=secret or last.secret)
    assert log.kinds() == {"checkpoint"}


def test_checkpoints_kept_elsewhere_show_that_the_chain_was_made_anew(log: AuditLog, tamper: Tamper) -> None:
    daily(log, 2)
    kept = log.store.checkpoints.page(after=0, limit=10)
    assert log.findings(kept=kept) == []
    for link in log.links():
        tamper("events", link.event_id)
        tamper("event_links", link.seq)
    for checkpoint in kept:
        tamper("event_checkpoints", checkpoint.number)
    daily(log, 1)
    assert log.kinds() == set()
    assert log.kinds(kept=kept) == {"checkpoint"}


def test_checkpoints_verify_when_their_key_was_replaced_or_revoked(log: AuditLog) -> None:
    daily(log, 2)
    log.keys.revoke_all()
    daily(log, 1)
    assert log.findings() == []


def test_anonymised_events_verify(log: AuditLog) -> None:
    other = log.new_user()
    log.record(2, other, reason="asked")
    log.seal()
    log.record(1, other)
    log.delete_user(other)
    log.seal()
    log.record(1, other)
    assert log.findings() == []


def test_the_events_of_an_account_that_came_back_verify(log: AuditLog, tamper: Tamper) -> None:
    other = log.new_user()
    log.record(2, other)
    log.delete_user(other)
    log.seal()
    tamper("users", other, status="active")
    log.record(1, other)
    log.seal()
    assert log.findings() == []


def test_an_event_that_was_erased_though_its_user_exists_is_found(log: AuditLog) -> None:
    log.recorded(2)
    log.store.events.anonymise_some(log.user, after=None, limit=1)
    assert [(each.kind, each.seq) for each in log.findings()] == [("erased", 1)]


ERASED_BY_A_FORMER_VERSION = {"ip": None, "user_agent": None, "details": None}


def test_events_that_a_former_version_erased_verify(log: AuditLog, tamper: Tamper) -> None:
    other = log.new_user()
    events = log.record(2, other)
    log.seal()
    log.delete_user(other)
    for event in events:
        tamper("events", event.id, salt=event.salt, request_id="0123456789abcdef")
    log.seal()
    assert log.findings() == []


def of_a_former_version(log: AuditLog, tamper: Tamper, number: int = 1) -> list[AuditEvent]:
    """Events as a version without a chain writes them."""
    events = log.record(number)
    for event in events:
        tamper("events", event.id, outcome=None, request_id=None, salt=None, digest=None, signature=None)
    return events


def test_events_of_a_former_version_are_sealed_and_noted(log: AuditLog, tamper: Tamper) -> None:
    of_a_former_version(log, tamper, 3)
    log.record(2)
    of_a_former_version(log, tamper, 1)
    assert log.seal() == 6
    assert log.findings() == []
    assert log.report.unsigned == 4
    assert "4 events are of a former version" in log.report.notes[0]
    event = log.store.events.page_of(log.user, before=None, limit=10)[-1]
    tamper("events", event.id, ip="2001:db8::2")
    assert log.kinds() == {"changed"}


def test_an_unsigned_event_long_after_the_first_signed_one_is_found(log: AuditLog, tamper: Tamper) -> None:
    of_a_former_version(log, tamper)
    log.record()
    log.seal()
    log.now += verification.ROLLING
    [event] = of_a_former_version(log, tamper)
    log.seal()
    assert [(each.kind, each.event_id) for each in log.findings()] == [("unsigned", event.id)]


def test_an_event_of_a_former_version_that_is_erased_while_it_is_sealed_keeps_no_salt(
    log: AuditLog, tamper: Tamper
) -> None:
    other = log.new_user()
    log.user = other
    of_a_former_version(log, tamper)
    [read] = log.store.links.unsealed(log.now + 2 * MINUTE, after=None, limit=10)
    log.delete_user(other)
    log.store.links.complete([with_digest(read)])
    assert {found.salt for found in log.store.events.page_of(other, before=None, limit=10)} == {None}
    log.seal()
    assert log.findings() == []


def test_a_new_secret_verifies_what_was_sealed_under_the_former_one(log: AuditLog) -> None:
    log.recorded(3)
    renewed = AuditLog(log.store, secret=NEW_SECRET, fallbacks=(SECRET,), now=log.now, user=log.user)
    renewed.recorded(2)
    assert renewed.findings() == []
    alone = AuditLog(log.store, secret=NEW_SECRET, now=renewed.now, user=log.user)
    assert alone.findings() == []


def test_without_the_secret_nothing_passes_for_verified_until_another_one_has_sealed_more(
    log: AuditLog, tamper: Tamper
) -> None:
    log.recorded(3)
    log.record(2)
    log.now += MINUTE
    log.sealing.run()
    log.keys.rotate()
    # The same keyring cannot be opened by a stranger's secret: so a store of their own, with this chain.
    keyring = log.store.keyrings.load()
    assert keyring is not None
    renewed = AuditLog(log.store, secret=NEW_SECRET, fallbacks=(SECRET,), now=log.now, user=log.user)
    alone = AuditLog(log.store, secret=NEW_SECRET, now=renewed.now, user=log.user)
    assert alone.kinds() == {"unproven"}
    tamper("event_links", 2, secret="0" * 16)
    assert "changed" in renewed.kinds()


def test_what_expired_may_be_missing_from_the_beginning(log: AuditLog) -> None:
    daily(log, 3)
    log.now = NOW + 366 * DAY + 60 * MINUTE
    deleted = log.store.events.delete_expired(log.now, 100)
    assert deleted == 4
    assert log.findings() == []
    assert log.store.links.delete_expired(log.now, 100) == 4
    assert log.store.links.delete_expired(log.now, 100) == 0
    assert log.findings() == []
    assert (log.report.records, log.report.first) == (2, 5)
    log.recorded(1)
    assert log.findings() == []
    assert [link.seq for link in log.links()] == [5, 6, 7]


def test_the_purge_leaves_the_last_link_and_goes_in_pieces(log: AuditLog) -> None:
    daily(log, 2)
    log.now = NOW + 500 * DAY
    log.store.events.delete_expired(log.now, 100)
    assert [log.store.links.delete_expired(log.now, 2) for _ in range(3)] == [2, 1, 0]
    assert [link.seq for link in log.links()] == [4]
    log.recorded(1)
    assert log.findings() == []


def test_verification_can_begin_at_a_checkpoint(log: AuditLog, tamper: Tamper) -> None:
    daily(log, 3)
    tamper("events", log.links()[0].event_id, action="password.changed")
    assert log.kinds() == {"changed"}
    assert log.kinds(since=NOW + 2 * DAY) == set()
    assert (log.report.records, log.report.first) == (2, 5)
    assert log.kinds(since=NOW - DAY) == {"changed"}


def test_an_event_that_is_not_sealed_for_long_is_noted(log: AuditLog) -> None:
    log.record()
    log.now += verification.SEALED_WITHIN + MINUTE
    assert log.findings() == []
    assert "1 events older than" in log.report.notes[0]


def test_a_link_whose_event_does_not_say_so_yet_heals(log: AuditLog, tamper: Tamper) -> None:
    events = log.recorded(3)
    tamper("events", events[1].id, seq=None)
    assert log.findings() == []
    assert log.seal() == 0
    assert [sealed.seq for sealed in log.store.links.events([events[1].id])] == [2]
    log.recorded(1)
    assert log.findings() == []


def test_a_link_is_appended_once(log: AuditLog) -> None:
    first, second = a_link(1), a_link(2)
    assert log.store.links.append([first, second])
    assert not log.store.links.append([a_link(2), a_link(3)])
    assert not log.store.links.append([a_link(3, event_id=second.event_id)])
    assert log.links() == [first, second]
    assert log.store.links.last() == second


def test_of_sixteen_that_seal_at_once_the_chain_is_whole(log: AuditLog, in_threads: InThreads) -> None:
    log.record(50)
    log.now += 2 * MINUTE
    assert sum(in_threads(lambda _: log.sealing.run())) >= 50
    assert [link.seq for link in log.links()] == list(range(1, 51))
    assert log.findings() == []
    assert log.store.checkpoints.last() is not None


def seal_in_turn(store: Store, number: int, turn: int) -> int:
    log = AuditLog(store, now=NOW + turn * DAY)
    log.record(20)
    log.now += 2 * MINUTE
    sealed = log.sealing.run()
    log.record(number + 1)
    return sealed


def test_of_four_processes_that_record_and_seal_at_once_the_chain_is_whole(
    store: Store, in_processes: InProcesses
) -> None:
    AuditLog(store)
    in_processes(seal_in_turn)
    log = AuditLog(store, now=NOW + 9 * DAY)
    log.seal()
    assert log.findings() == []
    assert log.report.records == len(log.links()) == 8 * (4 * 20 + 1 + 2 + 3 + 4)


def test_an_event_recorded_while_its_user_is_deleted_is_not_missed_by_the_chain(
    log: AuditLog, in_threads: InThreads
) -> None:
    others = [log.new_user() for _ in range(5)]

    def act(number: int) -> None:
        if number < 5:
            log.delete_user(others[number])
        elif number < 10:
            log.audit.record(others[number - 5], "session.opened", DEVICE)
        else:
            log.sealing.run()

    in_threads(act)
    log.seal()
    assert log.findings() == []
