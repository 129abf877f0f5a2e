"""What every store promises when a recovery of lost factors meets itself, its cancellation or its time at once."""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count

import pytest

from app.accounts.account import Account
from app.accounts.factors import FactorRecovery, ListedTotp, recovery_of, with_recovery, without_recovery
from app.accounts.model import Credentials
from app.accounts.registration import NewAccount, RegistrationService
from app.factors.lost import LostFactors
from app.outbox.service import Outbox
from app.platform.devices import Device
from app.platform.errors import InvalidCode, InvalidLoginToken
from app.platform.identifiers import new_id
from app.security import codes
from app.security.secret_keys import SecretKeys
from app.sessions.gate import LoginGate
from app.sessions.proof import Proof
from app.wiring import Wired
from tests.api.service import PASSWORD
from tests.contract.races import THREADS, InThreads, failure_of
from tests.stores import Store

HERE = Device("192.0.2.1", "curl/8.5.0")
DELAY = timedelta(hours=72)
_NUMBERS = count(1)


class Ann:
    """A user with a verified address and an authenticator app."""

    def __init__(self, wired: Wired) -> None:
        self.wired = wired
        self.email = f"ann{next(_NUMBERS)}@example.com"
        self.id = wired.get(RegistrationService).register(NewAccount(PASSWORD, self.email)).user.id
        self.lost = replace(wired.get(LostFactors), hours=72)
        new = self.account
        self.write(replace(new, user=replace(new.user, email_verified=True), totp=(ListedTotp(new_id(), self.now),)))

    @property
    def store(self) -> Store:
        return Store(self.wired.store)

    @property
    def now(self) -> datetime:
        return self.wired.parts.clock()

    @property
    def account(self) -> Account:
        account = self.store.users.account(self.id)
        assert account is not None
        return account

    @property
    def credentials(self) -> Credentials:
        found = self.store.users.credentials_by_email(self.email)
        assert found is not None
        return found

    def write(self, account: Account) -> None:
        assert self.store.users.save(account)

    def ask(self) -> FactorRecovery:
        return self.lost.ask(self.account, HERE)

    def is_due(self, *, told: bool = True) -> None:
        """A recovery that was asked for DELAY ago."""
        asked_at, told_at = self.now - DELAY, self.now - DELAY if told else None
        account = self.account
        recovery = FactorRecovery(new_id(), self.email, account.auth_epoch, asked_at, self.now, told_at)
        self.write(with_recovery(account, recovery, self.now))

    def proof(self, *, whole: bool = False) -> Proof:
        proof = self.wired.get(LoginGate).first_factor(self.credentials, "login", "pwd")
        authentication = proof.authentication.with_factor(("otp",), self.now) if whole else proof.authentication
        return replace(proof, authentication=authentication)

    def actions(self) -> list[str]:
        events = self.store.events.page_of(self.id, before=None, limit=50)
        return [event.action for event in events if event.action.startswith("factors.")]


@pytest.fixture
def ann(wired: Wired) -> Ann:
    return Ann(wired)


def test_what_a_login_reads_says_whether_a_recovery_was_asked_for(ann: Ann) -> None:
    assert ann.credentials == ann.account.credentials
    assert not ann.credentials.is_recovering
    ann.ask()
    assert ann.credentials == ann.account.credentials
    assert ann.credentials.is_recovering
    ann.write(without_recovery(ann.account))
    assert not ann.credentials.is_recovering


def test_of_all_who_ask_at_once_one_begins_it_and_all_get_its_time(ann: Ann, in_threads: InThreads) -> None:
    found = in_threads(lambda _: ann.ask())
    assert {each.id for each in found} == {ann.account.factor_recovery and ann.account.factor_recovery.id}
    assert len([notice for notice in ann.account.notices if notice.kind == "factor_recovery"]) == 1
    assert ann.actions() == ["factors.recovery_asked"]


def test_of_all_logins_at_its_time_one_removes_the_factors_and_all_go_on(ann: Ann, in_threads: InThreads) -> None:
    ann.is_due()
    proof = ann.proof()
    found = in_threads(lambda _: ann.lost.settle(proof, HERE))
    assert {(each.credentials.factors, each.credentials.auth_epoch) for each in found} == {((), ann.account.auth_epoch)}
    assert ann.account.auth_epoch == proof.credentials.auth_epoch + 1
    assert ann.actions() == ["factors.recovered"]


def test_of_logins_with_a_factor_and_without_at_its_time_one_kind_wins(ann: Ann, in_threads: InThreads) -> None:
    for _ in range(4):
        ann.is_due()
        proofs = [ann.proof(whole=bool(number % 2)) for number in range(THREADS)]
        in_threads(lambda number, each=proofs: ann.lost.settle(each[number], HERE))  # type: ignore[misc]
        (happened,) = ann.actions()[:1]
        assert bool(ann.account.factors) is (happened == "factors.recovery_cancelled")
        assert ann.account.factor_recovery is None
        ann.write(replace(ann.account, totp=(ListedTotp(new_id(), ann.now),)))
    assert len(ann.actions()) == 4


def test_a_factor_that_was_proven_in_a_former_epoch_cancels_nothing(ann: Ann) -> None:
    ann.ask()
    proof = ann.proof(whole=True)
    ann.write(ann.account.in_new_epoch())
    recovery = ann.ask()
    assert ann.lost.settle(proof, HERE) == proof
    assert recovery_of(ann.account, ann.now) == recovery


def test_who_proved_a_former_password_begins_nothing(ann: Ann) -> None:
    proven = ann.account
    ann.write(ann.account.in_new_epoch())
    with pytest.raises(InvalidLoginToken):
        ann.lost.ask(proven, HERE)
    assert ann.account.factor_recovery is None


def test_of_all_who_cancel_at_once_one_does(ann: Ann, in_threads: InThreads) -> None:
    recovery = ann.ask()
    token = codes.make_token(ann.wired.get(SecretKeys).current, "factor_recovery", ann.id, recovery.id)
    results = in_threads(lambda _: failure_of(lambda: ann.lost.cancel_by_mail(token, HERE)))
    assert (results.count(None), results.count(InvalidCode)) == (1, THREADS - 1)
    assert ann.account.factors
    assert ann.actions() == ["factors.recovery_cancelled", "factors.recovery_asked"]


def test_the_job_of_a_void_recovery_leaves_the_factors_and_tidies_up(ann: Ann) -> None:
    ann.is_due()
    ann.write(ann.account.in_new_epoch())
    ann.wired.get(Outbox).deliver_due()
    assert ann.account.factors
    assert ann.account.factor_recovery is None
    assert ann.account.outbox == ()
    assert ann.account.due_at is None
    assert ann.actions() == []


def test_one_that_nobody_was_told_of_leaves_the_factors(ann: Ann) -> None:
    ann.is_due(told=False)
    assert ann.lost.settle(ann.proof(), HERE).credentials.factors
    assert ann.account.factors
    assert ann.account.factor_recovery is None
