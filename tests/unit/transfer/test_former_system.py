"""At the first login, the system that a user comes from says whether the password is right."""

from __future__ import annotations

import base64
import hmac
import json
from typing import TYPE_CHECKING, Any

import pytest

from app.accounts.deletion import DeletionService
from app.accounts.former_system import FormerSystem
from app.accounts.login_name import LoginName
from app.accounts.model import Users
from app.audit.service import Audit
from app.outbox.service import Outbox
from app.platform.errors import AccountDisabled, Failure, InvalidCredentials, Overloaded, TooManyRequests, Unavailable
from app.security.passwords import PasswordHasher
from app.throttle.service import FREE
from app.transfer.former_system import AT_ONCE, FormerSystemOverHttp
from tests.api.service import PASSWORD
from tests.contract.races import in_threads
from tests.servers.replying import ReplyingServer
from tests.unit.instance import DEVICE, Instance, session_of

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator
    from threading import BoundedSemaphore

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ANN = {"id": "7", "email": "ann@example.org", "email_verified": True, "username": "ann", "name": "Ann"}
WRONG = "wrong horse battery staple"


class Former:
    """The former system: it knows these users by their passwords, or gives one fixed reply to all."""

    def __init__(self) -> None:
        self.users: dict[tuple[str, str], dict[str, Any]] = {("ann@example.org", PASSWORD): ANN}
        self.fixed: bytes | None = None
        self.server = ReplyingServer(self._reply)

    @property
    def asked(self) -> list[dict[str, str]]:
        return [json.loads(request.partition(b"\r\n\r\n")[2]) for request in self.server.requests]

    def _reply(self, connection: socket.socket) -> None:
        asked = self.asked[-1]
        user = self.users.get((asked["identifier"], asked["password"]))
        made = of(404) if user is None else of(200, json.dumps(user).encode())
        connection.sendall(made if self.fixed is None else self.fixed)


def of(status: int, body: bytes = b"") -> bytes:
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body


@pytest.fixture
def former() -> Iterator[Former]:
    former = Former()
    yield former
    former.server.close()


@pytest.fixture
def instance(start: Callable[..., Instance], former: Former) -> Instance:
    return start(LEGACY_LOGIN_URL=former.server.url, LEGACY_LOGIN_SECRET=SECRET, EGRESS_ALLOW="127.0.0.1")


def failure_of(instance: Instance, name: str, password: str) -> type[Failure] | None:
    try:
        instance.login(name, password)
    except Failure as failure:
        return type(failure)
    return None


def _places(instance: Instance) -> BoundedSemaphore:
    """The places of those that wait for the former system."""
    former = instance.get(FormerSystem)
    assert isinstance(former, FormerSystemOverHttp)
    return former.places


def made(instance: Instance) -> int:
    return len(instance.get(Users).page(after=None, limit=99, active_only=False))


def test_the_first_login_makes_the_user_and_the_next_one_asks_nobody(instance: Instance, former: Former) -> None:
    user = instance.login("ann@example.org").user

    assert (user.email, user.email_verified, user.username, user.name) == ("ann@example.org", True, "ann", "Ann")
    assert (user.roles, user.status) == (("member",), "active")
    (event, *_) = reversed(instance.get(Audit).events_of(user.id, before=None, limit=9).events)
    assert (event.action, event.details) == ("user.created", {"by": "import"})
    assert instance.login("ANN").user.id == user.id
    assert former.asked == [{"identifier": "ann@example.org", "password": PASSWORD}]


def test_the_request_is_signed_by_standard_webhooks(instance: Instance, former: Former) -> None:
    instance.login("ann@example.org")

    head, _, body = former.server.requests[0].partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().lower().splitlines()[1:])
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.digest(base64.b64decode(SECRET[6:]), signed, "sha256")).decode()
    assert headers["webhook-signature"] == f"v1,{expected}".lower()
    assert int(headers["webhook-timestamp"]) == int(instance.wired.parts.clock().timestamp())


def test_a_user_whom_the_former_system_does_not_know_is_refused_and_counted(instance: Instance, former: Former) -> None:
    for _ in range(FREE + 1):
        with pytest.raises(InvalidCredentials):
            instance.login("ann@example.org", WRONG)

    with pytest.raises(TooManyRequests):
        instance.login("ann@example.org")
    assert made(instance) == 0
    assert len(former.asked) == FREE + 1


def test_a_wrong_password_of_a_known_user_asks_all_the_same_with_another_password_and_is_never_right(
    instance: Instance, former: Former
) -> None:
    instance.register("ann", email="ann@example.org")
    former.fixed = of(200, json.dumps(ANN).encode())

    with pytest.raises(InvalidCredentials):
        instance.login("ann@example.org", WRONG)

    (asked,) = former.asked
    assert asked["identifier"] == "ann@example.org"
    assert len(asked["password"]) == len(WRONG)
    assert asked["password"] != WRONG
    assert instance.login("ann@example.org").user.username == "ann"
    assert len(former.asked) == 1


