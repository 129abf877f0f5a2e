"""What every store promises about logins that are under way at a provider."""

from dataclasses import replace
from hashlib import sha256

import pytest

from app.platform.identifiers import new_id
from app.social.flows.model import Flow, Flows
from tests.contract.entities import MINUTE, NOW
from tests.contract.races import THREADS, InThreads
from tests.stores import Store


@pytest.fixture
def flows(store: Store) -> Flows:
    return store.repository(Flows)


def a_digest() -> str:
    return sha256(new_id().encode()).hexdigest()


def a_flow(**fields: object) -> Flow:
    flow = Flow(a_digest(), "google", "login", a_digest(), NOW + MINUTE)
    return replace(flow, **fields)  # type: ignore[arg-type]


def test_a_flow_is_taken_by_its_browser_in_time_and_once(flows: Flows) -> None:
    flow = a_flow(redirect_to="https://a.example/" + "x" * 900, challenge="c" * 43)
    flows.add(flow)
    assert flows.take(flow.id, a_digest(), NOW) is None
    assert flows.take(a_digest(), flow.browser, NOW) is None
    assert flows.take(flow.id, flow.browser, NOW + MINUTE) is None
    assert flows.take(flow.id, flow.browser, NOW) == replace(flow, taken_at=NOW)
    assert flows.take(flow.id, flow.browser, NOW) is None


def test_what_was_posted_is_kept_once_until_the_flow_is_taken(flows: Flows) -> None:
    flow = a_flow(user_id=new_id(), session_id=new_id(), purpose="link")
    flows.add(flow)
    assert not flows.keep_answer(flow.id, "{}", NOW + MINUTE)
    assert not flows.keep_answer(a_digest(), "{}", NOW)
    assert flows.keep_answer(flow.id, '{"code": "ñ"}', NOW)
    assert not flows.keep_answer(flow.id, "{}", NOW)
    assert flows.take(flow.id, flow.browser, NOW) == replace(flow, answer='{"code": "ñ"}', taken_at=NOW)
    other = a_flow()
    flows.add(other)
    flows.take(other.id, other.browser, NOW)
    assert not flows.keep_answer(other.id, "{}", NOW)


def test_a_taken_flow_is_finished_and_redeemed_once(flows: Flows) -> None:
    flow, code = a_flow(), a_digest()
    flows.add(flow)
    assert not flows.finish(flow.id, code, "{}", NOW + MINUTE)
    assert flows.keep_answer(flow.id, "{}", NOW)
    flows.take(flow.id, flow.browser, NOW)
    assert flows.finish(flow.id, code, '{"subject": "1"}', NOW + 2 * MINUTE)
    assert not flows.finish(flow.id, a_digest(), "{}", NOW)
    assert flows.redeem(a_digest()) is None
    done = {"taken_at": NOW, "code": code, "outcome": '{"subject": "1"}', "expires_at": NOW + 2 * MINUTE}
    assert flows.redeem(code) == replace(flow, **done)  # type: ignore[arg-type]
    assert flows.redeem(code) is None


def test_flows_are_deleted_a_few_at_a_time_by_user_and_by_expiry(flows: Flows) -> None:
    user = new_id()
    for _ in range(3):
        flows.add(a_flow(user_id=user, session_id=new_id()))
    assert [flows.remove_some_of(user, 2) for _ in range(3)] == [2, 1, 0]
    for _ in range(3):
        flows.add(a_flow())
    assert flows.delete_expired(NOW, 9) == 0
    assert [flows.delete_expired(NOW + MINUTE, 2) for _ in range(3)] == [2, 1, 0]


def test_of_all_at_once_one_takes_a_flow_and_one_redeems_it(flows: Flows, in_threads: InThreads) -> None:
    for _ in range(4):
        flow, code = a_flow(), a_digest()
        flows.add(flow)
        taken = in_threads(lambda _, flow=flow: flows.take(flow.id, flow.browser, NOW) is not None)  # type: ignore[misc]
        assert sorted(taken) == [False] * (THREADS - 1) + [True]
        flows.finish(flow.id, code, "{}", NOW + MINUTE)
        redeemed = in_threads(lambda _, code=code: flows.redeem(code) is not None)  # type: ignore[misc]
        assert sorted(redeemed) == [False] * (THREADS - 1) + [True]
