"""The chain is verified in bounded memory, whatever its length."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from typing import TYPE_CHECKING

from app.audit.chain import verification
from app.audit.chain.sealing import Sealing
from app.audit.chain.verification import Report, Verification
from app.audit.service import Audit
from app.audit.sql import add_events
from app.platform.identifiers import new_id
from tests.stores import Store, database_of

if TYPE_CHECKING:
    import pytest

    from tests.unit.instance import Instance

FEW, MANY = 300, 1_500
"""Both are several pages; a list of all would be five times as long."""


def test_five_times_the_events_take_no_more_memory(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "AT_ONCE", 100)
    peaks = []
    for number in (FEW, MANY - FEW):
        record(instance, number)
        sealed = sum(iter(instance.get(Sealing).run, 0))
        assert sealed >= number
        peaks.append(peak(instance))
    assert peaks[1] < 2 * peaks[0]


def record(instance: Instance, number: int) -> None:
    event = instance.get(Audit).event(new_id(), "session.opened")
    events = [replace(event, id=new_id()) for _ in range(number)]
    store = instance.store.inner
    assert isinstance(store, Store)
    database_of(store).write(lambda connection: add_events(connection, events))


def peak(instance: Instance) -> int:
    """The most memory, in bytes, that the verification takes at a time."""
    report = Report()
    tracemalloc.start()
    try:
        for _ in instance.get(Verification).run(report):
            pass  # of copies the signature is wrong, so each is a finding, too
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
