"""The rules of an account that need nothing but the account, the time and new identifiers."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.accounts.account import MOST_OFFERS, Account
from app.accounts.factors import ListedPasskey
from app.accounts.imported import Imported, LinkedIdentity
from app.accounts.notices import MOST_NOTICES, WAYS_BACK, Notice
from app.accounts.under_way import CODE_LIVES, UNDO_LIVES, ListedIdentity, LiveCode, PendingEmail, UndoOffer
from app.outbox.model import CLAIMED_FOR, Entry
from app.platform.errors import InvalidCode, TooManyRequests
from tests.contract.entities import DAY, HASH, MINUTE, NOW, a_user, a_whole_account

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from app.accounts.under_way import CodePurpose

PLAIN = Account(a_user(email="ann@example.com", email_verified=True, username="ann"), HASH)
WHOLE = a_whole_account()
MILLISECOND = timedelta(milliseconds=1)
MOMENTS = st.integers(-3, 3).map(lambda days: NOW + days * DAY)
PURPOSES: st.SearchStrategy[CodePurpose] = st.sampled_from(("verify", "reset"))
CODES = st.lists(
    st.builds(LiveCode, st.uuids().map(str), PURPOSES, MOMENTS), max_size=4, unique_by=lambda code: code.purpose
)
OFFERS = st.lists(
    st.builds(
        UndoOffer, st.integers(0, 99).map(str), st.sampled_from(["a@x.test", "b@x.test"]), MOMENTS, st.booleans()
    ),
    max_size=5,
    unique_by=lambda offer: offer.id,
)
KINDS = st.sampled_from(["password_changed", "verify_email", "email_changed", "deletion_undo"])
NOTICES = st.lists(KINDS, min_size=MOST_NOTICES, max_size=3 * MOST_NOTICES)


def offer(number: int, *, expires_at: datetime = NOW + DAY, proven: bool = True) -> UndoOffer:
    return UndoOffer(str(number), f"former{number}@example.com", expires_at, proven)


def notice(number: int, kind: str = "password_changed", to: str = "ann@example.com") -> Notice:
    return Notice(f"notice {number}", kind, to, NOW, {"ip": "192.0.2.1"}, "code")


def entry(number: int, due_at: datetime = NOW) -> Entry:
    """An entry that only a newer version knows."""
    return Entry(f"entry {number}", "of a newer version", {"to": "ann@example.com"}, due_at)


# Codes


@given(CODES, PURPOSES)
def test_an_account_has_one_live_code_of_the_wanted_purpose_and_no_dead_one(
    codes: list[LiveCode], purpose: CodePurpose
) -> None:
    account = replace(PLAIN, codes=tuple(codes))
    after, code = account.with_code(purpose, code_id="new", now=NOW)
    assert code in after.codes
    assert code.purpose == purpose
    assert code.expires_at > NOW
    assert [each for each in after.codes if each.purpose == purpose and each.expires_at > NOW] == [code]
    # Asking again mails the same code, and changes nothing.
    assert after.with_code(purpose, code_id="other", now=NOW) == (after, code)


@pytest.mark.parametrize(("purpose", "life"), [("reset", timedelta(minutes=30)), ("verify", timedelta(hours=24))])
def test_a_code_lives_as_long_as_its_purpose_says(purpose: CodePurpose, life: timedelta) -> None:
    _, code = PLAIN.with_code(purpose, code_id="new", now=NOW)
    assert code == LiveCode("new", purpose, NOW + life)


@given(CODES, PURPOSES, st.sampled_from([NOW - DAY, NOW, NOW + DAY]))
def test_a_code_is_redeemed_only_while_it_lives_and_then_takes_its_purpose_along(
    codes: list[LiveCode], purpose: CodePurpose, now: datetime
) -> None:
    account = replace(PLAIN, codes=tuple(codes))
    for code in codes:
        if code.purpose == purpose and code.expires_at > now:
            after = account.without_code(purpose, code.id, now)
            assert after.codes == tuple(each for each in codes if each.purpose != purpose)
        else:
            with pytest.raises(InvalidCode):
                account.without_code(purpose, code.id, now)
    with pytest.raises(InvalidCode):
        account.without_code(purpose, "unknown", now)


def test_whatever_carries_a_code_tells_its_expiry() -> None:
    pending = WHOLE.pending_email
    assert pending
    carried = {each.id: each.expires_at for each in WHOLE.codes}
    carried |= {each.id: each.expires_at for each in WHOLE.undo_offers} | {pending.id: pending.expires_at}
    assert {code_id: WHOLE.expiry_of(code_id) for code_id in carried} == carried
    assert WHOLE.expiry_of("unknown") is None
    assert PLAIN.expiry_of(None) is None


# Passwords


def test_a_changed_password_ends_other_sessions_the_codes_for_a_new_password_and_pending_changes() -> None:
    after = WHOLE.with_password("new", keep="this")
    assert (after.password_hash, after.auth_epoch, after.kept_session) == ("new", WHOLE.auth_epoch + 1, "this")
    assert [code.purpose for code in after.codes] == ["verify"]
    assert after.pending_email is None
    assert after.undo_offers == WHOLE.undo_offers


@pytest.mark.parametrize("verified", [True, False])
def test_a_reset_proves_the_address_and_keeps_undo_offers_only_if_it_was_proven_before(*, verified: bool) -> None:
    before = WHOLE.with_user(email_verified=verified)
    after = before.with_reset_password("new")
    assert after.user == replace(before.user, email_verified=True)
    assert (after.password_hash, after.auth_epoch, after.kept_session) == ("new", before.auth_epoch + 1, None)
    assert (after.codes, after.pending_email) == ((), None)
    assert after.undo_offers == (before.undo_offers if verified else ())


# The address and its changes


def test_asking_again_for_the_same_address_keeps_the_code_that_was_mailed() -> None:
    first, wanted = PLAIN.with_pending_email("New@example.com", code_id="1", now=NOW)
    assert wanted == PendingEmail("1", "New@example.com", NOW + CODE_LIVES["verify"])
    again, same = first.with_pending_email("new@Example.com", code_id="2", now=NOW + MINUTE)
    assert (again, same) == (first, wanted)
    other, changed = first.with_pending_email("other@example.com", code_id="3", now=NOW + MINUTE)
    assert other.pending_email == changed == PendingEmail("3", "other@example.com", NOW + MINUTE + CODE_LIVES["verify"])
    _, renewed = first.with_pending_email("new@example.com", code_id="4", now=NOW + CODE_LIVES["verify"])
    assert renewed.id == "4"


def test_no_change_of_address_can_push_an_undo_offer_out() -> None:
    offers = tuple(offer(number, expires_at=NOW + (number + 1) * MINUTE) for number in range(MOST_OFFERS))
    full = replace(PLAIN, undo_offers=offers)
    with pytest.raises(TooManyRequests) as refused:
        full.with_pending_email("new@example.com", code_id="1", now=NOW)
    assert refused.value.retry_after == 60
    full.with_pending_email("new@example.com", code_id="1", now=NOW + MINUTE)


@pytest.mark.parametrize(("code_id", "late"), [("other", timedelta(0)), ("1", CODE_LIVES["verify"])])
def test_a_pending_address_is_proven_only_by_its_own_code_and_in_time(code_id: str, late: timedelta) -> None:
    account, wanted = PLAIN.with_pending_email("new@example.com", code_id="1", now=NOW)
    assert account.required_pending_email("1", NOW + CODE_LIVES["verify"] - MILLISECOND) == wanted
    with pytest.raises(InvalidCode):
        account.required_pending_email(code_id, NOW + late)
    with pytest.raises(InvalidCode):
        PLAIN.required_pending_email("1", NOW)


def test_a_pending_address_is_dropped_by_its_own_code() -> None:
    account, _ = PLAIN.with_pending_email("new@example.com", code_id="1", now=NOW)
    assert account.without_pending_email("1") == PLAIN
    for disowned in (account, PLAIN):
        with pytest.raises(InvalidCode):
            disowned.without_pending_email("2")


@pytest.mark.parametrize("verified", [True, False])
def test_an_account_that_moves_offers_its_former_address_the_undo(*, verified: bool) -> None:
    before = replace(
        WHOLE.with_user(email_verified=verified), undo_offers=(offer(1, expires_at=NOW), offer(2, expires_at=NOW + DAY))
    )
    made = before.offer_of_present_email("3", NOW)
    assert made == UndoOffer("3", before.user.email or "", NOW + UNDO_LIVES, verified)
    after = before.moved_to("new@example.com", made, NOW)
    assert (after.user.email, after.user.email_verified) == ("new@example.com", True)
    assert (after.codes, after.pending_email) == ((), None)
    assert [each.id for each in after.undo_offers] == ["2", "3"]


def test_an_account_without_an_address_has_none_to_offer() -> None:
    nameless = PLAIN.with_user(email=None, email_verified=False)
    assert nameless.offer_of_present_email("1", NOW) is None
    assert nameless.moved_to("new@example.com", None, NOW).undo_offers == ()


def test_an_account_that_loses_its_address_loses_what_was_mailed_to_it_and_nothing_else() -> None:
    elsewhere = notice(2, to="former@example.com").entry()
    before = replace(WHOLE.with_user(email="ann@example.com"), outbox=(notice(1).entry(), elsewhere, entry(3)))
    after = before.without_email()
    assert (after.user.email, after.user.email_verified, after.codes) == (None, False, ())
    assert after.outbox == (elsewhere, entry(3))
    assert (after.password_hash, after.auth_epoch, after.undo_offers) == (HASH, before.auth_epoch, before.undo_offers)


# Undo offers


@given(OFFERS)
def test_only_open_offers_of_proven_addresses_hold_them(offers: list[UndoOffer]) -> None:
    account = replace(PLAIN, undo_offers=tuple(offers))
    for key in ("a@x.test", "b@x.test"):
        mine = [each for each in offers if each.email == key and each.proven]
        assert account.has_proven(key) == bool(mine)
        assert account.may_take_back(key, NOW) == any(each.expires_at > NOW for each in mine)


def test_former_addresses_are_told_masked_the_latest_first_and_once() -> None:
    emails = ("a@x.test", "b@x.test", "c@x.test", "A@X.test")
    offers = [UndoOffer(str(number), email, NOW + DAY) for number, email in enumerate(emails)]
    offers[2] = replace(offers[2], expires_at=NOW)
    former = replace(PLAIN, undo_offers=tuple(offers)).former_addresses(NOW)
    assert former == ("A•••@X.test", "b•••@x.test", "a•••@x.test")
    assert replace(PLAIN, undo_offers=(*offers, *offers)).former_addresses(NOW) == former


@given(OFFERS)
def test_the_owner_of_a_former_address_gets_the_account_as_it_was_then(offers: list[UndoOffer]) -> None:
    to_present = notice(1, to=WHOLE.user.email or "").entry()
    waiting = (notice(2, to="former@example.com").entry(), entry(3))
    before = replace(WHOLE, undo_offers=tuple(offers), outbox=(to_present, *waiting))
    for each in offers:
        if each.expires_at <= NOW:
            with pytest.raises(InvalidCode):
                before.required_offer(each.id, NOW)
            continue
        after = before.given_back(before.required_offer(each.id, NOW), NOW)
        assert (after.user.email, after.user.email_verified) == (each.email, True)
        assert (after.password_hash, after.codes, after.pending_email) == (None, (), None)
        assert (after.auth_epoch, after.kept_session) == (before.auth_epoch + 1, None)
        assert [other.id for other in after.undo_offers] == [other.id for other in offers if other.id < each.id]
        assert after.outbox == waiting


@pytest.mark.parametrize(
    ("due", "kept"), [(timedelta(0), True), (CLAIMED_FOR, True), (CLAIMED_FOR + MILLISECOND, False)]
)
def test_a_deleted_account_comes_back_without_the_mails_about_its_deletion(*, due: timedelta, kept: bool) -> None:
    gone = WHOLE.deleted(roles=("member",), claimed_until=NOW + due, now=NOW)
    told = (notice(1, "account_deleted"), notice(2, "deletion_undo"), notice(3, "email_changed"))
    gone = replace(gone, outbox=(*(each.entry() for each in told), entry(4)))
    after = gone.given_back(gone.undo_offers[1], NOW)
    assert (after.user.status, after.user.roles) == ("active", ("member",))
    assert [(each.id, each.kind) for each in after.notices] == [
        ("notice 2", "email_changed"), ("notice 3", "email_changed"),
    ]  # fmt: skip
    assert after.outbox[-1] == entry(4)
    assert after.due_at == (NOW + due if kept else NOW)
    assert replace(gone, outbox=()).given_back(gone.undo_offers[1], NOW).due_at == (NOW + due if kept else None)


@pytest.mark.parametrize("change", [
    lambda account: account.given_back(account.undo_offers[0], NOW),
    lambda account: account.in_new_epoch(),
])  # fmt: skip
def test_a_disabled_account_stays_disabled(change: Callable[[Account], Account]) -> None:
    assert change(WHOLE.with_user(status="disabled")).user.status == "disabled"


# Deletion


@given(OFFERS)
def test_of_a_deleted_account_stays_only_what_the_undo_needs(offers: list[UndoOffer]) -> None:
    before = replace(WHOLE, undo_offers=tuple(offers), outbox=(notice(1).entry(), entry(2)))
    after = before.deleted(roles=("member",), claimed_until=NOW + MINUTE, now=NOW)
    held = tuple(each for each in offers if each.proven and each.expires_at > NOW)
    nobody = a_user(id=before.user.id, status="deleted", roles=("member",) if held else ())
    assert after == Account(
        nobody,
        None,
        before.auth_epoch + 1,
        undo_offers=held,
        outbox=(entry(2),),
        due_at=NOW + MINUTE,
        revision=before.revision,
    )


# The outbox


@pytest.mark.parametrize("code_id", [None, "code"])
def test_a_mail_waits_as_an_entry_and_comes_back_as_it_was(code_id: str | None) -> None:
    queued = Notice("n", "password_changed", "ann@example.com", NOW, {"ip": "192.0.2.1", "": ""}, code_id, 3)
    assert Notice.from_entry(queued.entry()) == queued
    waiting = queued.entry(NOW + MINUTE)
    assert (waiting.id, waiting.kind, waiting.due_at, waiting.attempts) == ("n", "mail", NOW + MINUTE, 3)
    assert queued.entry().due_at == NOW
    assert replace(PLAIN, outbox=(entry(1), waiting, entry(2))).notices == (queued,)


@given(NOTICES)
def test_the_oldest_mails_make_room_but_never_a_way_back(kinds: list[str]) -> None:
    account, now = replace(PLAIN, outbox=(entry(1),), due_at=NOW), NOW
    ways_back = 0
    for number, kind in enumerate(kinds):
        if kind in WAYS_BACK:
            if ways_back == MOST_OFFERS:
                continue  # there are no more offers than that
            ways_back += 1
        account = account.with_notice(notice(number, kind), now)
        now += MINUTE
        assert account.notices[-1] == notice(number, kind)
        assert len([each for each in account.notices if each.kind in WAYS_BACK]) == ways_back
        assert len(account.notices) <= max(MOST_NOTICES, ways_back + 1)
        assert account.outbox[-1].due_at == now - MINUTE
    assert account.due_at == NOW
    assert account.outbox[0] == entry(1)


def test_mail_that_is_added_leaves_the_claim_of_a_worker_alone() -> None:
    claimed = replace(PLAIN, due_at=NOW + CLAIMED_FOR)
    assert claimed.with_notice(notice(1), NOW).due_at == NOW + CLAIMED_FOR
    assert PLAIN.with_notice(notice(1), NOW).due_at == NOW


def test_mail_that_is_added_does_not_wait_for_an_entry_that_is_due_much_later() -> None:
    far = replace(PLAIN, outbox=(entry(1, NOW + DAY),), due_at=NOW + DAY)
    assert far.with_notice(notice(1), NOW).due_at == NOW


# API keys


def test_keys_outlive_a_new_password_and_a_reset_of_a_proven_address() -> None:
    assert WHOLE.with_password(HASH, keep="s").listed_keys == WHOLE.listed_keys
    assert WHOLE.in_new_epoch().listed_keys == WHOLE.listed_keys
    assert WHOLE.with_reset_password(HASH).listed_keys == WHOLE.listed_keys


def test_keys_that_somebody_else_may_have_made_end() -> None:
    assert WHOLE.with_user(email_verified=False).with_reset_password(HASH).listed_keys == ()
    assert WHOLE.given_back(WHOLE.undo_offers[0], NOW).listed_keys == ()


def test_a_deleted_account_has_no_keys_and_gets_none_back() -> None:
    gone = WHOLE.deleted(roles=(), claimed_until=NOW + DAY, now=NOW)
    assert gone.listed_keys == ()
    assert gone.given_back(gone.undo_offers[0], NOW).listed_keys == ()


# The status, and what administrators give


def test_a_disabled_account_keeps_nothing_that_could_let_anyone_in() -> None:
    disabled = WHOLE.disabled()
    assert disabled.user.status == "disabled"
    assert (disabled.codes, disabled.pending_email, disabled.kept_session) == ((), None, None)
    assert disabled.auth_epoch == WHOLE.auth_epoch + 1
    assert (disabled.undo_offers, disabled.outbox, disabled.password_hash) == (
        WHOLE.undo_offers,
        WHOLE.outbox,
        WHOLE.password_hash,
    )
    assert disabled.disabled() is disabled


@pytest.mark.parametrize("status", ["active", "invited"])
def test_enabling_gives_back_the_status_from_before(status: str) -> None:
    before = PLAIN.with_user(status=status)
    assert before.enabled() is before
    assert before.disabled().enabled() == before.in_new_epoch()


@pytest.mark.parametrize(("before", "after"), [("active", "active"), ("disabled", "disabled")])
def test_who_is_brought_back_after_a_deletion_is_as_disabled_as_before(before: str, after: str) -> None:
    account = replace(PLAIN, undo_offers=(offer(1),))
    account = account.disabled() if before == "disabled" else account
    gone = account.deleted(roles=("member",), claimed_until=NOW, now=NOW)
    back = gone.given_back(offer(1), NOW)
    assert (back.user.status, back.returns_as) == (after, None)
    assert back.disabled().enabled().user.status == "active"


def test_a_given_address_waits_for_proof_and_is_nobodys_way_back() -> None:
    given = PLAIN.with_given_email("new@example.com", offer(1), NOW)
    assert given.waits_for_proof
    assert (given.user.email, given.user.email_verified, given.undo_offers) == ("new@example.com", False, (offer(1),))
    assert given.offer_of_present_email("2", NOW) is None
    assert not PLAIN.waits_for_proof
    assert not replace(PLAIN, user=replace(PLAIN.user, email_verified=False)).waits_for_proof
    for settled in (
        given.with_user(email_verified=True),
        given.without_email(),
        given.moved_to("other@example.com", None, NOW),
        given.given_back(offer(1), NOW),
    ):
        assert not settled.waits_for_proof


def test_a_reset_by_a_given_address_keeps_the_way_back_of_the_former_one() -> None:
    given = PLAIN.with_given_email("misspelt@example.com", offer(1), NOW)
    assert given.with_reset_password(HASH).undo_offers == (offer(1),)
    unproven = replace(PLAIN.with_user(email_verified=False), undo_offers=(offer(1),))
    assert unproven.with_reset_password(HASH).undo_offers == ()


def test_an_entry_that_waits_is_not_added_again() -> None:
    first, second = Entry("a", "event", {"n": 1}, NOW), Entry("a", "event", {"n": 2}, NOW)
    account = Account(a_user(), HASH).with_entries([first], NOW)
    assert account.with_entries([second], NOW) == account
    assert (account.outbox, account.due_at) == ((first,), NOW)


# Accounts at providers

GOOGLE, GITHUB = ListedIdentity("i1", "google"), ListedIdentity("i2", "github")
PASSKEY = ListedPasskey("k1", "Laptop")
WITHOUT_PASSWORD = replace(PLAIN, password_hash=None, identities=(GOOGLE, GITHUB))


@pytest.mark.parametrize(
    "proven",
    [
        lambda account: account.with_reset_password(HASH),
        lambda account: account.taken_over_by(ListedIdentity("i3", "google"), "ann@example.com"),
    ],
)
def test_a_first_proof_of_the_address_ends_every_other_way_in(proven: Callable[[Account], Account]) -> None:
    imported = Imported("7", "auth0", (LinkedIdentity("google", "117"),))
    account = replace(WITHOUT_PASSWORD, passkeys=(PASSKEY,), imported=imported).with_user(email_verified=False)
    after = proven(account)
    assert not {"i1", "i2"} & {listed.id for listed in after.identities}
    assert after.passkeys == ()
    assert after.imported == Imported("7", "auth0")
    assert after.user.email_verified
    assert after.auth_epoch == account.auth_epoch + 1


def test_a_reset_of_a_proven_address_keeps_what_is_linked() -> None:
    assert WITHOUT_PASSWORD.with_reset_password(HASH).identities == (GOOGLE, GITHUB)
