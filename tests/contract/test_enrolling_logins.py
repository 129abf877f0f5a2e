"""What every store promises about logins that go on once their user has added a second factor."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pyotp
import pytest
from werkzeug.test import TestResponse

from app.accounts.account import Account
from app.accounts.service import Accounts
from app.features import ENDPOINTS
from app.platform.devices import Device
from app.platform.errors import InvalidLoginToken, InvalidToken, SecondFactorRequired, SessionEnded
from app.platform.identifiers import digest_of_token
from app.roles.model import Role, RoleBook
from app.sessions.enrolling import EnrollingLogins
from app.sessions.gate import LoginGate
from app.sessions.pending_logins.model import PendingLogin
from app.wiring import Wired
from tests.contract.entities import MINUTE
from tests.contract.races import THREADS, InThreads
from tests.contract.test_account_races import added
from tests.stores import Store
from tests.unit.web.serving import serving

HERE = Device("192.0.2.1", "curl/8.5.0")
STEP = 30
TURNS = 4


@dataclass
class Served:
    """The endpoints over a store in which the role of all members asks for a second factor."""

    wired: Wired
    store: Store

    def __post_init__(self) -> None:
        assert self.store.role_books.save(RoleBook(1, {"member": Role("member", require_second_factor=True)}))
        self.app = serving(*ENDPOINTS, wired=self.wired)

    def post(self, path: str, body: object = None, token: str = "") -> TestResponse:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return self.app.test_client().post(path, json=body, headers=headers, buffered=True)

    def begin(self, account: Account) -> str:
        """The token of a login of this user."""
        gate = self.wired.get(LoginGate)
        with pytest.raises(SecondFactorRequired) as raised:
            gate.admit(gate.first_factor(account.credentials, "login", "pwd"), HERE)
        token: str = raised.value.facts["login"]["token"]
        return token

    def secret(self, token: str) -> pyotp.TOTP:
        """An authenticator app that waits to be confirmed, by one of these logins."""
        begun = self.post("/auth/factors/totp", token=token)
        assert begun.status_code == 201, begun.text
        return pyotp.TOTP(begun.get_json()["data"]["secret"])

    def confirm(self, token: str, code: str) -> TestResponse:
        return self.post("/auth/factors/totp/confirm", {"code": code}, token)

    def go_on(self, token: str, code: str, method: str = "totp") -> TestResponse:
        return self.post("/auth/login/continue", {"login_token": token, "method": method, "code": code})

    def enrolled(self, account: Account) -> tuple[str, pyotp.TOTP, list[str]]:
        """The token of a login that has added a factor, the app, and the recovery codes."""
        token = self.begin(account)
        app = self.secret(token)
        reply = self.confirm(token, app.at(self.wired.parts.clock(), counter_offset=-1))
        assert reply.status_code == 200, reply.text
        return token, app, reply.get_json()["data"]["recovery_codes"]

    def sessions_of(self, account: Account) -> int:
        return len(self.store.sessions.of_user(account.user.id, self.wired.parts.clock()))

    def live(self, account: Account) -> Account:
        found = self.store.users.account(account.user.id)
        assert found is not None
        return found


@pytest.fixture
def served(wired: Wired, store: Store) -> Served:
    return Served(wired, store)


def test_a_login_survives_the_change_of_epoch_by_its_own_factor_alone(served: Served, store: Store) -> None:
    account = added(store)
    other = served.begin(account)
    token, app, _ = served.enrolled(account)
    assert served.live(account).auth_epoch == account.auth_epoch + 1
    code = app.at(served.wired.parts.clock())
    assert served.go_on(other, code).status_code == 401
    assert served.go_on(token, code).status_code == 200
    assert served.sessions_of(account) == 1


@pytest.mark.parametrize(
    "step", [lambda account: account.in_new_epoch(), lambda account: account.disabled(), lambda _: None]
)
def test_what_ends_the_sessions_ends_the_login_that_added_a_factor(
    served: Served, store: Store, step: Callable[[Account], Account | None]
) -> None:
    account = added(store)
    token, app, _ = served.enrolled(account)
    changed = step(served.live(account))
    if changed is None:
        store.users.remove(account.user.id)
    else:
        assert store.users.save(changed)
    assert served.go_on(token, app.at(served.wired.parts.clock())).status_code == 401


def test_a_login_that_a_former_version_began_adds_no_factor(served: Served, store: Store) -> None:
    account, now = added(store), served.wired.parts.clock()
    login = PendingLogin("", account.user.id, account.auth_epoch, "pwd", now, "login", now + MINUTE)
    for step, admitted in ((None, False), ("second_factor", False), ("a newer word", False), ("enrol_factor", True)):
        token = (step or "none").replace(" ", "-").ljust(43, "x")
        store.pending_logins.add(replace(login, id=digest_of_token(token), step=step))
        assert served.post("/auth/factors/totp", token=token).status_code == (201 if admitted else 401)


def test_a_write_of_such_a_login_is_refused_once_there_is_a_factor(served: Served, store: Store) -> None:
    account = added(store)
    logins = served.wired.get(EnrollingLogins)
    late = logins.authenticate(served.begin(account))
    served.enrolled(account)
    assert logins.present(late) is None
    with pytest.raises(SessionEnded):
        served.wired.get(Accounts).change(account.user.id, lambda found: found.in_new_epoch(), by=late)


def test_of_one_finished_login_that_is_sent_by_many_at_once_one_opens_a_session(
    served: Served, store: Store, in_threads: InThreads
) -> None:
    for _ in range(TURNS):
        account = added(store)
        token, app, codes = served.enrolled(account)
        code = app.at(served.wired.parts.clock())

        def act(number: int, sent: Any = (token, code, codes)) -> int:
            token, code, codes = sent
            by_app = (
                served.go_on(token, code) if number % 4 else served.go_on(token, codes[number // 4], "recovery_code")
            )
            return by_app.status_code

        assert in_threads(act).count(200) <= 1
        assert served.sessions_of(account) <= 1


def test_of_one_login_token_and_one_code_sent_by_many_at_once_one_opens_a_session(
    served: Served, store: Store, in_threads: InThreads
) -> None:
    for _ in range(TURNS):
        account = added(store)
        token, app, _ = served.enrolled(account)
        code = app.at(served.wired.parts.clock())
        replies = in_threads(lambda _, token=token, code=code: served.go_on(token, code).status_code)  # type: ignore[misc]
        assert replies.count(200) == 1
        assert served.sessions_of(account) == 1


def test_of_many_logins_that_add_a_first_factor_at_once_one_does_and_goes_on(
    served: Served, store: Store, in_threads: InThreads
) -> None:
    for _ in range(TURNS):
        account = added(store)
        tokens = [served.begin(account) for _ in range(THREADS)]
        app = served.secret(tokens[0])

        def act(number: int, tokens: list[str] = tokens, app: pyotp.TOTP = app) -> TestResponse:
            return served.confirm(tokens[number], app.at(served.wired.parts.clock(), counter_offset=number % 3 - 1))

        replies = in_threads(act)
        assert [reply.status_code for reply in replies].count(200) == 1
        assert {reply.status_code for reply in replies} <= {200, 401, 422}
        (winner,) = [number for number, reply in enumerate(replies) if reply.status_code == 200]
        codes = replies[winner].get_json()["data"]["recovery_codes"]
        done = [served.go_on(token, codes[0], "recovery_code").status_code for token in tokens]
        assert [number for number, status in enumerate(done) if status == 200] == [winner]
        assert served.live(account).auth_epoch == account.auth_epoch + 1


def test_a_user_who_is_disabled_while_they_add_a_factor_is_out(
    served: Served, store: Store, in_threads: InThreads
) -> None:
    for _ in range(TURNS):
        account = added(store)
        tokens = [served.begin(account) for _ in range(3)]
        app = served.secret(tokens[0])

        def disable(account: Account = account) -> int:
            while not store.users.save(served.live(account).disabled()):
                pass
            return 0

        def act(number: int, tokens: list[str] = tokens, app: pyotp.TOTP = app) -> int:
            if number >= len(tokens):
                return disable() if number == THREADS - 1 else 0
            return served.confirm(tokens[number], app.at(served.wired.parts.clock())).status_code

        in_threads(act)
        left = served.live(account)
        assert left.user.status == "disabled"
        assert left.kept_session is None
        for token in tokens:
            with pytest.raises(InvalidToken):
                served.wired.get(EnrollingLogins).authenticate(token)
            assert served.go_on(token, app.now()).status_code == InvalidLoginToken.status
