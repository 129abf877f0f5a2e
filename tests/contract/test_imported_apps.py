"""What every store promises of authenticator apps that a version from before there were second factors imported."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from app.accounts.account import Account
from app.accounts.credentials import CredentialService
from app.accounts.deletion import DeletionService
from app.accounts.imported import Imported, SealedTotp
from app.accounts.login_name import LoginName
from app.accounts.under_way import UndoOffer
from app.factors.administration import FactorReset
from app.factors.imported import ImportedApps
from app.factors.listing import pending_totp_of
from app.factors.service import FactorService, TotpState
from app.factors.totp import TotpParameters
from app.outbox.service import Outbox
from app.platform.errors import Failure, InvalidCode, InvalidLoginToken, SecondFactorRequired, SessionEnded, Unavailable
from app.platform.identifiers import new_id
from app.sessions.gate import LoginGate
from app.sessions.login import LoginService
from app.sessions.proof import Evidence
from app.sessions.step_up import StepUp, StepUpMethods
from app.transfer.exporting import ExportService, Tally
from tests.api.service import PASSWORD
from tests.contract.entities import DAY, NOW, a_user
from tests.contract.races import failure_of
from tests.contract.test_account_pairs import HERE
from tests.unit.instance import session_of

if TYPE_CHECKING:
    from app.accounts.principal import Principal
    from app.wiring import Wired
    from tests.contract.races import InThreads
    from tests.contract.subject import Start, Tamper
    from tests.stores import Store

FORMER_SECRET = "a-secret-of-the-former-version-of-32-characters"
ANN = "0f8c2d1e-4b6a-4c59-9d7e-2a1b3c4d5e6f"
HASH = "$2b$04$eLVMh0gtnc.VaaWNCzIYguv5E8WA9yfMp8YCnGMjbtyyh6DdSfbqy"
SEALED = SealedTotp(
    "d36735b582797e5f",
    "_AhEjzxzpO4NJXf5k5bELenkbc_JrmG46T3_wzdLjEOFFMaRp6s8kzOY4dM1gV4m0DIsW9QgkyK7PHXmCoqDmD4GNydgOp6i6fBuIMfVgiok4vzzZ2KT"
    "5y6kQg9C5ZL6cFgcCs0JdOYQx6I3J3WsfxLDuknb-aNkiF4=",
)
"""What that version stored of ANN, whose password is PASSWORD, when it imported them (commit e4688a1)."""
APP = TotpParameters("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
EMAIL = "ann@example.org"


@pytest.fixture
def wired(start: Start) -> Wired:
    return start(SECRET_KEY=FORMER_SECRET)


@pytest.fixture
def ann(store: Store, tamper: Tamper) -> Account:
    """Ann, as the former version stored her."""
    user = a_user(
        id=ANN, email=EMAIL, email_verified=True, roles=("member",), created_at=datetime(2023, 2, 1, tzinfo=UTC)
    )
    store.users.add(Account(user, HASH, imported=Imported(ANN, "keycloak", totp=(SEALED,))))
    tamper("users", ANN, password_hash=HASH)  # that version marks no hash
    return found(store)


def found(store: Store) -> Account:
    account = store.users.account(ANN)
    assert account is not None
    return account


def code_of(wired: Wired, app: TotpParameters = APP) -> str:
    return app.totp.at(wired.parts.clock())


def begun(wired: Wired) -> str:
    """The token of a login of Ann after the password."""
    with pytest.raises(SecondFactorRequired) as raised:
        wired.get(LoginService).login(LoginName("email", EMAIL), PASSWORD, HERE)
    assert raised.value.facts["login"]["methods"] == ["totp"]
    return str(raised.value.facts["login"]["token"])


def finish(wired: Wired, token: str, code: str) -> str:
    return wired.get(LoginGate).resume(token, "totp", Evidence(code=code), HERE).user.id


def secrets_of(store: Store) -> int:
    return sum(store.totp_secrets.seals().values())


def enrolled(wired: Wired, principal: Principal) -> TotpParameters:
    """An app of Ann's own, confirmed."""
    factors = wired.get(FactorService)
    own = TotpParameters(factors.begin_totp(principal).secret)
    assert factors.confirm_totp(principal, code_of(wired, own), HERE) is None
    return own


