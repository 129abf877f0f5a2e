"""The current user: GET /auth/me, and how the access token is sent."""

from base64 import b64encode

import pytest

from tests.api.service import PASSWORD, Account, Service


@pytest.fixture(scope="module")
def account(service: Service) -> Account:
    return service.register()


def test_users_see_all_of_their_own_record(service: Service, account: Account) -> None:
    response = service.get("/auth/me", token=account.token)
    assert response.status_code == 200
    assert response.json == {"status": "success", "data": {"user": account.data["user"]}}


def test_administrators_see_their_permissions(service: Service) -> None:
    user = service.get("/auth/me", token=service.administrator().token).json["data"]["user"]
    assert user["roles"] == ["admin"]
    assert user["permissions"] == sorted(user["permissions"])
    assert {"users:read", "users:write", "roles:write", "audit:read", "keys:write", "products:write"} <= {
        *user["permissions"]
    }


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer  "])
def test_the_token_goes_in_authorization(service: Service, account: Account, scheme: str) -> None:
    headers = {"Authorization": f"{scheme} {account.token}"}
    assert service.get("/auth/me", headers=headers).json["data"]["user"]["id"] == account.id


@pytest.mark.parametrize("header", ["x-access-token", "X-Access-Token"])
def test_the_token_goes_in_the_old_header_as_well(service: Service, account: Account, header: str) -> None:
    assert service.get("/auth/me", headers={header: account.token}).json["data"]["user"]["id"] == account.id


def test_the_same_token_in_both_headers_is_one(service: Service, account: Account) -> None:
    assert service.get("/auth/me", token=account.token, headers={"x-access-token": account.token}).status_code == 200


def test_two_different_tokens_contradict_each_other(service: Service, account: Account) -> None:
    other = service.login(account.email).json["data"]["token"]
    for second in (other, "x", account.token[:-1]):
        response = service.get("/auth/me", token=account.token, headers={"x-access-token": second})
        assert (response.status_code, response.json["code"]) == (400, "invalid_request")


@pytest.mark.parametrize("name", ["access_token", "token", "x-access-token", "Authorization", "jwt"])
def test_a_token_in_the_query_is_ignored(service: Service, account: Account, name: str) -> None:
    response = service.get("/auth/me", query=f"{name}={account.token}")
    assert (response.status_code, response.json["code"]) == (401, "missing_token")
    assert service.get("/auth/me", token=account.token, query=f"{name}=x").status_code == 200


@pytest.mark.parametrize("name", ["access_token", "token", "x-access-token", "session"])
def test_a_token_in_a_cookie_or_a_body_is_ignored(service: Service, account: Account, name: str) -> None:
    body = f"{name}={account.token}".encode()
    form = "application/x-www-form-urlencoded"
    response = service.get("/auth/me", headers={"Cookie": body.decode()}, body=body, content_type=form)
    assert response.json["code"] == "missing_token"


def test_without_a_token_the_challenge_names_no_error(service: Service) -> None:
    response = service.get("/auth/me")
    assert (response.status_code, response.json["code"]) == (401, "missing_token")
    assert response.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("authorization", ["Bearer", "Bearer ", "", "Token x", "Digest x"])
def test_another_scheme_does_not_carry_a_token(service: Service, authorization: str) -> None:
    response = service.get("/auth/me", headers={"Authorization": authorization})
    assert response.json["code"] == "missing_token"
    assert ("send `Authorization: Bearer <access_token>`" in response.json["message"]) == bool(authorization)


def test_the_error_for_a_token_without_a_scheme_names_the_scheme_and_hides_the_token(
    service: Service, account: Account
) -> None:
    response = service.get("/auth/me", headers={"Authorization": account.token})
    assert response.json["message"].startswith("The Authorization header holds no Bearer token")
    assert account.token not in response.text


def test_name_and_password_are_not_a_token(service: Service, account: Account) -> None:
    basic = b64encode(f"{account.email}:{PASSWORD}".encode()).decode()
    response = service.get("/auth/me", headers={"Authorization": f"Basic {basic}"})
    assert (response.status_code, response.json["code"]) == (401, "missing_token")


@pytest.mark.parametrize("token", ["x", "a b", "a.b.c", "é", "null", "undefined", "x" * 60_000, "Bearer x"])
def test_with_a_wrong_token_the_challenge_names_the_error(service: Service, token: str) -> None:
    for headers in ({"Authorization": f"Bearer {token}"}, {"x-access-token": token}):
        response = service.get("/auth/me", headers=headers)
        assert (response.status_code, response.json["code"]) == (401, "invalid_token")
        challenge = response.headers["WWW-Authenticate"]
        assert challenge.startswith('Bearer error="invalid_token", error_description="')
        assert token not in challenge or token == "x"


def test_a_change_of_roles_takes_effect_on_the_next_request(service: Service) -> None:
    administrator = service.administrator()
    service.database.change_roles(administrator.id, "member")
    user = service.get("/auth/me", token=administrator.token).json["data"]["user"]
    assert (user["roles"], user["permissions"]) == (["member"], [])
