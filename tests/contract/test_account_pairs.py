"""What every store promises when two rules meet in one account, or in one address, at the same time."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import Any

import pytest

from app.accounts.account import Account
from app.accounts.credentials import CredentialService
from app.accounts.deletion import DeletionService
from app.accounts.registration import NewAccount, RegistrationService
from app.audit.model import Events
from app.oauth.consents.service import ConsentService
from app.outbox.service import Outbox
from app.platform.devices import Device
from app.platform.errors import EmailTaken, Failure, ReauthenticationRequired
from app.platform.identifiers import new_id
from app.recovery.email_change import EmailChangeService
from app.recovery.mailed_codes import Redeemable
from app.recovery.reset import ResetService
from app.security import codes
from app.security.secret_keys import SecretKeys
from app.wiring import Wired
from tests.api.service import PASSWORD
from tests.contract.races import InThreads
from tests.stores import Store
from tests.unit.instance import session_of

HERE = Device("192.0.2.1", "curl/8.5.0")
_NUMBERS = count(1)


@pytest.fixture
def services(wired: Wired) -> Wired:
    return wired


class Ann:
    """Ann verified an address and then moved to another; she has the token that undoes the move."""

    def __init__(self, wired: Wired) -> None:
        number = next(_NUMBERS)
        self.wired, self.services = wired, wired
        self.first, self.second = f"ann{number}@example.com", f"ann{number}@example.org"
        self.id = self.services.get(RegistrationService).register(NewAccount(PASSWORD, self.first)).user.id
        new = self.account
        assert Store(wired.store).users.save(replace(new, user=replace(new.user, email_verified=True)))
        self.confirm(self.ask(self.second))
        (offer,) = self.account.undo_offers
        self.token = codes.make_token(wired.get(SecretKeys).current, "undo", self.id, offer.id)

    @property
    def account(self) -> Account:
        account = Store(self.wired.store).users.account(self.id)
        assert account is not None
        return account

    def ask(self, email: str) -> Redeemable:
        self.services.get(EmailChangeService).request(session_of(self.wired, self.id), email, PASSWORD, HERE)
        pending = self.account.pending_email
        assert pending is not None
        return Redeemable("change", self.id, pending.id)

    def confirm(self, change: Redeemable) -> None:
        self.services.get(EmailChangeService).confirm(change, HERE)

    def undo(self) -> None:
        self.services.get(EmailChangeService).undo(self.token, HERE)

    def reset(self) -> Callable[[], None]:
        """Request a password reset at the current address; returns the function that completes it."""
        accounts, secret = (
            self.services.get(CredentialService).accounts,
            self.wired.get(SecretKeys).current,
        )
        code_id, now = new_id(), accounts.clock()
        changed = accounts.change(self.id, lambda account: account.with_code("reset", code_id=code_id, now=now)[0])
        (code,) = changed.codes
        token = codes.make_token(secret, "reset", self.id, code.id)
        return lambda: self.services.get(ResetService).redeem("another good long password", HERE, token=token)

    def delete(self) -> None:
        self.services.get(DeletionService).delete(session_of(self.wired, self.id), PASSWORD, HERE)


def register(services: Wired, email: str) -> bool | type[Failure]:
    """The outcome of registering an address."""
    try:
        services.get(RegistrationService).register(NewAccount(PASSWORD, email))
    except Failure as failure:
        return type(failure)
    return True


def failure_of(*acts: Callable[[], None]) -> type[Failure] | None:
    """The failure of acts that follow each other; None if there is none."""
    try:
        for act in acts:
            act()
    except Failure as failure:
        return type(failure)
    return None


def test_an_undo_and_a_deletion_at_once_leave_the_account_to_the_former_owner(
    wired: Wired, in_threads: InThreads
) -> None:
    for _ in range(4):
        ann = Ann(wired)
        acts = [ann.undo, ann.delete] * 8
        failures = in_threads(partial(lambda acts, number: failure_of(acts[number]), acts))
        assert failures[::2].count(None) == 1
        assert (ann.account.user.status, ann.account.user.email) == ("active", ann.first)
        assert ann.account.password_hash is None
        wired.get(Outbox).deliver_due()
        assert ann.account.user.status == "active"


def test_a_deletion_without_a_password_and_the_reset_that_sets_one_at_once_are_one_or_the_other(
    wired: Wired, in_threads: InThreads
) -> None:
    deletions = wired.get(DeletionService)
    for _ in range(4):
        ann = Ann(wired)
        assert Store(wired.store).users.save(replace(ann.account, password_hash=None))
        session = session_of(wired, ann.id)
        assert failure_of(partial(deletions.delete, session, None, HERE)) is ReauthenticationRequired
        acts = [partial(deletions.delete, session, None, HERE, lambda: None), ann.reset()] * 8
        failures = in_threads(partial(lambda acts, number: failure_of(acts[number]), acts))
        assert failures.count(None) == 1
        is_deleted = None in failures[::2]
        assert ann.account.user.status == ("deleted" if is_deleted else "active")
        assert (ann.account.password_hash is None) == is_deleted


def test_an_undo_beside_resets_and_further_changes_gives_the_account_to_the_first_owner(
    wired: Wired, in_threads: InThreads
) -> None:
    """The attacker sets the password and moves the account on while the former owner takes it back."""
    for _ in range(4):
        ann = Ann(wired)
        third = ann.ask(f"third-{ann.id}@example.net")
        acts = [ann.undo, ann.reset(), partial(ann.confirm, third), ann.delete] * 4
        failures = in_threads(partial(lambda acts, number: failure_of(acts[number]), acts))
        assert failures[::4].count(None) == 1
        assert (ann.account.user.status, ann.account.user.email) == ("active", ann.first)
        assert (ann.account.password_hash, ann.account.undo_offers) == (None, ())
        assert (ann.account.pending_email, len(ann.account.codes)) == (None, 1)


def test_of_an_earlier_and_a_later_undo_at_once_the_earlier_owner_gets_the_account(
    wired: Wired, in_threads: InThreads
) -> None:
    for _ in range(4):
        ann = Ann(wired)
        ann.confirm(ann.ask(f"third-{ann.id}@example.net"))
        secret = wired.get(SecretKeys).current
        later = codes.make_token(secret, "undo", ann.id, ann.account.undo_offers[-1].id)
        acts = [ann.undo, partial(wired.get(EmailChangeService).undo, later, HERE)] * 8
        failures = in_threads(partial(lambda acts, number: failure_of(acts[number]), acts))
        assert failures[::2].count(None) == 1
        assert ann.account.user.email == ann.first
        assert register(wired, ann.second) is True


def test_nobody_gets_an_address_while_its_owner_gives_it_up_and_deletes_the_account(
    wired: Wired, in_threads: InThreads
) -> None:
    for _ in range(4):
        ann = Ann(wired)
        third = ann.ask(f"third-{ann.id}@example.net")

        def act(number: int, ann: Ann = ann, third: Redeemable = third) -> object:
            if number:
                return register(wired, ann.first if number % 2 else ann.second)
            return failure_of(lambda: ann.confirm(third), ann.delete)

        gone, *claims = in_threads(act)
        assert gone is None
        assert claims == [EmailTaken] * 15
        assert {offer.email for offer in ann.account.undo_offers} == {ann.first, ann.second}


def test_the_owner_who_takes_back_a_former_address_wins_over_those_who_register_it(
    wired: Wired, in_threads: InThreads
) -> None:
    ann = Ann(wired)
    ann.delete()
    undone, *claims = in_threads(lambda number: register(wired, ann.first) if number else failure_of(ann.undo))
    assert undone is None
    # One that claimed it for a moment, before the proof took it away, goes on without an address.
    assert set(claims) <= {EmailTaken, True}
    assert ann.account.user.email == ann.first


def test_an_address_that_was_never_proven_is_free_as_soon_as_it_is_given_up(
    wired: Wired, in_threads: InThreads
) -> None:
    services = wired
    user_id = services.get(RegistrationService).register(NewAccount(PASSWORD, "claimed@example.com")).user.id
    services.get(EmailChangeService).request(session_of(wired, user_id), "own@example.com", PASSWORD, HERE)
    account = Store(wired.store).users.account(user_id)
    assert account is not None
    assert account.pending_email is not None
    services.get(EmailChangeService).confirm(Redeemable("change", user_id, account.pending_email.id), HERE)
    results = in_threads(lambda _: register(services, "claimed@example.com"))
    assert (results.count(True), results.count(EmailTaken)) == (1, 15)


def test_registrations_of_an_address_against_deletions_of_it_all_have_a_plain_outcome(
    wired: Wired, in_threads: InThreads
) -> None:
    services = wired

    def live_and_let_die(_: int) -> list[object]:
        outcomes: list[object] = []
        for _ in range(8):
            try:
                user_id = services.get(RegistrationService).register(NewAccount(PASSWORD, "wanted@example.com")).user.id
            except Failure as failure:
                outcomes.append(type(failure))
            else:
                services.get(DeletionService).delete(session_of(wired, user_id), PASSWORD, HERE)
                outcomes.append(True)
        return outcomes

    outcomes = [outcome for results in in_threads(live_and_let_die) for outcome in results]
    assert set(outcomes) <= {True, EmailTaken}
    assert True in outcomes


# What others were allowed by a former owner


@dataclass(frozen=True)
class App:
    id: str = "https://app.example/client.json"
    name: str = "An app"


@dataclass(frozen=True)
class Asked:
    """What an app asks for."""

    client: App = App()
    scopes: tuple[str, ...] = ("openid", "email")
    resources: tuple[str, ...] = ()


def allowed_then(wired: Wired, user_id: str, prove: Callable[[], None]) -> None:
    """An app is allowed something, and then the account comes to its owner."""
    wired.get(ConsentService).allow(session_of(wired, user_id), Asked(), HERE)
    prove()
    clock: Any = wired.parts.clock
    clock.advance(1)


@pytest.mark.parametrize("by_courier", [False, True], ids=["at once", "by the courier"])
@pytest.mark.parametrize("by", ["reset", "undo"])
def test_what_a_former_owner_allowed_goes_when_the_account_comes_to_its_owner(
    services: Wired, by: str, *, by_courier: bool
) -> None:
    ann, consents = Ann(services), services.get(ConsentService)
    if by == "reset":
        assert Store(services.store).users.save(
            replace(ann.account, user=replace(ann.account.user, email_verified=False))
        )
    allowed_then(services, ann.id, ann.reset() if by == "reset" else ann.undo)
    if by_courier:
        services.get(Outbox).deliver_due()
        assert consents.consents.of_user(ann.id) == []
    assert not consents.covers(ann.id, Asked())
    assert consents.list_of(ann.account.user) == []
    consents.allow(session_of(services, ann.id), replace(Asked(), scopes=("openid",)), HERE)
    services.get(Outbox).deliver_due()
    assert [each.scopes for each in consents.list_of(ann.account.user)] == [("openid",)]
    actions = [event.action for event in services.get(Events).page_of(ann.id, before=None, limit=100)]
    assert actions.count("grant.revoked") == 1


def test_what_the_owner_allowed_stays_with_a_reset_of_their_proven_address(services: Wired) -> None:
    ann = Ann(services)
    allowed_then(services, ann.id, ann.reset())
    services.get(Outbox).deliver_due()
    assert services.get(ConsentService).covers(ann.id, Asked())
