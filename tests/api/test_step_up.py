"""Step-up: a session proves again who its user is, and only the new access token gains by it (RFC 9470)."""

from typing import Any

import jwt
import pyotp
import pytest

from tests.api.service import PASSWORD, Account, Reply, Service, Start

AAL1, AAL2 = "urn:latchkey:aal1", "urn:latchkey:aal2"
REAUTHENTICATE = "/auth/reauthenticate"


def claims(token: str) -> dict[str, Any]:
    read: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return read


def code_of(reply: Reply) -> tuple[int, str]:
    return reply.status_code, reply.json.get("code")


def enrol(service: Service, account: Account) -> pyotp.TOTP:
    """Give the user an authenticator app."""
    begun = service.post("/auth/factors/totp", token=account.token)
    app = pyotp.TOTP(begun.json["data"]["secret"])
    service.clock.advance(30)
    confirm = {"code": app.at(service.clock())}
    assert service.post("/auth/factors/totp/confirm", confirm, token=account.token).status_code == 200
    return app


def code(service: Service, app: pyotp.TOTP) -> str:
    service.clock.advance(30)
    return app.at(service.clock())


def by_code(service: Service, token: str, app: pyotp.TOTP) -> Reply:
    return service.post(REAUTHENTICATE, {"method": "totp", "code": code(service, app)}, token=token)


def is_fresh(service: Service, token: str) -> bool:
    return service.get("/auth/me/export", token=token).status_code == 200


def test_a_token_says_when_and_how_its_user_authenticated(service: Service) -> None:
    account = service.register()
    read = claims(account.token)
    assert (read["auth_time"], read["amr"], read["acr"]) == (read["iat"], ["pwd"], AAL1)

    app = enrol(service, account)
    service.clock.advance(60)
    pending = service.login(account.email).json["login"]["token"]
    service.clock.advance(30)
    body = {"login_token": pending, "method": "totp", "code": code(service, app)}
    done = service.post("/auth/login/continue", body).json["data"]

    read = claims(done["access_token"])
    assert (read["auth_time"], read["amr"], read["acr"]) == (read["iat"], ["pwd", "otp", "mfa"], AAL2)


def test_a_refresh_tells_the_time_of_the_login(service: Service) -> None:
    account = service.register()
    service.clock.advance(120)
    refreshed = service.post("/auth/refresh", {"refresh_token": account.refresh_token}).json["data"]
    read = claims(refreshed["access_token"])
    assert (read["auth_time"], read["iat"] - read["auth_time"]) == (claims(account.token)["auth_time"], 120)


def test_a_password_renews_a_session_and_the_old_token_gains_nothing(service: Service) -> None:
    account = service.register()
    service.clock.advance(601)
    refused = service.get("/auth/me/export", token=account.token)
    assert code_of(refused) == (403, "reauthentication_required")
    assert refused.json["methods"] == ["password"]
    challenge = 'Bearer error="insufficient_user_authentication", max_age="600"'
    assert refused.headers["WWW-Authenticate"] == challenge

    reply = service.post(REAUTHENTICATE, {"password": PASSWORD}, token=account.token)

    assert reply.status_code == 200
    assert reply.json["data"].keys() == {"access_token", "token", "token_type", "expires_in"}
    renewed = reply.json["data"]["access_token"]
    assert claims(renewed)["sid"] == claims(account.token)["sid"]
    assert is_fresh(service, renewed)
    assert not is_fresh(service, account.token)
    refreshed = service.post("/auth/refresh", {"refresh_token": account.refresh_token}).json["data"]
    assert is_fresh(service, refreshed["access_token"])


def test_a_renewed_token_is_fresh_for_as_long_as_a_login(service: Service) -> None:
    account = service.register()
    service.clock.advance(600)
    assert is_fresh(service, account.token)
    renewed = service.post(REAUTHENTICATE, {"password": PASSWORD}, token=account.token).json["data"]["access_token"]
    service.clock.advance(600)
    assert is_fresh(service, renewed)
    service.clock.advance(1)
    assert not is_fresh(service, renewed)


def test_a_wrong_password_is_refused_and_counts(start: Start) -> None:
    service = start()
    account = service.register()
    body = {"password": "wrong horse battery staple"}
    assert code_of(service.post(REAUTHENTICATE, body, token=account.token)) == (403, "wrong_password")
    while service.post(REAUTHENTICATE, body, token=account.token).status_code == 403:
        pass
    right = service.post(REAUTHENTICATE, {"password": PASSWORD}, token=account.token)
    assert code_of(right) == (429, "too_many_requests")


