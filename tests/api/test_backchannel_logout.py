"""Clients are told of sessions that have ended (OpenID Connect Back-Channel Logout 1.0)."""

from __future__ import annotations

import sys
from datetime import timedelta
from threading import Event
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode

import jwt
import pytest

from app.accounts.authentication import Authentication
from app.accounts.model import Users
from app.oauth.clients.model import Clients
from app.oauth.consents.service import ConsentService
from app.oauth.logout.backchannel import EVENT, LIVES, RETRIES, BackchannelLogout
from app.oauth.logout.teller import Teller
from app.oauth.logout_notices.model import LogoutNotice, LogoutNotices
from app.outbox.service import Outbox
from app.platform.devices import Device
from app.platform.identifiers import new_id
from app.sessions.authenticator import AccessTokenAuthenticator
from app.sessions.gate import LoginGate
from app.sessions.granted import Granted
from app.sessions.proof import Proof
from tests.api.mailbox import newest_to
from tests.api.oauth_flow import FORM, OAuthClient, a_client, claims
from tests.api.service import Account
from tests.api.test_second_factors import Person
from tests.servers.receiving import Posted, Receiver, receiving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.api.service import Reply, Service, Start

HERE = Device("203.0.113.7", "curl/8")


@pytest.fixture(scope="module")
def service(start: Start) -> Service:
    return start(EGRESS_ALLOW="127.0.0.1")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def app(service: Service, receiver: Receiver) -> Iterator[OAuthClient]:
    client = a_client(service, backchannel_logout_uri=receiver.url)
    service.clock.advance(11)  # until every worker knows that somebody listens
    yield client
    for _ in range(9):  # nothing is left for the next test
        service.clock.advance(7200)
        tell(service)


def opened(
    service: Service,
    account: Account,
    client_id: str,
    *,
    below: bool = False,
    proven: Authentication | None = None,
) -> str:
    """Open a session of the client, as the token endpoint does; returns its identifier."""
    found = service.wired.get(Users).account(account.id)
    assert found is not None
    parent = service.wired.get(AccessTokenAuthenticator).authenticate(account.token).session_id if below else None
    granted = Granted(new_id(), client_id, first_party=False, scopes=("openid",), parent_id=parent)
    proof = Proof(found.credentials, proven or Authentication(service.clock()), "login")
    return service.wired.get(LoginGate).open_for(proof, granted, HERE).session.id


def tell(service: Service) -> None:
    """Do what the threads of a worker do."""
    service.wired.get(Outbox).deliver_due()
    teller = Teller(service.wired.get(BackchannelLogout))
    while service.wired.get(LogoutNotices).due(service.clock(), 1):
        teller.begin_due()
        assert teller.wait(20)


def logged_out(service: Service, receiver: Receiver, app: OAuthClient) -> list[str]:
    """The sessions that the client was told of, each by a token that it accepts."""
    tell(service)
    return [claims["sid"] for claims in tokens(service, receiver, app)]


def tokens(service: Service, receiver: Receiver, app: OAuthClient) -> list[dict[str, Any]]:
    keys = jwt.PyJWKSet.from_dict(service.get("/.well-known/jwks.json").json)
    found = []
    for posted in receiver.posted:
        assert posted.headers["content-type"] == "application/x-www-form-urlencoded"
        fields = parse_qs(posted.body, strict_parsing=True)
        assert list(fields) == ["logout_token"]
        (token,) = fields["logout_token"]
        header = jwt.get_unverified_header(token)
        assert header["typ"] == "logout+jwt"
        issuer = service.wired.settings.server.public_url
        options: Any = {"verify_exp": False, "verify_iat": False}  # the clock of the service is another
        key = keys[header["kid"]]
        found.append(
            jwt.decode(token, key, algorithms=[header["alg"]], issuer=issuer, audience=app.id, options=options)
        )
    return found


def test_a_logout_token_has_what_the_specification_demands_and_nothing_more(
    service: Service, receiver: Receiver, app: OAuthClient
) -> None:
    ann = service.register()
    session = opened(service, ann, app.id)
    service.send("DELETE", f"/auth/sessions/{session}", token=ann.token)
    assert logged_out(service, receiver, app) == [session]
    (claims,) = tokens(service, receiver, app)
    assert claims.keys() == {"iss", "sub", "aud", "iat", "exp", "jti", "events", "sid"}
    assert (claims["sub"], claims["events"], claims["exp"] - claims["iat"]) == (ann.id, {EVENT: {}}, 120)


def _add_a_factor(service: Service, ann: Account) -> None:
    Person(service, ann).enrol()


def _lose_the_factors(service: Service, ann: Account) -> Reply:
    path, why = f"/admin/users/{ann.id}/reset-factors", {"reason": "Ticket 4711"}
    return service.post(path, why, token=service.administrator().token)