@pytest.mark.usefixtures("ann")
def test_a_login_asks_for_the_app_and_each_code_works_once(wired: Wired, store: Store) -> None:
    with pytest.raises(InvalidCode):
        finish(wired, begun(wired), code_of(wired, TotpParameters("A" * 32)))
    assert finish(wired, begun(wired), code_of(wired)) == ANN
    with pytest.raises(InvalidCode):
        finish(wired, begun(wired), code_of(wired))

    account = found(store)
    assert (account.imported, account.factors) == (Imported(ANN, "keycloak"), ("totp",))
    assert len(account.totp) == secrets_of(store) == 1
    (added,) = (event for event in store.events.page_of(ANN, before=None, limit=20) if event.action == "totp.added")
    assert added.details["by"] == "import"


@pytest.mark.usefixtures("ann")
def test_a_session_from_before_goes_on_shows_the_app_and_steps_up_with_it(wired: Wired, store: Store) -> None:
    principal = session_of(wired, ANN)
    assert wired.get(StepUpMethods).of(ANN) == ("totp",)
    before, shown = found(store), wired.get(FactorService).state_of(ANN).totp
    assert shown == TotpState(confirmed=True, created_at=before.user.created_at, last_used_at=None)
    assert found(store) == before  # to look at it changes nothing
    wired.get(StepUp).by_factor(principal, "totp", Evidence(code=code_of(wired)), HERE)
    after = wired.get(FactorService).state_of(ANN).totp
    assert after == replace(shown, last_used_at=wired.parts.clock())
    assert found(store).auth_epoch == 0


@pytest.mark.usefixtures("ann")
def test_of_many_logins_with_one_code_one_succeeds_and_one_app_is_left(
    wired: Wired, store: Store, in_threads: InThreads
) -> None:
    tokens, code = [begun(wired) for _ in range(16)], code_of(wired)
    outcomes = in_threads(lambda number: failure_of(lambda: finish(wired, tokens[number], code)))
    assert outcomes.count(None) == 1
    assert outcomes.count(InvalidCode) == 15
    assert len(found(store).totp) == secrets_of(store) == 1


def test_an_app_that_the_user_added_meanwhile_stays_the_only_one(wired: Wired, store: Store, ann: Account) -> None:
    own = enrolled(wired, session_of(wired, ANN))
    (listed,) = found(store).totp
    assert found(store).imported == Imported(ANN, "keycloak")

    assert wired.get(ImportedApps).adopted(ann).totp == (listed,)

    assert secrets_of(store) == 1
    wired.parts.clock.advance(30)  # type: ignore[attr-defined]
    with pytest.raises(InvalidCode):
        finish(wired, begun(wired), code_of(wired))
    assert finish(wired, begun(wired), code_of(wired, own)) == ANN
    wired.get(FactorService).remove_totp(session_of(wired, ANN), HERE)
    assert found(store).factors == ()


def test_an_app_of_the_user_and_logins_with_the_imported_one_at_once_leave_that_of_the_user(
    wired: Wired, store: Store, ann: Account, in_threads: InThreads
) -> None:
    factors, principal = wired.get(FactorService), session_of(wired, ANN)
    own = TotpParameters(factors.begin_totp(principal).secret)
    pending = pending_totp_of(found(store), wired.parts.clock())
    assert pending is not None

    def act(number: int) -> None:
        if number == 0:
            factors.confirm_totp(principal, code_of(wired, own), HERE)
        else:
            wired.get(ImportedApps).adopted(ann)

    in_threads(act)

    account = found(store)
    assert [each.id for each in account.totp] == [pending.id]
    assert account.imported_totp == ()
    assert secrets_of(store) == 1


def test_nothing_is_left_of_an_app_whose_user_is_deleted_meanwhile(wired: Wired, store: Store, ann: Account) -> None:
    token = begun(wired)
    wired.get(DeletionService).delete(session_of(wired, ANN), PASSWORD, HERE)
    for _ in ("deleted", "erased"):
        with pytest.raises(SessionEnded):
            wired.get(ImportedApps).adopted(ann)
        with pytest.raises(InvalidLoginToken):
            finish(wired, token, code_of(wired))
        assert secrets_of(store) == 0
        wired.get(Outbox).deliver_due()
    assert store.users.account(ANN) is None


def test_a_change_of_the_password_and_the_first_use_of_the_app_at_once_both_hold(
    wired: Wired, store: Store, ann: Account, in_threads: InThreads
) -> None:
    principal = session_of(wired, ANN)
    change = wired.get(CredentialService).change

    def act(number: int) -> type[Failure] | None:
        if number == 0:
            return failure_of(lambda: change(principal, PASSWORD, "another good long password", HERE))
        return failure_of(lambda: wired.get(ImportedApps).adopted(ann))

    assert in_threads(act) == [None] * 16
    account = found(store)
    assert (account.auth_epoch, len(account.totp), account.imported_totp) == (1, 1, ())
    assert account.password_hash != HASH
    assert secrets_of(store) == 1


