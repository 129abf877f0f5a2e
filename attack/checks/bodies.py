"""Bodies that a service should refuse: operators, unknown fields, other types, too large, too deep."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from attack.accounts import invented
from attack.check import Check, InconclusiveError, Severity, Verdict, verdict
from attack.probe import ACCEPTED, CREATED, SERVER_ERROR
from attack.wire import UnreachableError

if TYPE_CHECKING:
    from attack.probe import Probe

_OPERATORS: tuple[Any, ...] = (
    {"$ne": None}, {"$gt": ""}, {"$regex": ".*"}, {"$where": "1"}, {}, [], ["a"], [{"$ne": None}], True, 7,
)  # fmt: skip
_LARGE = 2 * 1024 * 1024
"""Bytes: more than nginx lets through (1 MiB), and more than any limit of the service that is sensible."""
_DEEP = 20_000


def _operators(probe: Probe) -> Verdict:
    account = probe.account("operators")
    requests: list[tuple[str, dict[str, Any]]] = [
        *(("/auth/login", {"username": account.username, "password": odd}) for odd in _OPERATORS),
        *(("/auth/login", {"username": odd, "password": account.password}) for odd in _OPERATORS),
        *(("/auth/login", {"email": odd, "password": odd}) for odd in _OPERATORS[:3]),
        *(("/auth/password/forgot", {"email": odd}) for odd in _OPERATORS[:3]),
        *(("/auth/password/reset", {"token": odd, "new_password": account.password}) for odd in _OPERATORS[:3]),
        *(("/auth/email/verify", {"token": odd}) for odd in _OPERATORS[:3]),
        *(("/auth/refresh", {"refresh_token": odd}) for odd in _OPERATORS[:3]),
    ]
    wrong = []
    for path, body in requests:
        answer = probe.send("POST", path, json=body)
        if answer.succeeded or answer.status >= SERVER_ERROR:
            shown = {name: value if not isinstance(value, str) else "..." for name, value in body.items()}
            wrong.append(f"{path} {json.dumps(shown)}: {answer}")
    return verdict(
        "objects, arrays, numbers and `$ne` where texts are expected", wrong, f"{len(requests)} were refused"
    )


def _unknown_fields(probe: Probe) -> Verdict:
    more: dict[str, Any] = {
        "role": "admin", "roles": ["admin"], "is_admin": True, "email_verified": True, "permissions": ["users:delete"],
        "_id": "attack", "id": "attack",
    }  # fmt: skip
    wrong, came = [], ""
    account = invented(probe.mail_domain)
    answer = probe.register(account, **more)
    came = f"registration: {answer}"
    if answer.status in {CREATED, ACCEPTED}:
        wrong += _taken_over(answer.data.get("user"), "registration")
    elif answer.status >= SERVER_ERROR:
        wrong.append(f"registration: {answer}")
    user = probe.account("fields")
    answer = probe.send("PATCH", "/auth/me", json=more, token=user.token)
    if answer.status >= SERVER_ERROR:
        wrong.append(f"PATCH /auth/me: {answer}")
    seen = probe.send("GET", "/auth/me", token=user.token)
    if not seen.succeeded:
        raise InconclusiveError(f"the account cannot be read afterwards: {seen}")
    wrong += _taken_over(seen.data.get("user"), "PATCH /auth/me")
    tried = "role, roles, is_admin, email_verified, permissions and id in a registration, and in PATCH /auth/me"
    return verdict(tried, wrong, f"{came}; PATCH /auth/me: {answer}; the account was as before")


def _taken_over(user: object, where: str) -> list[str]:
    """What an ordinary user should not have got."""
    if not isinstance(user, dict):
        return []
    got = [name for name in ("email_verified", "is_admin") if user.get(name) is True]
    if "admin" in user.get("roles", []) or user.get("role") == "admin":
        got.append("the role admin")
    if "users:delete" in user.get("permissions", []):
        got.append("a permission")
    if user.get("id") == "attack":
        got.append("an identifier of the client's choice")
    return [f"{where} gave {name}" for name in got]


def _content_types(probe: Probe) -> Verdict:
    account = probe.account("types")
    body = json.dumps({**account.login, "password": account.password}).encode()
    if not (control := probe.log_in(account)).succeeded:
        raise InconclusiveError(f"the right login is refused, too: {control}")
    wrong, statuses = [], set()
    for kind, sent in (
        ("text/plain", body),
        ("text/plain; application/json", body),
        ("application/x-www-form-urlencoded", body),
        ("multipart/form-data; boundary=a", body),
        ("application/json; charset=utf-16", body.decode().encode("utf-16")),
        ("application/json; charset=utf-7", body),
        ("application/json", body.decode().encode("utf-16")),
    ):
        answer = probe.send("POST", "/auth/login", body=sent, headers=[("Content-Type", kind)])
        statuses.add(answer.status)
        if answer.succeeded or answer.status >= SERVER_ERROR:
            wrong.append(f"{kind}: {answer}")
    tried = "the right login as text/plain, as a form, and in other character sets"
    return verdict(tried, wrong, f"refused with {', '.join(map(str, sorted(statuses)))}")


def _large(probe: Probe) -> Verdict:
    return _hostile(probe, "a body of 2 MiB", b'{"username": "a", "password": "' + b"a" * _LARGE + b'"}')


def _deep(probe: Probe) -> Verdict:
    return _hostile(probe, f"{_DEEP} arrays in one another", b'{"password": ' + b"[" * _DEEP + b"]" * _DEEP + b"}")


def _hostile(probe: Probe, name: str, body: bytes) -> Verdict:
    """A login with this body; afterwards the deployment has to be there still."""
    control = probe.send("POST", "/auth/login", json={})
    try:
        answer = probe.send("POST", "/auth/login", body=body)
        came, status = str(answer), answer.status
    except UnreachableError as error:
        came, status = str(error), 0
    after = probe.send("POST", "/auth/login", json={})
    if control.status != after.status:
        return verdict(name, [f"{came}; afterwards a login gets {after}, not {control}"], "")
    wrong = [f"{came}; it was read whole"] if status not in {0, 400, 413, 414, 431} else []
    return verdict(name, wrong, f"{came}; afterwards all was as before")


CHECKS = (
    Check(
        "body-operators",
        "What is no text is refused where a text is expected.",
        Severity.CRITICAL,
        "Validate the type of every field before it comes near a query.",
        "OWASP ASVS 5.0 1.2.4 and 15.3.5",
        _operators,
    ),
    Check(
        "body-unknown-fields",
        "A user cannot give themselves roles or a verified address.",
        Severity.CRITICAL,
        "Name the fields that a body may have, and refuse every other.",
        "OWASP ASVS 5.0 15.3.3, API Security Top 10 2023 API3",
        _unknown_fields,
    ),
    Check(
        "body-content-type",
        "JSON is read only from what says that it is JSON in UTF-8.",
        Severity.MEDIUM,
        "Refuse other content types with 415: browsers send text/plain across sites without asking.",
        "OWASP ASVS 5.0 3.5.2 and 4.1.1",
        _content_types,
    ),
    Check(
        "body-too-large",
        "A body beyond the limit is refused.",
        Severity.MEDIUM,
        "Limit the length of bodies in the service and in the proxy (MAX_BODY_BYTES, client_max_body_size).",
        "API Security Top 10 2023 API4",
        _large,
    ),
    Check(
        "body-too-deep",
        "JSON that is nested too deep is refused.",
        Severity.MEDIUM,
        "Limit the depth before the JSON is decoded.",
        "API Security Top 10 2023 API4",
        _deep,
    ),
)