def _reset(service: Service, ann: Account) -> Reply:
    service.post("/auth/password/forgot", {"email": ann.email})
    new = {"token": newest_to(service, ann.email).token, "new_password": "another horse battery staple"}
    return service.post("/auth/password/reset", new)


EPOCHS: dict[str, Callable[[Service, Account], Reply | None]] = {
    "a factor was added": _add_a_factor,
    "an administrator took the factors": _lose_the_factors,
    "a password was reset": _reset,
    "an administrator logged the user out": lambda service, ann: service.post(
        f"/admin/users/{ann.id}/logout", token=service.administrator().token
    ),
    "others were logged out": lambda service, ann: service.post(
        "/auth/logout", {"scope": "others"}, token=service.login(ann.email).json["data"]["access_token"]
    ),
}


@pytest.mark.parametrize("end", EPOCHS.values(), ids=EPOCHS)
def test_a_client_is_told_of_whatever_begins_a_new_epoch(
    service: Service, receiver: Receiver, app: OAuthClient, end: Callable[[Service, Account], Reply | None]
) -> None:
    ann = service.register()
    if end is _lose_the_factors:
        _add_a_factor(service, ann)
        proven = Authentication(service.clock(), ("pwd", "mfa"))
    else:
        proven = Authentication(service.clock())
    sessions = [opened(service, ann, app.id, proven=proven), opened(service, service.register(), app.id)]
    reply = end(service, ann)
    assert reply is None or reply.status_code == 200, reply.text
    assert logged_out(service, receiver, app) == sessions[:1]


def test_a_client_is_told_of_one_session_that_ends_alone(
    service: Service, receiver: Receiver, app: OAuthClient
) -> None:
    ann = service.register()
    one, _ = opened(service, ann, app.id), opened(service, ann, app.id)
    service.send("DELETE", f"/auth/sessions/{one}", token=ann.token)
    reused = app.tokens(ann, scope="openid offline_access")
    app.refresh(reused["refresh_token"])
    service.clock.advance(3600)
    assert app.refresh(reused["refresh_token"]).json["error"] == "invalid_grant"
    code = app.code(Account(service.login(ann.email).json["data"], ann.email, ann.username))
    twice = app.redeem(code).json
    assert app.redeem(code).json["error"] == "invalid_grant"
    ended = [one, *(claims(found["access_token"])["sid"] for found in (reused, twice))]
    assert sorted(logged_out(service, receiver, app)) == sorted(ended)


def test_a_client_that_may_do_less_is_told_of_all_its_sessions(
    service: Service, receiver: Receiver, app: OAuthClient
) -> None:
    sessions = [opened(service, service.register(), app.id) for _ in range(3)]
    admin = service.administrator()
    path = f"/admin/clients/{app.id}"
    assert service.send("PATCH", path, json={"scopes": ["openid"]}, token=admin.token).status_code == 200
    assert sorted(logged_out(service, receiver, app)) == sorted(sessions)


def test_a_client_is_not_told_of_what_it_revokes_itself(service: Service, receiver: Receiver, app: OAuthClient) -> None:
    ann = service.register()
    for kind in ("access_token", "refresh_token"):
        found = app.tokens(ann)
        body = urlencode({"client_id": app.id, "token": found[kind]}).encode()
        assert service.send("POST", "/oauth/revoke", body=body, content_type=FORM).status_code == 200
        assert service.get("/oauth/userinfo", token=found["access_token"]).status_code == 401
    assert logged_out(service, receiver, app) == []


@pytest.mark.parametrize("way", ["this", "all", "password", "disabled", "deleted", "grant"])
def test_a_client_is_told_whatever_ended_its_sessions(
    service: Service, receiver: Receiver, app: OAuthClient, way: str
) -> None:
    ann, bob, admin = service.register(), service.register(), service.administrator()
    sessions = [opened(service, ann, app.id, below=True), opened(service, ann, app.id)]
    opened(service, bob, app.id)
    opened(service, ann, a_client(service).id)  # which does not want to know
    principal = service.wired.get(AccessTokenAuthenticator).authenticate(ann.token)
    service.wired.get(ConsentService).allow(principal, Asked(app), HERE)
    match way:
        case "this" | "all":
            reply = service.post("/auth/logout", {"scope": way}, token=ann.token)
        case "password":
            new = {"current_password": ann.password, "new_password": "another horse battery staple"}
            reply = service.post("/auth/password", new, token=ann.token)
        case "disabled":
            reply = service.post(f"/admin/users/{ann.id}/disable", token=admin.token)
        case "deleted":
            reply = service.send("DELETE", "/auth/me", json={"password": ann.password}, token=ann.token)
        case "grant":
            reply = service.send("DELETE", f"/auth/grants/{app.id}", token=ann.token)
    assert reply.status_code == 200, reply.text
    assert sorted(logged_out(service, receiver, app)) == sorted(sessions[:1] if way == "this" else sessions)


class Asked:
    """What the client asks for."""

    scopes = ("openid",)
    resources = ()

    def __init__(self, app: OAuthClient) -> None:
        self.client = app.client


