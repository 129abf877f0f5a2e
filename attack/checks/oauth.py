"""What strangers get from the authorization server: redirects, clients, tokens, and what is known of others' tokens."""

from __future__ import annotations

import re
from base64 import b64encode
from itertools import islice
from typing import TYPE_CHECKING, Any

from attack import forging
from attack.check import Check, InconclusiveError, Severity, Verdict, verdict
from attack.checks.tokens import parts_of
from attack.client import authorize, metadata, posted
from attack.probe import SERVER_ERROR

if TYPE_CHECKING:
    from collections.abc import Iterator

    from attack.probe import Probe

STRANGER = "https://client.attack.invalid"
"""Where nobody is (RFC 6761 section 6.4)."""
_NOBODY = "00000000-0000-7000-8000-000000000000"
"""The identifier of no client."""
_PROMISES = {"response_types_supported": ["code"], "code_challenge_methods_supported": ["S256"]}
_FORBIDDEN = {
    "grant_types_supported": {"password", "implicit"},
    "response_modes_supported": {"fragment"},
}
_INTERNAL = ("127.0.0.1", "localhost", "[::1]", "0.0.0.0")  # noqa: S104 - these are asked for, nothing is bound
_CLOSED_PORT = 1
_SLOW_SECONDS = 2.5
_FORGED = 4
"""Of each kind, the first so many: all of them are tried at another endpoint."""


def _published(probe: Probe) -> Verdict:
    found = metadata(probe)
    wrong = [f"{name} is {found.get(name)}" for name, right in _PROMISES.items() if found.get(name) != right]
    for name, forbidden in _FORBIDDEN.items():
        if both := forbidden & set(found.get(name) or ()):
            wrong.append(f"{name} has {', '.join(sorted(both))}")
    for name, algorithms in found.items():
        if "_alg_values_" in name and any(str(each).lower().startswith(("none", "hs")) for each in algorithms):
            wrong.append(f"{name} has {algorithms}")
    issuer = f"{found['issuer']}/"
    for name, address in found.items():
        if name.endswith(("_endpoint", "jwks_uri")) and not str(address).startswith(issuer):
            wrong.append(f"{name} is {address}")
    return verdict("what the server publishes of itself", wrong, "code, S256, asymmetric signatures, one issuer")


def _redirects(probe: Probe) -> Verdict:
    metadata(probe)
    wrong, statuses = [], set[int]()
    usual = {"response_type": "code", "client_id": _NOBODY, "redirect_uri": f"{STRANGER}/cb", "state": "attack"}
    for changed in (
        {}, {"prompt": "none"}, {"response_type": "token"}, {"client_id": ""}, {"client_id": STRANGER},
        {"request_uri": f"{STRANGER}/request"}, {"response_mode": "fragment"}, {"redirect_uri": "javascript:alert(1)"},
        {"redirect_uri": f"//{STRANGER.removeprefix('https://')}"},
    ):  # fmt: skip
        answer = authorize(probe, usual | changed)
        statuses.add(answer.status)
        wrong += _led_away(answer.headers.get("Location"), f"/oauth/authorize with {changed or 'an unknown client'}")
    for query in (
        f"post_logout_redirect_uri={STRANGER}/",
        f"post_logout_redirect_uri={STRANGER}/&client_id={_NOBODY}",
        f"post_logout_redirect_uri={STRANGER}/&id_token_hint={_hint(found=metadata(probe))}",
    ):
        answer = probe.send("GET", f"/oauth/logout?{query}", headers=[("Accept", "text/html")])
        statuses.add(answer.status)
        wrong += _led_away(answer.headers.get("Location"), f"/oauth/logout?{query[:60]}")
    tried = "authorization and logout requests that name a stranger's address, of clients that there are not"
    return verdict(tried, wrong, f"none led there: {sorted(statuses)}")


def _led_away(where: str | None, what: str) -> list[str]:
    is_ours = where is None or ("attack.invalid" not in where.partition("?")[0] and "javascript:" not in where)
    return [] if is_ours else [f"{what} redirects to {str(where)[:80]}"]


def _hint(found: dict[str, Any]) -> str:
    """An ID token that nobody has signed."""
    claims = {"iss": found["issuer"], "aud": _NOBODY, "sub": _NOBODY, "sid": _NOBODY, "at_hash": "attack"}
    return forging.without_signature({"typ": "JWT", "alg": "none"}, claims)


