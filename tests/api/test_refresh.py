"""Staying logged in without a password: exchanging refresh tokens."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.api.service import Reply, Service, Start

DAY = 24 * 3600


def refresh(service: Service, token: object) -> Reply:
    return service.post("/auth/refresh", {"refresh_token": token})


def exchanged(service: Service, token: str) -> dict[str, Any]:
    response = refresh(service, token)
    assert response.status_code == 200, response.text
    data: dict[str, Any] = response.json["data"]
    return data


def refused(service: Service, token: object) -> str:
    response = refresh(service, token)
    assert response.status_code == 401, response.text
    return str(response.json["code"])


def test_an_exchange_gives_a_new_pair_for_the_same_session(service: Service) -> None:
    account = service.register()
    new = exchanged(service, account.data["refresh_token"])
    assert new["refresh_token"] != account.data["refresh_token"]
    assert new["access_token"] == new["token"] != account.token
    assert (new["token_type"], new["user"]["id"]) == ("Bearer", account.id)
    assert 855 <= new["expires_in"] <= 900
    assert service.get("/auth/me", token=new["token"]).status_code == 200
    assert len(service.get("/auth/sessions", token=new["token"]).json["data"]["sessions"]) == 1


def test_the_refresh_token_may_come_as_bearer(service: Service) -> None:
    account = service.register()
    response = service.post("/auth/refresh", token=account.data["refresh_token"])
    assert response.status_code == 200


def test_a_token_in_the_body_overrides_any_other(service: Service) -> None:
    account, other = service.register(), service.register()
    for beside in (account.token, other.token, other.data["refresh_token"], "x"):
        body = {"refresh_token": account.data["refresh_token"]}
        response = service.post("/auth/refresh", body, token=beside)
        assert response.status_code == 200
        account = replace(account, data=response.json["data"])
        assert account.id == response.json["data"]["user"]["id"] != other.id
    assert refused(service, "x") == "invalid_refresh_token"
    exchanged(service, other.data["refresh_token"])


def test_a_wrong_token_in_the_body_is_not_replaced_by_the_header(service: Service) -> None:
    good = service.register().data["refresh_token"]
    response = service.post("/auth/refresh", {"refresh_token": "x"}, token=good)
    assert (response.status_code, response.json["code"]) == (401, "invalid_refresh_token")


def test_a_repeat_within_the_grace_time_gives_the_same_refresh_token(service: Service) -> None:
    token = service.register().data["refresh_token"]
    first = exchanged(service, token)
    service.clock.advance(29)
    repeated = exchanged(service, token)
    assert repeated["refresh_token"] == first["refresh_token"]
    assert service.get("/auth/me", token=repeated["token"]).status_code == 200


def test_a_repeat_does_not_prolong_the_grace_time_and_later_ends_the_session(service: Service) -> None:
    token = service.register().data["refresh_token"]
    first = exchanged(service, token)
    service.clock.advance(20)
    exchanged(service, token)
    service.clock.advance(10)
    assert refused(service, token) == "reused_refresh_token"
    assert service.get("/auth/me", token=first["token"]).json["code"] == "session_ended"
    assert refused(service, first["refresh_token"]) == "invalid_refresh_token"


def test_a_token_two_exchanges_back_ends_the_session_even_at_once(service: Service) -> None:
    token = service.register().data["refresh_token"]
    second = exchanged(service, token)["refresh_token"]
    exchanged(service, second)
    assert refused(service, token) == "reused_refresh_token"


def test_without_a_grace_time_the_first_repeat_ends_the_session(start: Start) -> None:
    service = start(REFRESH_GRACE_SECONDS="0")
    token = service.register().data["refresh_token"]
    exchanged(service, token)
    assert refused(service, token) == "reused_refresh_token"


def test_fifty_exchanges_of_one_token_at_once_leave_one_chain(service: Service) -> None:
    token = service.register().data["refresh_token"]
    barrier = Barrier(50)

    def exchange(_: int) -> str:
        barrier.wait()
        return str(exchanged(service, token)["refresh_token"])

    with ThreadPoolExecutor(50) as pool:
        given = set(pool.map(exchange, range(50)))
    assert len(given) == 1
    exchanged(service, given.pop())


def test_a_session_ends_when_it_is_idle_too_long(service: Service) -> None:
    token = service.register().data["refresh_token"]
    service.clock.advance(29 * DAY)
    token = exchanged(service, token)["refresh_token"]
    service.clock.advance(30 * DAY)
    assert refused(service, token) == "invalid_refresh_token"


def test_a_session_ends_at_its_absolute_limit_however_often_it_is_refreshed(service: Service) -> None:
    data = service.register().data
    for _ in range(3):
        service.clock.advance(25 * DAY)
        data = exchanged(service, data["refresh_token"])
    assert data["refresh_expires_in"] == 15 * DAY
    service.clock.advance(15 * DAY)
    assert refused(service, data["refresh_token"]) == "invalid_refresh_token"


def damaged(token: str) -> list[str]:
    raw = bytearray(urlsafe_b64decode(token))
    flipped = []
    for place in range(len(raw)):
        raw[place] ^= 1
        flipped.append(urlsafe_b64encode(raw).decode())
        raw[place] ^= 1
    return [*flipped, token[:-1], token + "=", token + "A", token[4:], token.swapcase(), token + "\n", " " + token]


def test_a_damaged_token_is_refused_and_ends_nothing(service: Service) -> None:
    token = service.register().data["refresh_token"]
    for wrong in damaged(token):
        assert refused(service, wrong) == "invalid_refresh_token"
    exchanged(service, token)


@pytest.mark.parametrize("token", ["x", "A" * 72, "ü" * 72, "a.b.c"])
def test_anything_but_a_refresh_token_is_refused(service: Service, token: str) -> None:
    assert refused(service, token) == "invalid_refresh_token"


def test_an_access_token_is_not_a_refresh_token(service: Service) -> None:
    assert refused(service, service.register().token) == "invalid_refresh_token"


def test_a_missing_token_is_refused(service: Service) -> None:
    assert service.post("/auth/refresh").json["code"] == "invalid_refresh_token"


@pytest.mark.parametrize("wrong", [{"$gt": ""}, ["a"], 1, True, ""])
def test_a_token_of_another_type_is_a_wrong_field(service: Service, wrong: object) -> None:
    response = refresh(service, wrong)
    assert (response.status_code, response.json["errors"][0]["field"]) == (422, "refresh_token")


def test_a_token_of_another_service_is_refused(service: Service, start: Start) -> None:
    other = start(SECRET_KEY="Zq7Yt5Rw3Ep1Ou9Il8Kj6Hg4Fd2Sa0_Mn-BvCx")
    assert refused(service, other.register().data["refresh_token"]) == "invalid_refresh_token"
