"""Seeing and ending sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.api.service import Account, Service, Start

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"


def sessions(service: Service, token: str) -> list[dict[str, Any]]:
    response = service.get("/auth/sessions", token=token)
    assert response.status_code == 200, response.text
    listed: list[dict[str, Any]] = response.json["data"]["sessions"]
    return listed


def login(service: Service, account: Account, **more: Any) -> str:
    return str(service.login(account.username, **more).json["data"]["token"])


def goes_on(service: Service, token: str) -> bool:
    response = service.get("/auth/me", token=token)
    if response.status_code != 200:
        assert (response.status_code, response.json["code"]) == (401, "session_ended")
    return bool(response.status_code == 200)


def test_users_see_where_their_sessions_are(service: Service) -> None:
    account = service.register()
    firefox = login(service, account, headers={"User-Agent": FIREFOX})
    first, second = sessions(service, firefox)
    assert (first["current"], second["current"]) == (False, True)
    assert (second["device"], second["ip"]) == ("Firefox on Linux", "127.0.0.1")
    assert second.keys() == {"id", "current", "device", "ip", "created_at", "last_used_at", "expires_at"}


def test_nobody_sees_the_sessions_of_others(service: Service) -> None:
    service.register()
    assert len(sessions(service, service.register().token)) == 1


def test_a_session_that_is_ended_is_refused_at_once_by_every_instance(service: Service, start: Start) -> None:
    account, other_instance = service.register(), start(on=service)
    second = login(other_instance, account)
    wanted = next(session["id"] for session in sessions(service, account.token) if not session["current"])
    assert service.send("DELETE", f"/auth/sessions/{wanted}", token=account.token).status_code == 200
    assert not goes_on(other_instance, second)
    assert goes_on(other_instance, account.token)


def test_the_session_of_another_answers_like_a_missing_one(service: Service) -> None:
    account, other = service.register(), service.register()
    theirs = sessions(service, other.token)[0]["id"]
    replies = [
        service.send("DELETE", f"/auth/sessions/{session_id}", token=account.token)
        for session_id in (theirs, theirs[:-1] + "0", "x", "$ne")
    ]
    assert {(reply.status_code, reply.json["code"], reply.json["message"]) for reply in replies} == {
        (404, "not_found", "There is nothing here.")
    }
    assert goes_on(service, other.token)


@pytest.mark.parametrize("written", ["{}%20", "%20{}", "{}%09", "{{{}}}", "nope"])
def test_an_identifier_in_any_other_form_names_no_session(service: Service, written: str) -> None:
    account = service.register()
    (session,) = sessions(service, account.token)
    path = f"/auth/sessions/{written.format(session['id'])}"
    response = service.send("DELETE", path, token=account.token)
    assert (response.status_code, response.json["code"]) == (404, "not_found")
    assert goes_on(service, account.token)
    assert service.send("DELETE", path).status_code == 401  # as for any other


def test_an_impossible_identifier_names_no_session(service: Service) -> None:
    token = service.register().token
    for name in ("%00", "a%00b", "x" * 5000, "%ff", "..%2f"):
        response = service.send("DELETE", f"/auth/sessions/{name}", token=token)
        assert (response.status_code, response.json["code"]) == (404, "not_found"), name


def test_a_logout_ends_this_session(service: Service) -> None:
    account = service.register()
    second = login(service, account)
    assert service.post("/auth/logout", token=account.token).status_code == 200
    assert not goes_on(service, account.token)
    assert goes_on(service, second)


def test_a_logout_of_the_others_keeps_this_session(service: Service) -> None:
    account = service.register()
    second, third = login(service, account), login(service, account)
    assert service.post("/auth/logout", {"scope": "others"}, token=second).status_code == 200
    assert [goes_on(service, token) for token in (account.token, second, third)] == [False, True, False]
    fourth = login(service, account)
    assert service.post("/auth/logout", {"scope": "others"}, token=fourth).status_code == 200
    assert [goes_on(service, token) for token in (second, fourth)] == [False, True]


def test_a_logout_everywhere_ends_all_sessions_and_their_refresh_tokens(service: Service) -> None:
    account = service.register()
    second = login(service, account)
    assert service.post("/auth/logout", {"scope": "all"}, token=second).status_code == 200
    assert [goes_on(service, token) for token in (account.token, second)] == [False, False]
    reply = service.post("/auth/refresh", {"refresh_token": account.data["refresh_token"]})
    assert (reply.status_code, reply.json["code"]) == (401, "invalid_refresh_token")
    assert goes_on(service, login(service, account))


@pytest.mark.parametrize("scope", ["everything", "", None, {"$ne": 1}, ["this"]])
def test_another_scope_is_a_wrong_field(service: Service, scope: object) -> None:
    account = service.register()
    reply = service.post("/auth/logout", {"scope": scope}, token=account.token)
    assert (reply.status_code, reply.json["errors"][0]["field"]) == (422, "scope")
    assert goes_on(service, account.token)


def test_the_use_of_a_session_is_recorded_once_a_minute(service: Service) -> None:
    account = service.register()
    opened_at = sessions(service, account.token)[0]["last_used_at"]
    service.clock.advance(59)
    service.get("/auth/me", token=account.token)
    assert sessions(service, account.token)[0]["last_used_at"] == opened_at
    service.clock.advance(1)
    service.get("/auth/me", token=account.token)
    assert sessions(service, account.token)[0]["last_used_at"] > opened_at


def test_a_login_beyond_the_bound_ends_the_session_that_was_used_least_recently(start: Start) -> None:
    service = start(SESSIONS_PER_USER="2")
    account = service.register()
    service.clock.advance(61)
    second = login(service, account)
    service.clock.advance(61)
    service.get("/auth/me", token=account.token)
    third = login(service, account)
    assert [goes_on(service, token) for token in (account.token, second, third)] == [True, False, True]