def test_a_client_that_does_not_answer_is_told_again_and_then_no_more(
    service: Service, receiver: Receiver, app: OAuthClient
) -> None:
    ann = service.register()
    session = opened(service, ann, app.id)
    receiver.answer = lambda _: 503
    service.post("/auth/logout", {"scope": "all"}, token=ann.token)
    assert logged_out(service, receiver, app) == [session]
    for number, wait in enumerate(RETRIES, 2):
        service.clock.advance(wait.total_seconds() - 1)
        tell(service)
        assert len(receiver.posted) == number - 1
        service.clock.advance(1)
        tell(service)
        assert len(receiver.posted) == number
    assert service.wired.get(LogoutNotices).waiting(9) == 0
    assert len({claims["jti"] for claims in tokens(service, receiver, app)}) == len(RETRIES) + 1


@pytest.mark.parametrize("status", [200, 204, 400])
def test_a_client_that_has_answered_is_told_no_more(
    service: Service, receiver: Receiver, app: OAuthClient, status: int
) -> None:
    ann = service.register()
    session = opened(service, ann, app.id)
    receiver.answer = lambda _: status
    service.post("/auth/logout", {"scope": "all"}, token=ann.token)
    assert logged_out(service, receiver, app) == [session]
    assert service.wired.get(LogoutNotices).waiting(9) == 0


def test_a_client_that_is_slow_holds_up_no_other(
    service: Service, receiver: Receiver, app: OAuthClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[Teller.__module__], "_LOOKED_AT", 2)
    slow = a_client(service, backchannel_logout_uri=f"{receiver.url}/slow")
    other_arrived, answers, before, asked = Event(), Event(), list[int](), list[Posted]()

    def answer(posted: Posted) -> int:
        if posted.path.endswith("/slow"):
            asked.append(posted)
            answers.wait(20)
        else:
            before.append(len(asked))
            other_arrived.set()
        return 204

    receiver.answer = answer
    now = service.clock()
    waiting = [LogoutNotice(new_id(), "u1", slow.id, 0, now - timedelta(minutes=1), now + LIVES) for _ in range(5)]
    service.wired.get(LogoutNotices).add([*waiting, LogoutNotice(new_id(), "u1", app.id, 0, now, now + LIVES)])
    teller = Teller(service.wired.get(BackchannelLogout))
    teller.begin_due()
    assert other_arrived.wait(20)
    assert before[0] <= 2  # as many as have a place: none of them was waited for
    answers.set()
    assert teller.wait(20)


def test_a_redirect_is_not_followed(service: Service, receiver: Receiver, app: OAuthClient) -> None:
    ann = service.register()
    opened(service, ann, app.id)
    receiver.answer = lambda _: 307
    service.post("/auth/logout", {"scope": "all"}, token=ann.token)
    tell(service)
    assert [posted.path for posted in receiver.posted] == ["/hook"]
    assert service.wired.get(LogoutNotices).waiting(9) == 1


def test_a_client_that_is_gone_is_not_told(service: Service, receiver: Receiver, app: OAuthClient) -> None:
    ann = service.register()
    opened(service, ann, app.id)
    service.post("/auth/logout", {"scope": "all"}, token=ann.token)
    service.wired.get(Outbox).deliver_due()
    service.wired.get(Clients).remove(app.id)
    tell(service)
    assert receiver.posted == []
    assert service.wired.get(LogoutNotices).waiting(9) == 0


def test_an_address_inside_is_not_asked(start: Start, receiver: Receiver) -> None:
    service = start()  # without EGRESS_ALLOW
    app = a_client(service, backchannel_logout_uri=receiver.url)
    ann = service.register()
    opened(service, ann, app.id)
    service.post("/auth/logout", {"scope": "all"}, token=ann.token)
    tell(service)
    assert receiver.posted == []


def test_a_logout_token_is_no_other_token(service: Service, receiver: Receiver, app: OAuthClient) -> None:
    ann = service.register()
    opened(service, ann, app.id)
    service.post("/auth/logout", {"scope": "all"}, token=ann.token)
    tell(service)
    (token,) = parse_qs(receiver.posted[0].body)["logout_token"]
    bob = service.register()
    assert service.get("/auth/me", token=token).json["code"] == "invalid_token"
    assert service.get("/oauth/userinfo", token=token).status_code == 401
    service.get("/oauth/logout", query=f"id_token_hint={token}", headers={"Accept": "text/html"})
    assert service.get("/auth/me", token=bob.token).status_code == 200


def test_nothing_waits_where_no_client_listens(start: Start) -> None:
    service = start()
    ann = service.register()
    opened(service, ann, a_client(service).id)
    service.post("/auth/logout", {"scope": "all"}, token=ann.token)
    account = service.wired.get(Users).account(ann.id)
    assert account is not None
    assert [entry.kind for entry in account.outbox if entry.kind == "backchannel_logout"] == []
