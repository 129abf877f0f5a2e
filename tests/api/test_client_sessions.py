"""Sessions that clients have of a user."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from typing import TYPE_CHECKING, Any

import pytest

from app.accounts.authentication import Authentication
from app.accounts.model import Users
from app.features import ENDPOINTS
from app.platform.devices import Device
from app.platform.errors import InvalidRefreshToken
from app.platform.identifiers import new_id
from app.sessions.gate import LoginGate
from app.sessions.granted import Asked, Granted, NarrowingError, NotAdmittedError
from app.sessions.model import Sessions
from app.sessions.proof import Proof
from app.sessions.refresh import RefreshService
from app.sessions.service import SessionService
from tests.api.test_second_factors import Person

if TYPE_CHECKING:
    from app.sessions.session_tokens import OpenedSession
    from tests.api.service import Account, Service, Start

HERE = Device("203.0.113.7", "curl/8")
CLIENT = "https://client.example/metadata.json"
FILES, MAIL = "https://files.example", "https://mail.example"


def opened(service: Service, account: Account, **fields: Any) -> OpenedSession:
    found = service.wired.get(Users).account(account.id)
    assert found is not None
    proof = Proof(found.credentials, Authentication(service.clock()), "login")
    given: dict[str, Any] = {
        "session_id": new_id(), "client_id": CLIENT, "first_party": False, "scopes": ("openid", "offline_access")
    }  # fmt: skip
    return service.wired.get(LoginGate).open_for(proof, Granted(**given | fields), HERE)


def claims(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    found: dict[str, Any] = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def test_the_token_of_a_client_says_whose_and_for_what_it_is(service: Service) -> None:
    session = opened(service, service.register(), resources=(FILES, MAIL))
    told = claims(session.access_token)
    assert (told["client_id"], told["scope"], told["aud"]) == (CLIENT, "openid offline_access", [FILES, MAIL])
    assert service.get("/auth/me", token=session.access_token).json["code"] == "invalid_token"


def test_a_third_party_reaches_nothing_of_the_account(service: Service) -> None:
    session = opened(service, service.register())
    for endpoint in (each for each in ENDPOINTS if each.access.authenticated):
        path = endpoint.path
        for name in ("user_id", "session_id", "key_id"):
            path = path.replace(f"<{name}>", new_id())
        reply = service.send(endpoint.method, path, token=session.access_token)
        assert (reply.status_code, reply.json["code"]) == (403, "forbidden"), endpoint.name


def test_a_first_party_acts_as_a_login_does(service: Service) -> None:
    account = service.register()
    token = opened(service, account, first_party=True).access_token
    assert service.get("/auth/me", token=token).json["data"]["user"]["id"] == account.id
    assert service.post("/auth/logout", {"scope": "all"}, token=token).status_code == 200
    assert service.get("/auth/me", token=account.token).json["code"] == "session_ended"


def test_the_refresh_token_of_a_client_is_no_refresh_token_of_a_login_and_the_other_way_round(service: Service) -> None:
    account = service.register()
    session = opened(service, account, resources=(FILES, MAIL))
    assert (
        service.post("/auth/refresh", {"refresh_token": session.refresh_token}).json["code"] == "invalid_refresh_token"
    )
    refreshes = service.wired.get(RefreshService)
    own = service.login(account.username).json["data"]["refresh_token"]
    for token, client in ((own, CLIENT), (session.refresh_token or "", "another")):
        with pytest.raises(InvalidRefreshToken):
            refreshes.refresh_for(token, HERE, Asked(client))
    for asked in (Asked(CLIENT, ("email",)), Asked(CLIENT, (), ("https://evil.example",))):
        with pytest.raises(NarrowingError):
            refreshes.refresh_for(session.refresh_token or "", HERE, asked)
    narrow = refreshes.refresh_for(session.refresh_token or "", HERE, Asked(CLIENT, ("openid",), (MAIL,)))
    assert (claims(narrow.access_token)["aud"], claims(narrow.access_token)["scope"]) == (MAIL, "openid")
    whole = refreshes.refresh_for(narrow.refresh_token or "", HERE, Asked(CLIENT))
    assert claims(whole.access_token)["aud"] == [FILES, MAIL]


def test_a_client_gets_no_session_of_a_former_epoch(service: Service) -> None:
    account = service.register()
    found = service.wired.get(Users).account(account.id)
    assert found is not None
    proof = Proof(found.credentials, Authentication(service.clock()), "login")
    service.post("/auth/logout", {"scope": "all"}, token=account.token)
    with pytest.raises(NotAdmittedError):
        service.wired.get(LoginGate).open_for(proof, Granted(new_id(), CLIENT, False, ("openid",)), HERE)  # noqa: FBT003


def proof_of(service: Service, account: Account, **fields: Any) -> Proof:
    found = service.wired.get(Users).account(account.id)
    assert found is not None
    return Proof(found.credentials, Authentication(service.clock(), **fields), "authorization_code")


def a_granted(**fields: Any) -> Granted:
    given: dict[str, Any] = {
        "session_id": new_id(), "client_id": CLIENT, "first_party": False, "scopes": ("openid", "offline_access")
    }  # fmt: skip
    return Granted(**given | fields)


def test_without_offline_access_there_is_no_refresh_token_and_the_session_lives_as_long_as_that_of_its_user(
    service: Service,
) -> None:
    account = service.register()
    page = claims(account.token)["sid"]
    session = opened(service, account, scopes=("openid",), parent_id=page)
    assert session.refresh_token is None
    parent = service.wired.get(Sessions).find_live(page, service.clock())
    assert parent is not None
    assert session.session.expires_at == session.session.idle_expires_at == parent.session.expires_at


def test_the_session_of_a_client_lives_no_longer_than_the_client_may(service: Service) -> None:
    session = opened(service, service.register(), seconds=60)
    assert (session.session.expires_at - session.session.created_at).total_seconds() == 60
    assert session.refresh_expires_in == 60


@pytest.mark.parametrize("scope", ["this", "all"])
def test_with_the_login_ends_what_clients_got_without_offline_access(service: Service, scope: str) -> None:
    account = service.register()
    page = claims(account.token)["sid"]
    below = opened(service, account, first_party=True, scopes=("openid",), parent_id=page)
    offline = opened(service, account, first_party=True)
    assert service.post("/auth/logout", {"scope": scope}, token=account.token).status_code == 200
    assert service.get("/auth/me", token=below.access_token).json["code"] == "session_ended"
    assert service.get("/auth/me", token=offline.access_token).status_code == (200 if scope == "this" else 401)
    with pytest.raises(NotAdmittedError):
        opened(service, account, parent_id=page)


def test_a_client_has_as_many_sessions_of_a_user_as_the_setting_says(start: Start) -> None:
    service = start(CLIENT_SESSIONS_PER_USER="2")
    account = service.register()
    former, *_ = [opened(service, account, first_party=True) for _ in range(3)]
    assert service.get("/auth/me", token=former.access_token).json["code"] == "session_ended"
    assert len(service.get("/auth/sessions", token=account.token).json["data"]["sessions"]) == 3


def test_no_session_is_opened_below_that_of_another_user(service: Service) -> None:
    page = claims(service.register().token)["sid"]
    with pytest.raises(NotAdmittedError):
        opened(service, service.register(), parent_id=page)


def test_a_change_of_the_password_ends_the_sessions_of_clients_and_keeps_the_login(service: Service) -> None:
    account = service.register()
    session = opened(service, account, first_party=True)
    changed = {"current_password": account.password, "new_password": "another horse battery staple"}
    assert service.post("/auth/password", changed, token=account.token).status_code == 200
    assert service.get("/auth/me", token=session.access_token).json["code"] == "session_ended"
    assert service.get("/auth/me", token=account.token).status_code == 200


def test_a_client_ends_its_own_sessions_and_no_others(service: Service) -> None:
    account = service.register()
    sessions = service.wired.get(SessionService)
    session, login = opened(service, account, first_party=True), claims(account.token)["sid"]
    assert not sessions.end_for_client(session.session.id, "another", HERE)
    assert not sessions.end_for_client(login, CLIENT, HERE)
    assert not sessions.end_for_client(new_id(), CLIENT, HERE)
    assert sessions.end_for_client(session.session.id, CLIENT, HERE)
    assert service.get("/auth/me", token=session.access_token).json["code"] == "session_ended"


def test_a_second_factor_that_is_missing_keeps_a_client_out(service: Service) -> None:
    account = service.register()
    Person(service, account).enrol()
    gate = service.wired.get(LoginGate)
    with pytest.raises(NotAdmittedError, match="second_factor"):
        gate.open_for(proof_of(service, account), a_granted(), HERE)
    two = proof_of(service, account, amr=("pwd", "otp", "mfa"))
    assert claims(gate.open_for(two, a_granted(), HERE).access_token)["acr"] == "urn:latchkey:aal2"


def test_a_device_that_stood_for_the_second_factor_does_so_for_what_clients_get(service: Service) -> None:
    account = service.register()
    Person(service, account).enrol()
    proof = proof_of(service, account, by_trusted_device=True)
    token = claims(service.wired.get(LoginGate).open_for(proof, a_granted(), HERE).access_token)
    assert (token["acr"], token["trusted_device"]) == ("urn:latchkey:aal1", True)


def test_the_list_of_sessions_names_the_client(service: Service) -> None:
    account = service.register()
    session = opened(service, account)
    listed = service.get("/auth/sessions", token=account.token).json["data"]["sessions"]
    assert {each["id"]: each.get("client") for each in listed} == {
        claims(account.token)["sid"]: None,
        session.session.id: {"id": CLIENT, "name": "client.example"},
    }
    assert service.send("DELETE", f"/auth/sessions/{session.session.id}", token=account.token).status_code == 200
    with pytest.raises(InvalidRefreshToken):
        service.wired.get(RefreshService).refresh_for(session.refresh_token or "", HERE, Asked(CLIENT))


def test_an_explanation_says_that_a_token_is_that_of_an_application(service: Service) -> None:
    session = opened(service, service.register())
    told = service.post("/auth/explain", {"token": session.access_token}).json["data"]
    assert told["accepted"] is True
    assert "an application" in told["detail"]
    other = opened(service, service.register(), resources=(FILES,))
    told = service.post("/auth/explain", {"token": other.access_token}).json["data"]
    assert (told["accepted"], told["reason"]) == (False, "wrong_audience")