@pytest.mark.usefixtures("ann")
def test_it_is_removed_as_any_other_before_its_first_use(wired: Wired, store: Store) -> None:
    wired.get(FactorService).remove_totp(session_of(wired, ANN), HERE)
    assert (found(store).factors, found(store).imported) == ((), Imported(ANN, "keycloak"))


@pytest.mark.usefixtures("ann")
def test_the_operator_removes_it_even_under_a_lost_secret(start: Start, store: Store) -> None:
    lost = start(SECRET_KEY="another-secret-of-at-least-thirty-two-characters")
    with pytest.raises(Unavailable):
        finish(lost, begun(lost), code_of(lost))
    assert lost.get(ImportedApps).adopt_all() == 0
    assert found(store).imported_totp == (SEALED,)
    lost.get(FactorReset).reset(ANN, "", None, None)
    assert lost.get(LoginService).login(LoginName("email", EMAIL), PASSWORD, HERE).user.id == ANN
    assert found(store).imported_totp == ()


@pytest.mark.usefixtures("ann")
def test_the_job_takes_over_all_apps_and_so_seals_them_under_the_present_secret(start: Start, store: Store) -> None:
    disabled = a_user(email="bob@example.org", status="disabled")
    sealed_for_ann = Imported("7", "keycloak", totp=(SEALED,))
    store.users.add(Account(disabled, HASH, imported=sealed_for_ann))
    store.users.add(Account(a_user(username="carol"), HASH, imported=Imported("8", "django")))
    later = start(SECRET_KEY="another-secret-of-at-least-thirty-two-characters", SECRET_KEY_FALLBACKS=FORMER_SECRET)

    assert later.get(ImportedApps).adopt_all() == 1
    assert later.get(ImportedApps).adopt_all() == 0

    without = start(SECRET_KEY="another-secret-of-at-least-thirty-two-characters")
    assert finish(without, begun(without), code_of(without)) == ANN
    unopened = store.users.account(disabled.id)
    assert unopened is not None
    assert unopened.imported == sealed_for_ann


@pytest.mark.usefixtures("ann")
def test_the_job_reads_only_the_accounts_that_may_hold_such_apps(wired: Wired, store: Store) -> None:
    teller = Account(a_user(username="dan"), HASH, imported=Imported('"wrapped_by"', 'of "totp": "wrapped_by"'))
    plain = Account(a_user(username="eve"), HASH, imported=Imported("9", "django"))
    for account in (teller, plain, Account(a_user(username="fay"), HASH)):
        store.users.add(account)
    store.users.add(Account(a_user(username="robot", kind="service"), None))
    others = {each.user.id: False for each in store.users.page_of_accounts(after=None, limit=9)}

    def told() -> dict[str, bool]:
        first = store.users.page_of_imported_apps(after=None, limit=2)
        return dict(first + store.users.page_of_imported_apps(after=first[-1][0], limit=9))

    assert told() == others | {ANN: True}
    assert wired.get(ImportedApps).adopt_all() == 1
    assert told() == others


def test_an_export_with_secrets_has_the_app_before_and_after_and_none_that_another_replaced(
    wired: Wired, ann: Account
) -> None:
    def exported() -> str:
        (line,) = wired.get(ExportService).lines("jsonl", Tally(), with_secrets=True)
        return line

    before = exported()
    assert APP.secret in before
    wired.get(ImportedApps).adopted(ann)
    assert exported() == before
    own = enrolled(wired, session_of(wired, ANN))
    assert APP.secret not in exported()
    assert own.secret in exported()


def test_a_reset_that_proves_the_address_first_drops_the_app_and_another_keeps_it(ann: Account) -> None:
    assert ann.with_reset_password(HASH).imported_totp == (SEALED,)
    unproven = ann.with_user(email_verified=False)
    assert unproven.with_reset_password(HASH).factors == ()


def test_the_undo_of_a_change_of_address_keeps_the_app_in_use_or_not(wired: Wired, ann: Account) -> None:
    offer = UndoOffer(new_id(), EMAIL, NOW + DAY)
    moved = replace(ann, undo_offers=(offer,))
    assert moved.given_back(offer, NOW).imported_totp == (SEALED,)
    adopted = replace(wired.get(ImportedApps).adopted(ann), undo_offers=(offer,))
    assert adopted.given_back(offer, NOW).factors == ("totp",)
