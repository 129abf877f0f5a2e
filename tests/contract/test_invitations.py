"""What every store promises when an invitation is answered, or its user disabled or deleted, at the same time."""

from collections import Counter
from dataclasses import replace
from itertools import count

import pytest

from app.accounts.account import Account
from app.accounts.registration import NewAccount, RegistrationService
from app.accounts.service import Accounts
from app.accounts.under_way import PendingEmail
from app.invitations.service import Answer, InvitationService, Invitee
from app.platform.devices import Device
from app.platform.errors import Failure
from app.recovery.mailed_codes import Redeemable
from app.roles.administrators import Administrators
from app.wiring import Wired
from tests.api.service import PASSWORD
from tests.contract.races import InThreads

HERE = Device("192.0.2.1", "curl/8.5.0")
_NUMBERS = count(1)


def invited(wired: Wired, email: str | None = None, *, admin: bool = False) -> tuple[Account, Redeemable]:
    """An invited user, and their invitation."""
    email = email or f"bob{next(_NUMBERS)}@example.com"
    account = wired.get(InvitationService).add(Invitee(email, roles=("admin",) if admin else None), "command")
    (code,) = account.codes
    return account, Redeemable("invitation", account.user.id, code.id)


def answered(wired: Wired, found: Redeemable, number: int = 0, username: str | None = None) -> str:
    """The outcome of an answer."""
    try:
        wired.get(InvitationService).accept(found, Answer(f"{PASSWORD} {number}", username), HERE)
    except Failure as failure:
        return failure.code
    return "accepted"


def test_of_sixteen_answers_one_succeeds(wired: Wired, in_threads: InThreads) -> None:
    account, found = invited(wired, admin=True)
    results = in_threads(lambda number: answered(wired, found, number))
    assert Counter(results) == {"accepted": 1, "invalid_code": 15}
    now = wired.get(Accounts).users.account(account.user.id)
    assert now is not None
    assert (now.user.status, now.user.email_verified, now.codes, now.pending_email) == ("active", True, (), None)
    assert account.user.id in wired.get(Administrators)._guard().ids  # noqa: SLF001 - what the last one is decided by


def test_of_sixteen_invitations_of_one_user_name_one_is_made(wired: Wired, in_threads: InThreads) -> None:
    number = next(_NUMBERS)

    def add(each: int) -> str:
        invitee = Invitee(f"n{number}.{each}@example.com", username=f"name{number}")
        try:
            wired.get(InvitationService).add(invitee, "command")
        except Failure as failure:
            return failure.code
        return "made"

    assert Counter(in_threads(add)) == {"made": 1, "username_taken": 15}


def test_sixteen_invited_to_an_address_that_nobody_proved_get_it_one(wired: Wired, in_threads: InThreads) -> None:
    email = f"bob{next(_NUMBERS)}@example.com"
    claimed = wired.get(RegistrationService).register(NewAccount(PASSWORD, email, f"bob{next(_NUMBERS)}")).user.id
    users = wired.get(Accounts).users
    several = []
    for number in range(16):  # as if each had been invited before the others were seen
        account, found = invited(wired, f"other{number}.{email}")
        pending = PendingEmail(found.code_id, email, account.codes[0].expires_at)
        moved = replace(account.with_user(email=None), pending_email=pending)
        assert users.save(moved)
        several.append(found)
    results = in_threads(lambda number: answered(wired, several[number]))
    assert Counter(results) == {"accepted": 1, "email_taken": 15}
    owner, former = users.account_by_email(email), users.account(claimed)
    assert owner is not None
    assert former is not None
    assert owner.user.id == several[results.index("accepted")].owner_id
    assert former.user.email is None


@pytest.mark.parametrize("end", ["disabled", "deleted"])
def test_who_is_disabled_or_deleted_while_they_answer_does_not_get_in(
    wired: Wired, in_threads: InThreads, end: str
) -> None:
    accounts = wired.get(Accounts)

    def ended(account: Account) -> Account:
        if end == "disabled":
            return account.with_user(status="disabled")
        now = accounts.clock()
        return account.deleted(roles=(), claimed_until=now, now=now)

    for _ in range(4):
        account, found = invited(wired)

        def act(number: int, user_id: str = account.user.id, found: Redeemable = found) -> str:
            if number:
                return answered(wired, found, number)
            accounts.change(user_id, ended, among=("invited", "active"))
            return end

        results = Counter(in_threads(act))
        now = accounts.users.account(account.user.id)
        assert now is not None
        assert now.user.status == end
        assert results[end] == 1
        assert results["accepted"] <= 1
        assert answered(wired, found) == "invalid_code"
