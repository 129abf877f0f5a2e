"""What every store promises about authorization codes."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.accounts.account import Account
from app.accounts.model import User
from app.oauth.codes.model import KEPT, Code, Codes, Opened
from app.platform.identifiers import new_id
from tests.contract.entities import CLIENT, HASH, MINUTE, NOW, a_code, a_user
from tests.contract.races import THREADS, InThreads
from tests.stores import Store


@pytest.fixture
def codes(store: Store) -> Codes:
    return store.repository(Codes)


def test_a_code_comes_back_as_it_was_added(codes: Codes, ann: User) -> None:
    whole = a_code(
        ann, first_party=True, redirect_uri_sent=False, parent_id=new_id(), nonce="ñ" * 300, dpop_jkt="k" * 43
    )
    for code in (a_code(ann), whole):
        assert codes.add(code)
        assert codes.find(code.id) == code
    assert codes.find("f" * 64) is None


def test_a_code_of_another_epoch_is_not_stored(codes: Codes, ann: User) -> None:
    code = a_code(ann, auth_epoch=1)
    assert not codes.add(code)
    assert codes.find(code.id) is None


def test_a_code_of_a_user_who_is_not_active_is_not_stored(store: Store, codes: Codes) -> None:
    for status in ("disabled", "deleted"):
        user = a_user(username=None, email=None, status=status)
        store.users.add(Account(user, HASH))
        assert not codes.add(a_code(user))


def test_a_code_is_spent_by_its_client_in_time_and_once(codes: Codes, ann: User) -> None:
    code, session = a_code(ann), new_id()
    codes.add(code)
    assert codes.spend(code.id, "another", session, NOW) is None
    assert codes.spend(code.id, CLIENT, session, NOW + MINUTE) is None
    assert codes.note_reuse(code.id, CLIENT, NOW) is None
    spent = replace(code, used_at=NOW, session_id=session)
    assert codes.spend(code.id, CLIENT, session, NOW) == spent
    assert codes.spend(code.id, CLIENT, new_id(), NOW) is None
    assert codes.find(code.id) == spent


def test_a_second_use_names_the_session_of_the_first(codes: Codes, ann: User) -> None:
    code, session = a_code(ann), new_id()
    codes.add(code)
    codes.spend(code.id, CLIENT, session, NOW)
    assert not codes.was_reused(code.id)
    assert codes.note_reuse(code.id, "another", NOW) is None
    assert not codes.was_reused(code.id)
    for at in (NOW + MINUTE, NOW + 2 * MINUTE):
        assert codes.note_reuse(code.id, CLIENT, at) == Opened(session, ann.id)
    assert codes.was_reused(code.id)
    assert codes.note_reuse(code.id, "another", NOW) is None
    found = codes.find(code.id)
    assert found is not None
    assert found.reused_at == NOW + MINUTE


def test_codes_are_kept_for_a_while_behind_their_expiry(codes: Codes, ann: User) -> None:
    for _ in range(3):
        codes.add(a_code(ann, expires_at=NOW))
    assert codes.delete_expired(NOW + KEPT - timedelta(seconds=1), 9) == 0
    assert [codes.delete_expired(NOW + KEPT, 2) for _ in range(3)] == [2, 1, 0]


def test_the_codes_of_a_user_are_deleted_a_few_at_a_time(codes: Codes, ann: User) -> None:
    for _ in range(3):
        codes.add(a_code(ann))
    assert [codes.remove_some_of(ann.id, 2) for _ in range(3)] == [2, 1, 0]


def test_of_all_that_spend_a_code_at_once_one_gets_it_and_all_others_name_its_session(
    codes: Codes, ann: User, in_threads: InThreads
) -> None:
    for _ in range(4):
        code = a_code(ann)
        codes.add(code)

        def spend(_number: int, code: Code = code) -> tuple[str, str | None]:
            session = new_id()
            if codes.spend(code.id, CLIENT, session, NOW):
                return "got", session
            opened = codes.note_reuse(code.id, CLIENT, NOW)
            return "late", None if opened is None else opened.session_id

        results = in_threads(spend)
        assert sorted(kind for kind, _ in results) == ["got"] + ["late"] * (THREADS - 1)
        assert len({session for _, session in results}) == 1
