"""What users let clients have: it is listed, used and taken away."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from app.accounts.authentication import Authentication
from app.accounts.model import Users
from app.oauth.codes.model import Codes
from app.oauth.consents.service import MOST, ConsentService
from app.outbox.service import Outbox
from app.platform.devices import Device
from app.platform.errors import NotFound, SessionEnded
from app.platform.identifiers import digest_of_token, new_id
from app.sessions.authenticator import AccessTokenAuthenticator
from app.sessions.gate import LoginGate
from app.sessions.granted import Granted, NotAdmittedError
from app.sessions.proof import Proof
from tests.api.mailbox import newest_to
from tests.api.oauth_flow import a_client
from tests.api.service import Account
from tests.api.test_email_change import moved

if TYPE_CHECKING:
    from app.accounts.principal import Principal
    from tests.api.service import Service

HERE = Device("203.0.113.7", "curl/8")
FILES = "https://files.example/"


@dataclass(frozen=True)
class App:
    """A client, as a consent names it."""

    id: str
    name: str = "Files"


@dataclass(frozen=True)
class Asked:
    """What a client asks for."""

    client: App
    scopes: tuple[str, ...] = ("openid", "email")
    resources: tuple[str, ...] = (FILES,)


def principal_of(service: Service, account: Account) -> Principal:
    return service.wired.get(AccessTokenAuthenticator).authenticate(account.token)


def allow(service: Service, account: Account, asked: Asked) -> None:
    service.wired.get(ConsentService).allow(principal_of(service, account), asked, HERE)


def open_session(service: Service, account: Account, client_id: str) -> str:
    """Open a session of the client, as the token endpoint does; returns its access token."""
    found = service.wired.get(Users).account(account.id)
    assert found is not None
    proof = Proof(found.credentials, Authentication(service.clock()), "login")
    granted = Granted(new_id(), client_id, first_party=False, scopes=("openid", "offline_access"))
    return service.wired.get(LoginGate).open_for(proof, granted, HERE).access_token


def is_live(service: Service, token: str) -> bool:
    try:
        service.wired.get(AccessTokenAuthenticator).authenticate(token)
    except SessionEnded:
        return False
    return True


def grants(service: Service, account: Account) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = service.get("/auth/grants", token=account.token).json["data"]["grants"]
    return found


def events(service: Service, account: Account) -> list[tuple[str, dict[str, str]]]:
    found = service.get("/auth/events?limit=100", token=account.token).json["data"]["events"]
    return [(event["action"], event["details"]) for event in found if event["action"].startswith("grant.")]


def revoke(service: Service, account: Account, client_id: str) -> int:
    return service.send("DELETE", f"/auth/grants/{quote(client_id, safe='')}", token=account.token).status_code


def test_a_user_sees_what_applications_may_have_and_when_they_used_it(service: Service) -> None:
    ann, app = service.register(), App(new_id())
    assert grants(service, ann) == []
    allow(service, ann, Asked(app))
    began = grants(service, ann)
    seen = {"client_id": app.id, "name": "Files", "scopes": ["openid", "email"], "resources": [FILES]}
    assert [{name: grant[name] for name in seen} for grant in began] == [seen]
    assert began[0]["last_used_at"] == began[0]["created_at"]

    service.clock.advance(60)
    assert service.wired.get(ConsentService).still_holds(ann.id, app.id, (), ())
    (redeemed,) = grants(service, ann)
    assert redeemed["last_used_at"] > began[0]["last_used_at"]

    service.clock.advance(60)
    open_session(service, ann, app.id)
    assert grants(service, ann)[0]["last_used_at"] > redeemed["last_used_at"]
    assert service.get("/auth/me/export", token=ann.token).json["data"]["grants"] == grants(service, ann)


def test_only_what_is_new_is_an_event(service: Service) -> None:
    ann, app = service.register(), App(new_id())
    consents = service.wired.get(ConsentService)
    assert not consents.covers(ann.id, Asked(app))
    for scopes in (("openid", "email"), ("openid",), ("openid", "profile")):
        allow(service, ann, Asked(app, scopes, ()))
        assert consents.covers(ann.id, Asked(app, scopes, ()))
    assert consents.covers(ann.id, Asked(app, ("profile", "email"), ()))
    assert not consents.covers(ann.id, Asked(app, ("openid",), (FILES,)))
    assert not consents.covers(service.register().id, Asked(app, ("openid",), ()))
    assert events(service, ann) == [
        ("grant.allowed", {"client": app.id, "scopes": "openid profile"}),
        ("grant.allowed", {"client": app.id, "scopes": "openid email"}),
    ]


@pytest.mark.parametrize("client_id", [new_id(), "https://client.example/a//b.json?c=d"], ids=["id", "url"])
def test_who_revokes_a_grant_ends_the_sessions_of_that_client_alone(service: Service, client_id: str) -> None:
    ann, bob, other = service.register(), service.register(), App(new_id())
    for account in (ann, bob):
        for app in (App(client_id), other):
            allow(service, account, Asked(app))
    hers = [open_session(service, ann, client_id) for _ in range(2)]
    kept = [open_session(service, ann, other.id), open_session(service, bob, client_id), ann.token]
    assert revoke(service, ann, client_id) == 200
    assert [is_live(service, token) for token in hers] == [False, False]
    assert all(is_live(service, token) for token in kept)
    assert [grant["client_id"] for grant in grants(service, ann)] == [other.id]
    assert not service.wired.get(ConsentService).holds(ann.id, client_id, (), ())
    assert events(service, ann)[0] == ("grant.revoked", {"client": client_id})
    assert revoke(service, ann, client_id) == 404
    assert [grant["client_id"] for grant in grants(service, bob)] == [client_id, other.id]


def test_sessions_that_a_failed_try_left_are_ended_by_the_next(service: Service) -> None:
    ann, app = service.register(), App(new_id())
    token = open_session(service, ann, app.id)  # of a consent that is gone already
    assert revoke(service, ann, app.id) == 200
    assert not is_live(service, token)


@pytest.mark.parametrize(
    "client", ["x", "%00", "..", "%2F", "%FF", "a" * 2000, "https://client.example/app", "%20", "%0A"]
)
def test_a_grant_that_there_is_not_is_not_found(service: Service, client: str) -> None:
    reply = service.send("DELETE", f"/auth/grants/{client}", token=service.register().token)
    assert (reply.status_code, reply.json["code"]) == (404, "not_found")


def test_no_consent_is_given_in_a_session_that_has_ended(service: Service) -> None:
    ann, app = service.register(), App(new_id())
    principal = principal_of(service, ann)
    service.post("/auth/logout", {"scope": "all"}, token=ann.token)
    with pytest.raises(SessionEnded):
        service.wired.get(ConsentService).allow(principal, Asked(app), HERE)
    assert not service.wired.get(ConsentService).holds(ann.id, app.id, (), ())


def test_one_consent_too_many_takes_the_place_of_the_one_used_least_recently(service: Service) -> None:
    ann = service.register()
    apps = [App(new_id()) for _ in range(MOST + 1)]
    for app in apps[:MOST]:
        service.clock.advance(1)
        allow(service, ann, Asked(app))
    service.clock.advance(1)
    assert service.wired.get(ConsentService).still_holds(ann.id, apps[0].id, (), ())
    sessions = [open_session(service, ann, app.id) for app in apps[:2]]
    allow(service, ann, Asked(apps[MOST]))
    left = {grant["client_id"] for grant in grants(service, ann)}
    assert left == {app.id for app in apps} - {apps[1].id}
    assert [is_live(service, token) for token in sessions] == [True, False]


def test_a_deleted_account_leaves_neither_consents_nor_codes(service: Service) -> None:
    ann = service.register()
    code = digest_of_token(a_client(service).code(ann))
    assert service.wired.get(ConsentService).consents.of_user(ann.id)
    service.send("DELETE", "/auth/me", json={"password": ann.password}, token=ann.token)
    assert service.wired.get(ConsentService).consents.of_user(ann.id) == []
    assert service.wired.get(Codes).find(code) is None


def kept(service: Service, account: Account) -> int:
    """How many consents are left when all is done that a change causes."""
    service.wired.get(Outbox).deliver_due()
    return len(service.wired.get(ConsentService).consents.of_user(account.id))


def reset(service: Service, account: Account) -> None:
    assert service.post("/auth/password/forgot", {"email": account.email}).status_code == 202
    body = {"token": newest_to(service, account.email).token, "new_password": "another horse battery staple"}
    assert service.post("/auth/password/reset", body).status_code == 200


def test_what_a_stranger_let_clients_have_ends_when_the_owner_of_the_address_proves_it(service: Service) -> None:
    mallory, app = service.register(), App(new_id())  # with the address of somebody else
    allow(service, mallory, Asked(app))
    reset(service, mallory)
    assert kept(service, mallory) == 0
    owner = Account(service.login(mallory.email, "another horse battery staple").json["data"], mallory.email, "")
    assert ("grant.revoked", {"client": app.id}) in events(service, owner)


def test_what_an_intruder_let_clients_have_ends_when_the_change_of_the_address_is_undone(service: Service) -> None:
    ann, _, undo = moved(service)
    allow(service, ann, Asked(App(new_id())))
    assert service.post("/auth/email/undo", {"token": undo}).status_code == 200
    assert kept(service, ann) == 0


def test_what_the_owner_let_clients_have_outlives_the_proof_and_a_later_reset(service: Service) -> None:
    ann = service.register()
    allow(service, ann, Asked(App(new_id())))
    assert service.post("/auth/email/verify", {"token": newest_to(service, ann.email).token}).status_code == 200
    assert kept(service, ann) == 1
    reset(service, ann)
    assert kept(service, ann) == 1


def test_of_a_session_and_a_revocation_at_once_nothing_is_left(service: Service) -> None:
    """As the token endpoint does it: it opens the session, then looks whether the consent is still there."""
    ann = service.register()
    consents, principal = service.wired.get(ConsentService), principal_of(service, ann)
    for _ in range(6):
        app = App(new_id())
        allow(service, ann, Asked(app))

        def act(number: int, app: App = app) -> str | None:
            if number == 0:
                consents.revoke(principal, app.id, HERE)
                return None
            try:
                token = open_session(service, ann, app.id)
            except NotAdmittedError:
                return None
            return token if consents.still_holds(ann.id, app.id, (), ()) else None

        tokens = [token for token in service.at_once(act, 4) if token is not None]
        assert not any(is_live(service, token) for token in tokens)
        assert grants(service, ann) == []


def test_of_revocations_at_once_one_is_recorded(service: Service) -> None:
    ann, app = service.register(), App(new_id())
    allow(service, ann, Asked(app))
    open_session(service, ann, app.id)
    principal = principal_of(service, ann)

    def act(_number: int) -> bool:
        try:
            service.wired.get(ConsentService).revoke(principal, app.id, HERE)
        except NotFound:
            return False
        return True

    assert any(service.at_once(act, 8))
    assert [action for action, _ in events(service, ann)] == ["grant.revoked", "grant.allowed"]