def _registration(probe: Probe) -> Verdict:
    metadata(probe)
    wrong, statuses = [], set[int]()
    body = {"client_name": "attack", "redirect_uris": [f"{STRANGER}/cb"], "token_endpoint_auth_method": "none"}
    for name, token in (
        ("without a token", ""), ("with the token of an account", probe.lent().token),
        ("with an invented token", f"lkrt_{'A' * 43}"),
    ):  # fmt: skip
        answer = probe.send("POST", "/oauth/register", json=body, token=token)
        statuses.add(answer.status)
        if answer.succeeded:
            wrong.append(f"{name} a client was registered: {str(answer.json.get('client_id', ''))[:60]}")
    return verdict("registrations of a client by a stranger", wrong, f"each was refused: {sorted(statuses)}")


def _grants(probe: Probe) -> Verdict:
    metadata(probe)
    account = probe.account("grants")
    unsigned = forging.without_signature(
        {"typ": "JWT", "alg": "none"}, forging.fresh({"iss": _NOBODY, "sub": _NOBODY, "aud": probe.target.origin})
    )
    asserted = {
        "client_assertion": unsigned,
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    }
    exchanged = {
        "subject_token": account.token,
        "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
    }
    requests: list[dict[str, str | None]] = [
        {"grant_type": "password", "username": account.email or account.username, "password": account.password},
        {"grant_type": "client_credentials"},
        {"grant_type": "client_credentials", "client_secret": ""},
        {"grant_type": "client_credentials", "client_id": None, **asserted},
        {"grant_type": "refresh_token", "refresh_token": account.refresh_token or "attack"},
        {"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", **exchanged},
        {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": unsigned},
        {"grant_type": "authorization_code", "code": "attack", "code_verifier": "v" * 43},
    ]
    wrong, statuses = [], set[int]()
    for parameters in requests:
        for client_id in dict.fromkeys([_NOBODY, probe.client.id if probe.client else _NOBODY]):
            answer = posted(probe, "/oauth/token", {"client_id": client_id, **parameters})
            statuses.add(answer.status)
            if answer.succeeded or answer.status >= SERVER_ERROR:
                wrong.append(f"{parameters['grant_type']} gives {answer}")
    return verdict("grants that there are not, and clients that prove nothing", wrong, f"refused: {sorted(statuses)}")


def _introspection(probe: Probe) -> Verdict:
    metadata(probe)
    token = probe.genuine(probe.lent())
    wrong, statuses = [], set[int]()
    for name, headers, body in _strangers(token):
        answer = posted(probe, "/oauth/introspect", {"token": token, **body}, *headers)
        statuses.add(answer.status)
        if answer.json.get("active") is True:
            wrong.append(f"{name} is told what a token says")
    return verdict("questions about a genuine token by strangers", wrong, f"nothing was told: {sorted(statuses)}")


def _revocation(probe: Probe) -> Verdict:
    metadata(probe)
    account = probe.account("revocation")
    probe.genuine(account)
    wrong, statuses = [], set[int]()
    for name, headers, body in _strangers(account.token):
        for token in filter(None, (account.token, account.refresh_token)):
            answer = posted(probe, "/oauth/revoke", {"token": token, **body}, *headers)
            statuses.add(answer.status)
        if not probe.send("GET", "/auth/me", token=account.token).succeeded:
            wrong.append(f"{name} revoked a token of somebody else")
            break
    return verdict("revocations of a login's tokens by strangers", wrong, f"it goes on: {sorted(statuses)}")


def _strangers(token: str) -> Iterator[tuple[str, list[tuple[str, str]], dict[str, str | None]]]:
    """Who is no client: what each is, and the headers and parameters by which it says who it is."""
    invented = b64encode(f"{_NOBODY}:attack".encode()).decode()
    yield "nobody", [], {}
    yield "an unknown client", [], {"client_id": _NOBODY}
    yield "an unknown client with a secret", [], {"client_id": _NOBODY, "client_secret": "attack"}
    yield "an unknown client by Basic", [("Authorization", f"Basic {invented}")], {}
    yield "a bearer of a token", [("Authorization", f"Bearer {token}")], {}


def _userinfo(probe: Probe) -> Verdict:
    metadata(probe)
    token = probe.genuine(probe.lent())
    if not probe.send("GET", "/oauth/userinfo", token=token).succeeded:
        raise InconclusiveError("a genuine token is not accepted at /oauth/userinfo either")
    parts, wrong, sent = parts_of(probe), [], 0
    for make in (forging.unsigned, forging.carrying_a_key, forging.tampered, forging.of_a_stranger):
        for name, forged in islice(make(parts), _FORGED):
            sent += 1
            if probe.send("GET", "/oauth/userinfo", token=forged).succeeded:
                wrong.append(f"{name} was accepted")
    if probe.send("GET", f"/oauth/userinfo?access_token={token}").succeeded:
        wrong.append("a token in the query was accepted")
    return verdict("forged tokens at userinfo, and a genuine one in the query", wrong, f"{sent + 1} were refused")


def _documents(probe: Probe) -> Verdict:
    """If metadata documents are clients here, an address inside has to be refused without a look at it."""
    metadata(probe)
    wrong, statuses = [], set[int]()
    for host in _INTERNAL:
        told = []
        for port in (probe.target.port, _CLOSED_PORT):
            url = f"https://{host}:{port}/client.json"
            parameters = {"response_type": "code", "client_id": url, "redirect_uri": f"{STRANGER}/cb"}
            answer = authorize(probe, parameters)
            statuses.add(answer.status)
            told.append((answer.status, re.sub(r"[0-9a-f-]{8,}|:\d+", "", answer.text)))
            if answer.seconds > _SLOW_SECONDS:
                wrong.append(f"{url} takes {answer.seconds:.1f} s: it was connected to")
        if told[0] != told[1]:
            wrong.append(f"https://{host}: an open port and a closed one are told apart")
    tried = "clients whose documents are said to lie at addresses of the deployment itself, at open and closed ports"
    return verdict(tried, wrong, f"all alike, and at once: {sorted(statuses)}")


CHECKS = (
    Check(
        "oauth-metadata",
        "The authorization server publishes nothing that is weaker than OAuth 2.1.",
        Severity.HIGH,
        "Serve the metadata of the service as it is; let no proxy rewrite it, and set PUBLIC_URL to the real address.",
        "RFC 9700 sections 2.1 and 2.5, RFC 8414 section 3.3",
        _published,
    ),
    Check(
        "oauth-open-redirect",
        "No request of an unknown client leads a browser away.",
        Severity.HIGH,
        "Show a page where the client or its address is unknown; redirect to registered addresses alone.",
        "RFC 9700 section 4.11, OWASP ASVS 5.0 10.4.1",
        _redirects,
    ),
    Check(
        "oauth-registration",
        "Nobody registers a client without an initial access token.",
        Severity.HIGH,
        "Demand a token of an administrator at /oauth/register. Delete the client that this check has made.",
        "RFC 7591 section 5, OWASP API Security Top 10 2023 API2",
        _registration,
    ),
    Check(
        "oauth-grants",
        "A token is given to known clients alone, by the grants of OAuth 2.1.",
        Severity.CRITICAL,
        "Refuse the password grant and unsigned assertions, and authenticate each client.",
        "RFC 9700 sections 2.4 and 2.5, OWASP ASVS 5.0 10.4.4",
        _grants,
    ),
    Check(
        "oauth-introspection",
        "Strangers are told nothing of a token.",
        Severity.HIGH,
        "Authenticate who asks at /oauth/introspect.",
        "RFC 7662 section 2.1",
        _introspection,
    ),
    Check(
        "oauth-revocation",
        "Strangers end nobody's session.",
        Severity.HIGH,
        "Revoke for the client that a token was issued to, and for nobody else.",
        "RFC 7009 section 2.1",
        _revocation,
    ),
    Check(
        "oauth-userinfo",
        "Userinfo takes genuine tokens alone, in the header.",
        Severity.CRITICAL,
        "Verify tokens there as everywhere else.",
        "OWASP ASVS 5.0 9.1.1, RFC 6750 section 2.3",
        _userinfo,
    ),
    Check(
        "oauth-client-documents",
        "The document of a client is fetched from no address inside.",
        Severity.HIGH,
        "Resolve the name once, refuse what is not a global address, and keep EGRESS_ALLOW empty, or CIMD_ALLOW off.",
        "draft-ietf-oauth-client-id-metadata-document-00 section 6, RFC 9700, OWASP ASVS 5.0 1.3.6",
        _documents,
    ),
)
