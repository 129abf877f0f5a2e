"""Access to endpoints is denied by default, and decided by the store, not the token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask, request

from app.platform.errors import ExpiredToken, Forbidden, InvalidRequest, InvalidToken, MissingToken, SessionEnded
from app.sessions.authenticator import AccessTokenAuthenticator
from app.sessions.claims import RefusedTokenError
from app.web.caller import KINDS
from app.web.guard import Access, admit, authenticated, permission, public
from tests.unit.web.callers import KeyService, Robot

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.accounts.principal import Principal
    from app.web.caller import Authenticator, CallerKind
    from tests.unit.instance import Instance

FLASK = Flask(__name__)
READERS = permission("users:read")


@pytest.fixture
def token(instance: Instance) -> str:
    return instance.login_of("ann").access_token


def admitted(instance: Instance, access: Access, headers: dict[str, str], query: str = "") -> Principal | None:
    with FLASK.test_request_context("/", headers=headers, query_string=query):
        admitted = admit(access, request, instance.wired.authenticators)
    return None if admitted is None else admitted.caller


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer x"}, {"Authorization": "Bearer a", "x-access-token": "b"}]
)
def test_a_public_endpoint_looks_at_no_token(headers: dict[str, str], instance: Instance) -> None:
    assert admitted(instance, public, headers) is None


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer {token}"},
        {"Authorization": "bearer {token}"},
        {"Authorization": "BEARER   {token} "},
        {"x-access-token": "{token}"},
        {"x-access-token": " {token} "},
        {"Authorization": "Bearer {token}", "x-access-token": "{token}"},
        {"Authorization": "Basic YTpi", "x-access-token": "{token}"},
        {"Authorization": "Bearer ", "x-access-token": "{token}"},
        {"Authorization": "Bearer {token}", "x-access-token": ""},
    ],
)
def test_a_token_is_taken_from_either_header(headers: dict[str, str], instance: Instance, token: str) -> None:
    principal = admitted(instance, authenticated, {name: value.format(token=token) for name, value in headers.items()})

    assert principal is not None
    assert principal.user.username == "ann"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer   "},
        {"Authorization": "{token}"},
        {"Authorization": "Token {token}"},
        {"Authorization": "Basic {token}"},
        {"Authorization": "Bearer\t{token}"},
        {"Authorization": "Bearer:{token}"},
        {"x-access-token": "  "},
        {"Cookie": "access_token={token}"},
        {"X-Token": "{token}"},
    ],
)
def test_without_a_token_in_one_of_the_two_headers_nobody_comes_in(
    headers: dict[str, str], instance: Instance, token: str
) -> None:
    sent = {name: value.format(token=token) for name, value in headers.items()}
    for query in ("", f"access_token={token}&token={token}"):
        with pytest.raises(MissingToken):
            admitted(instance, authenticated, sent, query)


@pytest.mark.parametrize(
    "change", ["{token}=", "{token}x", "x", "{token} {token}", "{token},Bearer {token}", "null", "\xff"]
)
def test_what_is_not_exactly_the_token_is_refused(change: str, instance: Instance, token: str) -> None:
    for headers in ({"Authorization": f"Bearer {change}"}, {"x-access-token": change}):
        with pytest.raises(InvalidToken):
            admitted(instance, authenticated, {name: value.format(token=token) for name, value in headers.items()})


def test_two_different_tokens_contradict_each_other_even_if_both_are_good(instance: Instance, token: str) -> None:
    other = instance.login("ann").access_token
    for second in (other, "x", token + "="):
        with pytest.raises(InvalidRequest):
            admitted(instance, authenticated, {"Authorization": f"Bearer {token}", "x-access-token": second})


def test_a_permission_is_that_of_the_user_in_the_store_from_the_next_request_on(
    instance: Instance, token: str, change_user: Callable[..., None]
) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    user = instance.get(AccessTokenAuthenticator).authenticate(token).user.id
    with pytest.raises(Forbidden, match=r"This needs the permission users:read\."):
        admitted(instance, READERS, headers)

    change_user(user, roles="admin")
    assert admitted(instance, READERS, headers) is not None
    change_user(user, roles="member")
    with pytest.raises(Forbidden):
        admitted(instance, READERS, headers)
    change_user(user, roles="admin", status="disabled")
    with pytest.raises(SessionEnded):
        admitted(instance, READERS, headers)


def judged(token: str, *authenticators: Authenticator[Any], access: Access = authenticated) -> Any:
    with FLASK.test_request_context("/", headers={"Authorization": f"Bearer {token}"}):
        admitted = admit(access, request, authenticators)
    assert admitted is not None
    return admitted.caller


def test_a_token_is_judged_by_the_first_that_recognises_it_and_by_nobody_else(instance: Instance, token: str) -> None:
    refusing, keys, more = KeyService("lk_"), KeyService("l", Robot()), KeyService("")
    sessions = instance.get(AccessTokenAuthenticator)

    assert judged("lx", refusing, keys, more, sessions) == Robot()
    with pytest.raises(ExpiredToken):  # which the second would take
        judged("lk_1", refusing, keys, more, sessions)
    assert judged(token, refusing, keys, sessions).user.username == "ann"
    assert judged(token, sessions, more).user.username == "ann"
    assert judged("lx", sessions, keys) == Robot()
    assert (refusing.asked, keys.asked, more.asked) == (["authenticate lk_1"], ["authenticate lx"] * 2, [])


@pytest.mark.parametrize("unknown", ["lk_1", "x", "a.b", "a.b.c.d"])
def test_a_token_of_no_kind_is_refused_by_the_first(unknown: str, instance: Instance) -> None:
    keys = KeyService("rk_", Robot())
    with pytest.raises(InvalidToken) as refused:
        judged(unknown, instance.get(AccessTokenAuthenticator), keys)
    assert isinstance(refused.value.__cause__, RefusedTokenError)
    assert keys.asked == []


def test_a_permission_is_the_caller_s_whoever_they_are(instance: Instance) -> None:
    reader = Robot(permissions=frozenset({"users:read"}))

    assert judged("x", KeyService("", reader), instance.get(AccessTokenAuthenticator), access=READERS) is reader
    for other in (frozenset[str](), frozenset({"users:write"}), frozenset({"users"})):
        with pytest.raises(Forbidden, match=r"This needs the permission users:read\."):
            judged("x", KeyService("", Robot(permissions=other)), access=READERS)


def test_the_codes_of_an_endpoint_follow_from_its_rule() -> None:
    def codes(access: Access) -> set[str]:
        return {failure.code for failure in access.raises}

    needed: Any = {"missing_token", "invalid_token", "expired_token", "session_ended", "invalid_request"}
    assert codes(public) == set()
    assert codes(authenticated) == needed | {"forbidden"}
    assert codes(authenticated.by(*KINDS)) == needed
    assert codes(READERS.by(*KINDS)) == needed | {"forbidden"}


def test_an_access_rule_is_shown_in_a_word() -> None:
    assert [str(access) for access in (public, authenticated, READERS)] == ["public", "authenticated", "users:read"]
    assert str(READERS.by("session", "api_key")) == "users:read by api_key, session"


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_only_the_kinds_of_callers_that_are_declared_come_in(kind: CallerKind) -> None:
    robot = Robot(kind=kind, permissions=frozenset({"users:read"}))
    for access in (authenticated, READERS):
        for admitted in KINDS:
            if kind == admitted:
                assert judged("x", KeyService("", robot), access=access.by(admitted)) is robot
            else:
                with pytest.raises(InvalidToken if kind == "pending_login" else Forbidden):
                    judged("x", KeyService("", robot), access=access.by(admitted))


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("impersonation", "Only the user can do this, not an administrator"),
        ("api_key", "An API key cannot do this"),
        ("client", "an application"),
    ],
)
def test_without_a_word_only_a_session_comes_in_and_the_others_are_told_why(kind: CallerKind, message: str) -> None:
    robot = Robot(kind=kind, permissions=frozenset({"users:read"}))
    for access in (authenticated, READERS):
        with pytest.raises(Forbidden, match=message):
            judged("x", KeyService("", robot), access=access)


def test_a_rule_for_callers_that_do_not_exist_does_not_start() -> None:
    unknown: Any = "sesion"
    for kinds in ((), (unknown,), ("session", unknown)):
        with pytest.raises(
            ValueError, match="the kinds of callers are api_key, client, impersonation, pending_login, session"
        ):
            authenticated.by(*kinds)
    with pytest.raises(ValueError, match="a public endpoint does not ask who calls"):
        public.by("session")