def test_of_many_first_logins_at_once_one_makes_the_user_and_all_are_logged_in(instance: Instance) -> None:
    opened = in_threads(lambda _: instance.login("ann@example.org").user.id)

    assert len(set(opened)) == 1
    assert made(instance) == 1


@pytest.mark.parametrize(
    "reply",
    [
        of(500, json.dumps(ANN).encode()),
        of(302),
        of(200, b"[1]"),
        of(200, b'{"email": 1'),
        of(200, b"x" * 9000),
        b"",
        b"garbage",
    ],
    ids=["status", "redirect", "a list", "cut off", "too long", "nothing", "no reply"],
)
def test_without_an_answer_known_and_unknown_names_are_refused_alike_and_counted(
    instance: Instance, former: Former, reply: bytes
) -> None:
    instance.register("bob", email="bob@example.org")
    former.fixed = reply

    for name in ("ann@example.org", "bob@example.org"):
        assert {failure_of(instance, name, WRONG) for _ in range(FREE + 1)} == {Unavailable}
        assert failure_of(instance, name, WRONG) is TooManyRequests


def test_a_known_user_logs_in_while_the_former_system_is_away(instance: Instance, former: Former) -> None:
    instance.register("bob")
    former.fixed = of(503)

    assert instance.login("bob").user.username == "bob"


@pytest.mark.parametrize(
    "user",
    [
        ANN | {"email": "eve@example.org"},
        ANN | {"email": None},
        ANN | {"email": ["ann@example.org"]},
        ANN | {"email_verified": {"a": 1}},
        ANN | {"name": "a\0b"},
    ],
)
def test_a_reply_about_another_user_or_with_odd_values_makes_nobody(
    instance: Instance, former: Former, user: dict[str, Any]
) -> None:
    former.users[("ann@example.org", PASSWORD)] = user

    with pytest.raises(InvalidCredentials):
        instance.login("ann@example.org")
    assert made(instance) == 0


def test_a_user_whose_names_are_partly_taken_here_is_refused(instance: Instance, former: Former) -> None:
    instance.register("ann")
    former.users[("ann@example.org", PASSWORD)] = ANN

    with pytest.raises(InvalidCredentials):
        instance.login("ann@example.org")
    assert made(instance) == 1


def test_a_deleted_user_does_not_come_back_by_the_old_password(instance: Instance) -> None:
    user = instance.login("ann@example.org").user
    instance.get(DeletionService).delete(session_of(instance.wired, user.id), PASSWORD, DEVICE)
    for _ in range(2):
        instance.get(Outbox).deliver_due()

    with pytest.raises(InvalidCredentials):
        instance.login("ann@example.org")
    assert made(instance) == 0


def test_the_old_password_opens_nothing_once_the_user_has_another_address_here(
    instance: Instance, change_user: Callable[..., None]
) -> None:
    user = instance.login("ann@example.org").user
    change_user(user.id, email="new@example.org", email_key="new@example.org", password_hash="changed")

    with pytest.raises(InvalidCredentials):
        instance.login("ann@example.org")
    assert made(instance) == 1


def test_a_user_who_was_made_meanwhile_is_logged_in_only_by_the_password_they_have_here(
    instance: Instance, change_user: Callable[..., None]
) -> None:
    user = instance.login("ann@example.org").user
    another = PasswordHasher("bcrypt", 4).hash(WRONG)
    name, former = LoginName("email", "ann@example.org"), instance.get(FormerSystem)

    found = former.take_over(name, PASSWORD, is_known=False)
    assert found is not None
    assert found.user.id == user.id
    change_user(user.id, password_hash=another)
    assert former.take_over(name, PASSWORD, is_known=False) is None


def test_a_user_who_is_disabled_here_is_not_asked_for_elsewhere(
    instance: Instance, former: Former, change_user: Callable[..., None]
) -> None:
    user = instance.login("ann@example.org").user
    change_user(user.id, status="disabled")

    with pytest.raises(AccountDisabled):
        instance.login("ann@example.org")
    assert len(former.asked) == 1


def test_while_many_wait_for_the_former_system_further_logins_are_refused_at_once(
    start: Callable[..., Instance], former: Former
) -> None:

    instance = start(LEGACY_LOGIN_URL=former.server.url, LEGACY_LOGIN_SECRET=SECRET, EGRESS_ALLOW="127.0.0.1")
    places = _places(instance)
    for _ in range(AT_ONCE):
        places.acquire()

    with pytest.raises(Overloaded):
        instance.login("ann@example.org")

    places.release()
    assert instance.login("ann@example.org").user.username == "ann"
    assert former.asked


def test_an_address_that_the_guard_refuses_is_never_asked(start: Callable[..., Instance], former: Former) -> None:
    instance = start(LEGACY_LOGIN_URL=former.server.url, LEGACY_LOGIN_SECRET=SECRET)

    with pytest.raises(Unavailable):
        instance.login("ann@example.org")
    assert former.server.requests == []
