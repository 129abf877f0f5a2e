"""What replies say: headers for browsers, origins, the host they name, and what failed inside."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from attack.check import Check, InconclusiveError, Severity, Verdict, verdict
from attack.probe import SERVER_ERROR

if TYPE_CHECKING:
    from attack.probe import Probe
    from attack.wire import Answer

_EVIL = "attack.invalid"
_INTERNAL = re.compile(
    r'Traceback \(most recent|File "[^"]+", line \d+|site-packages|/usr/lib/python|werkzeug\.|sqlalchemy\.|pymongo\.'
    r"|psycopg|pymysql|jinja2\.|gunicorn\.|BSONObj|MongoServerError|SQLSTATE|sqlite3\.|OperationalError"
)
"""What only the inside of this service says."""


def _headers(probe: Probe) -> Verdict:
    wrong = []
    for path in ("/auth/me", "/", "/nothing-is-here", "/.well-known/jwks.json"):
        answer = probe.send("GET", path, headers=[("Accept", "text/html, application/json;q=0.9")])
        policy = answer.headers.get("Content-Security-Policy", "")
        lacking = [
            name
            for name, is_there in (
                ("X-Content-Type-Options: nosniff", answer.headers.get("X-Content-Type-Options") == "nosniff"),
                ("Referrer-Policy", "Referrer-Policy" in answer.headers),
                (
                    "frame-ancestors or X-Frame-Options",
                    "frame-ancestors" in policy or "X-Frame-Options" in answer.headers,
                ),
                ("Content-Security-Policy", bool(policy)),
            )
            if not is_there
        ]
        if "unsafe-eval" in policy or re.search(r"script-src[^;]*'unsafe-inline'", policy):
            lacking.append("a policy without unsafe scripts")
        if re.search(r"/\d", answer.headers.get("Server", "")) or "X-Powered-By" in answer.headers:
            lacking.append("silence about versions")
        if lacking:
            wrong.append(f"{path} lacks {', '.join(lacking)}")
    return verdict("the headers of a reply, a page, a failure and the key set", wrong, "each has them")


def _origins(probe: Probe) -> Verdict:
    host = probe.target.host
    origins = (f"https://{_EVIL}", "null", f"https://{host}.{_EVIL}", f"https://{_EVIL}{host}", f"http://{host}.evil:1")
    wrong = []
    for origin in origins:
        for method, path in (("GET", "/auth/me"), ("POST", "/auth/login"), ("OPTIONS", "/auth/login")):
            more = [("Access-Control-Request-Method", "POST")] if method == "OPTIONS" else []
            answer = probe.send(method, path, headers=[("Origin", origin), *more])
            allowed = answer.headers.get("Access-Control-Allow-Origin")
            if allowed is not None and (
                allowed in {origin, "*"} or "Access-Control-Allow-Credentials" in answer.headers
            ):
                wrong.append(f"{method} {path} allows {allowed} to {origin}")
    return verdict("foreign origins, null, and names like the deployment's", wrong, "none was allowed")


def _hosts(probe: Probe) -> Verdict:
    wrong, statuses = [], set()
    for name, value in (
        ("Host", _EVIL), ("X-Forwarded-Host", _EVIL), ("X-Host", _EVIL), ("X-Forwarded-Server", _EVIL),
        ("X-Original-Host", _EVIL), ("Forwarded", f"host={_EVIL}"), ("X-Forwarded-Prefix", f"//{_EVIL}"),
        ("X-Forwarded-Port", "6666"), ("X-Forwarded-Scheme", _EVIL),
    ):  # fmt: skip
        for path in ("/auth/me", "/", "/openapi.json", "/swagger", "/nothing-is-here"):
            answer = probe.send("GET", path, headers=[(name, value)])
            statuses.add(answer.status)
            if _EVIL in _all_of(answer) or ":6666" in _all_of(answer):
                wrong.append(f"{path} repeats the {name}: {answer}")
    return verdict("a foreign name in Host, X-Forwarded-Host and the like", wrong, f"not repeated: {sorted(statuses)}")


def _all_of(answer: Answer) -> str:
    return f"{answer.headers}\n{answer.text}"


def _failures(probe: Probe) -> Verdict:
    account = probe.account("failures")
    long, odd = "a" * 6000, "\x00\ud800"
    answers = [
        probe.send("GET", f"/auth/sessions/{long[:2000]}", token=account.token),
        probe.send("DELETE", "/auth/sessions/%00%ff'\"", token=account.token),
        probe.send("GET", "/auth/users?limit=NaN&cursor=%ff%00'", token=account.token),
        probe.send("GET", "/auth/events?cursor=eyJhIjoxfQ&limit=99999999999999999999", token=account.token),
        probe.send("GET", "/%ff%fe/../%00"),
        probe.send("GET", "/errors/%7B%7B7*7%7D%7D"),
        probe.send("POST", "/auth/login", body=b"{"),
        probe.send("POST", "/auth/login", body=b'{"a":1e999,"a":NaN}'),
        probe.send("POST", "/auth/login", body=b"\xff\xfe\x00"),
        probe.send("POST", "/auth/login", json={"username": odd, "password": odd}),
        probe.send("POST", "/auth/login", json=["a"]),
        probe.send("POST", "/auth/password/reset", json={"token": "'; DROP TABLE users; --", "new_password": long}),
        probe.send("PATCH", "/auth/me", json={"name": odd}, token=account.token),
        probe.send("GET", "/auth/me", headers=[("Authorization", f"Bearer {long}")]),
        probe.send("GET", "/auth/me", headers=[("Cookie", f"session={long}; a=\xff")]),
    ]
    wrong = []
    for answer in answers:
        if found := _INTERNAL.search(answer.text):
            wrong.append(f"{answer} shows {found[0]!r}")
        elif answer.status == SERVER_ERROR:
            wrong.append(f"{answer}: a failure that nobody foresaw")
    if all(answer.succeeded for answer in answers):
        raise InconclusiveError("nothing was refused")
    return verdict(f"{len(answers)} malformed requests", wrong, "no reply shows the inside, none is a 500")


CHECKS = (
    Check(
        "security-headers",
        "Replies have the headers that keep browsers from misusing them.",
        Severity.LOW,
        "Let the service's headers through the proxy: nosniff, Referrer-Policy, frame-ancestors, a strict CSP.",
        "OWASP ASVS 5.0 3.4",
        _headers,
    ),
    Check(
        "cors",
        "No foreign origin may read replies.",
        Severity.HIGH,
        "List the origins that may, and compare them whole; never repeat the Origin of a request.",
        "OWASP ASVS 5.0 3.4.2",
        _origins,
    ),
    Check(
        "host-header",
        "The names in replies and links are the operator's, not the client's.",
        Severity.HIGH,
        "Set PUBLIC_URL and ALLOWED_HOSTS, and let the proxy remove X-Forwarded-Host.",
        "OWASP ASVS 5.0 4.1.3, WSTG-INPV-17",
        _hosts,
    ),
    Check(
        "error-details",
        "A failure shows nothing of the inside.",
        Severity.MEDIUM,
        "Run the production profile, and answer unforeseen failures with one plain reply.",
        "OWASP ASVS 5.0 16.5.1",
        _failures,
    ),
)
