"""The capacity model: from a number of users to what they need."""

from dataclasses import replace
from itertools import pairwise

import pytest

from bench.capacity import (
    DAY,
    GIVEN,
    MEASURED,
    SPACES,
    Assumptions,
    Costs,
    Load,
    cores,
    knees,
    load,
    needs,
    space,
)
from bench.filling import Space
from bench.tables import USERS

ONE_A_SECOND = Assumptions(
    active=0.5, logins=2, refreshes=3, requests=7, uses_noted=5, registrations=1, peak=10, sessions=2, events=3
)
"""With 86,400 users, half of them active: easy to follow by hand."""


def test_the_busiest_second_has_the_mean_of_the_day_times_the_peak() -> None:
    assert load(DAY, ONE_A_SECOND) == Load(
        logins=10, refreshes=15, requests=35, registrations=10, writes=10 * 2 + 15 + 25 + 10 * 6
    )


def test_each_request_costs_its_processor_time_and_each_password_also_a_hash() -> None:
    costs = Costs(
        hash=0.25, login=0.01, refresh=0.02, request=0.03, registration=0.04,
        login_in_database=1, refresh_in_database=2, request_in_database=3, registration_in_database=4,
    )  # fmt: skip
    busy = cores(Load(logins=10, refreshes=15, requests=35, registrations=10, writes=0), costs)
    assert busy.hashing == pytest.approx(20 * 0.25)
    assert busy.all == pytest.approx(5 + 10 * 0.01 + 15 * 0.02 + 35 * 0.03 + 10 * 0.04)
    assert busy.database == pytest.approx(10 + 30 + 105 + 40)


def test_a_store_keeps_all_records_with_the_indexes_and_the_users_seen_in_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kinds = {"users": Space(100, 10), "sessions": Space(200, 20), "events": Space(400, 40)}
    monkeypatch.setitem(SPACES, "SQLite", kinds)
    kept = space(1000, "SQLite", ONE_A_SECOND)
    assert (kept.records, kept.indexes) == (1000 * (100 + 400 + 1200), 1000 * (10 + 40 + 120))
    assert kept.memory == kept.indexes + 0.5 * 1000 * (100 + 400)
    assert kept.on_disk == kept.records + kept.indexes


def test_ten_times_the_users_are_ten_times_the_load() -> None:
    for fewer, more in pairwise(USERS):
        assert load(more).writes == pytest.approx(10 * load(fewer).writes)
        assert space(more, "MongoDB").on_disk == pytest.approx(10 * space(fewer, "MongoDB").on_disk)


def test_a_thousand_users_need_one_instance_on_sqlite() -> None:
    assert (needs(1000).instances, needs(1000).store) == (1, "SQLite")


def test_a_second_instance_needs_a_server_and_one_may_fail() -> None:
    users = 2 * knees()["the cores of one machine: a second instance, so no SQLite"]
    assert needs(users * 0.99).instances == 2 + 1
    assert needs(users * 0.99).store == "PostgreSQL, or a MongoDB replica set"


@pytest.mark.parametrize(
    "limit", [replace(GIVEN, cores=1000, sqlite_writes=10), replace(GIVEN, cores=1000, sqlite_bytes=1e8)]
)
def test_sqlite_is_limited_by_its_one_writer_and_its_one_file(limit: Assumptions) -> None:
    assert needs(1000, limit).store == "SQLite"
    assert needs(1_000_000, limit).store == "PostgreSQL, or a MongoDB replica set"
    assert needs(1_000_000, limit).instances == 1 + 1


@pytest.mark.parametrize("limit", [replace(GIVEN, server_writes=100), replace(GIVEN, server_bytes=1e9)])
def test_shards_begin_where_one_server_ends(limit: Assumptions) -> None:
    assert needs(1000, limit).store == "SQLite"
    assert needs(10_000_000, limit).store.startswith("MongoDB in ")


def test_every_worker_has_a_core_and_a_thread_that_hashes() -> None:
    for users in USERS:
        found = needs(users)
        assert found.workers == found.hash_threads == found.instances * GIVEN.cores
        assert found.memory == found.workers * MEASURED.worker_bytes


def test_each_limit_is_met_at_exactly_the_stated_number() -> None:
    ends = knees()
    assert cores(load(ends["the cores of one machine: a second instance, so no SQLite"])).all == pytest.approx(
        GIVEN.cores * GIVEN.busy
    )
    assert load(ends["the one writer of SQLite"]).writes == pytest.approx(GIVEN.sqlite_writes)
    assert space(ends["the one file of SQLite"], "SQLite").on_disk == pytest.approx(GIVEN.sqlite_bytes)
    assert load(ends["the writes of one server, PostgreSQL or primary of a replica set"]).writes == pytest.approx(
        GIVEN.server_writes
    )
    assert space(ends["the disk of one PostgreSQL"], "PostgreSQL").on_disk == pytest.approx(GIVEN.server_bytes)