def test_who_has_a_second_factor_steps_up_with_it_and_not_with_the_password(service: Service) -> None:
    account = service.register()
    app = enrol(service, account)
    refused = service.post(REAUTHENTICATE, {"password": PASSWORD}, token=account.token)
    assert (code_of(refused), refused.json["methods"]) == ((403, "reauthentication_required"), ["totp"])
    service.clock.advance(601)
    assert service.get("/auth/me/export", token=account.token).json["methods"] == ["totp"]

    renewed = by_code(service, account.token, app).json["data"]["access_token"]

    assert is_fresh(service, renewed)
    assert claims(renewed)["amr"] == ["pwd", "otp", "mfa"]
    assert claims(renewed)["acr"] == AAL2


def test_wrong_codes_are_refused_and_counted(start: Start) -> None:
    service = start()
    account = service.register()
    app = enrol(service, account)
    spent = app.at(service.clock())
    for wrong in ("000000", spent, "٣٤٥٦٧٨"):
        body = {"method": "totp", "code": wrong}
        assert code_of(service.post(REAUTHENTICATE, body, token=account.token)) == (422, "invalid_code")
    while service.post(REAUTHENTICATE, {"method": "totp", "code": "000000"}, token=account.token).status_code == 422:
        pass
    assert code_of(by_code(service, account.token, app))[1] in {"too_many_requests", None}


def test_a_recovery_code_is_no_step_up(service: Service) -> None:
    account = service.register()
    app = pyotp.TOTP(service.post("/auth/factors/totp", token=account.token).json["data"]["secret"])
    service.clock.advance(30)
    confirm = {"code": app.at(service.clock())}
    codes = service.post("/auth/factors/totp/confirm", confirm, token=account.token).json["data"]["recovery_codes"]
    body = {"method": "recovery_code", "code": codes[0]}
    assert code_of(service.post(REAUTHENTICATE, body, token=account.token)) == (422, "validation_failed")
    assert service.get("/auth/factors", token=account.token).json["data"]["factors"]["recovery_codes"] == {"left": 10}


@pytest.mark.parametrize(
    "body",
    [
        {}, {"method": "totp"}, {"code": "123456"}, {"password": PASSWORD, "code": "123456"},
        {"password": PASSWORD, "method": "totp"}, {"password": None}, {"method": "password", "code": PASSWORD},
    ],
)  # fmt: skip
def test_a_body_holds_a_password_or_a_method_and_its_code(service: Service, body: object) -> None:
    reply = service.post(REAUTHENTICATE, body, token=service.register().token)
    assert code_of(reply) == (422, "validation_failed")


def test_it_is_an_event(service: Service) -> None:
    account = service.register()
    service.post(REAUTHENTICATE, {"password": PASSWORD}, token=account.token)
    events = service.get("/auth/events", token=account.token).json["data"]["events"]
    assert events[0]["action"] == "session.reauthenticated"


def verify(service: Service, token: str, query: str) -> Reply:
    return service.get("/auth/verify", query=query, token=token)


def test_a_proxy_can_demand_a_second_factor_within_some_time(service: Service) -> None:
    account = service.register()
    weak = account.token
    assert verify(service, weak, f"acr={AAL1}&max_age=60").status_code == 200
    app = enrol(service, account)
    strong = by_code(service, account.token, app).json["data"]["access_token"]
    assert verify(service, strong, f"acr={AAL2}&max_age=600").status_code == 200

    refused = verify(service, weak, f"acr={AAL2}&max_age=600")
    assert code_of(refused) == (401, "insufficient_user_authentication")
    error = 'Bearer error="insufficient_user_authentication"'
    assert refused.headers["WWW-Authenticate"] == f'{error}, acr_values="{AAL2}", max_age="600"'
    service.clock.advance(601)
    late = verify(service, strong, "max_age=600")
    assert (late.status_code, late.headers["WWW-Authenticate"]) == (401, f'{error}, max_age="600"')
    assert verify(service, strong, f"acr={AAL2}").status_code == 200
    assert verify(service, weak, f"acr={AAL2}").headers["WWW-Authenticate"] == f'{error}, acr_values="{AAL2}"'


@pytest.mark.parametrize(
    "query",
    ["acr=", "acr=aal2", "max_age=", "max_age=-1", "max_age=1.5", "max_age=%D9%A3", f"max_age={'9' * 40}", "age=1"],
)
def test_a_demand_that_cannot_be_read_is_never_met(service: Service, query: str) -> None:
    assert verify(service, service.register().token, query).status_code == 403


def test_of_several_demands_the_hardest_counts(service: Service) -> None:
    token = service.register().token
    assert verify(service, token, f"acr={AAL1}&acr={AAL2}").status_code == 401
    service.clock.advance(30)
    assert verify(service, token, "max_age=600&max_age=20").status_code == 401


def test_behind_an_api_key_there_is_no_authentication(service: Service) -> None:
    account = service.register()
    body = {"name": "Backup", "permissions": []}
    created = service.post("/auth/api-keys", body, token=account.token)
    key = created.json["data"]["key"]
    assert verify(service, key, "").status_code == 200
    assert verify(service, key, f"acr={AAL1}").status_code == 401
    assert verify(service, key, "max_age=600").status_code == 401
