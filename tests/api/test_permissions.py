"""Each role on each route and method that needs a permission: the matrix, made from the endpoints themselves."""

import re

import pytest

from app.features import ENDPOINTS, PERMISSIONS
from app.platform.identifiers import new_id
from app.web.endpoint import Endpoint
from tests.api.service import Account, Reply, Service

GUARDED = [declared for declared in ENDPOINTS if declared.access.permission]
NEEDED = sorted({str(declared.access.permission) for declared in GUARDED})
WITH_ONE = "with it alone"
WITH_THE_OTHERS = "with all but it"
ROLES = [None, "member", WITH_ONE, WITH_THE_OTHERS, "admin"]

Tokens = dict[tuple[str, str | None], str | None]


def holder(service: Service, boss: Account, name: str, permissions: list[str]) -> str:
    """The token of a user with a role that holds exactly these permissions."""
    account = service.register()
    role = {"name": name, "permissions": permissions}
    assert service.post("/admin/roles", role, token=boss.token).status_code == 201
    path = f"/admin/users/{account.id}/roles"
    assert service.send("PUT", path, json={"roles": [name]}, token=boss.token).status_code == 200
    return account.token


@pytest.fixture(scope="module")
def tokens(service: Service) -> Tokens:
    boss, member = service.administrator(), service.register()
    found: Tokens = {}
    for number, needed in enumerate(NEEDED):
        others = sorted(PERMISSIONS - {needed})
        found |= {
            (needed, None): None,
            (needed, "member"): member.token,
            (needed, WITH_ONE): holder(service, boss, f"one-{number}", [needed]),
            (needed, WITH_THE_OTHERS): holder(service, boss, f"others-{number}", others),
            (needed, "admin"): boss.token,
        }
    return found


def call(service: Service, declared: Endpoint, token: str | None) -> Reply:
    """Call an endpoint about something that does not exist, with a field that it does not know."""
    path = re.sub(r"<\w+_id>", new_id(), declared.path)
    path = re.sub(r"<\w+>", "nothing", path)
    body = {"no such field": True} if declared.body else None
    return service.send(declared.method, path, json=body, token=token)


def test_there_are_endpoints_that_need_a_permission() -> None:
    assert {"roles:read", "roles:write"} <= set(NEEDED)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("declared", GUARDED, ids=lambda declared: f"{declared.method} {declared.path}")
def test_a_permission_opens_its_endpoints_and_nothing_else_does(
    service: Service, tokens: Tokens, declared: Endpoint, role: str | None
) -> None:
    needed = str(declared.access.permission)
    reply = call(service, declared, tokens[needed, role])
    if role is None:
        assert (reply.status_code, reply.json["code"]) == (401, "missing_token")
    elif role in {"member", WITH_THE_OTHERS}:
        assert (reply.status_code, reply.json["code"]) == (403, "forbidden")
        assert reply.json["message"] == f"This needs the permission {needed}."
    else:
        assert reply.status_code not in {401, 403}
