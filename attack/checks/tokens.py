"""Forged and misused tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attack import forging
from attack.check import Check, InconclusiveError, NotApplicableError, Severity, Verdict, verdict
from attack.probe import SERVER_ERROR, UNAUTHORIZED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from attack.forging import Parts
    from attack.probe import Probe

_LONGEST_LIFE = 120
"""Seconds for which the attack waits until a token has expired."""
_LEEWAY = 65
"""Seconds by which clocks may differ: few services allow more than a minute."""
_REFUSED = {400, UNAUTHORIZED, 403, 431}


def parts_of(probe: Probe) -> Parts:
    """A genuine token, taken apart. Raises NotApplicableError if it is no JWT."""
    try:
        return forging.parts_of(probe.genuine(probe.lent()))
    except ValueError as error:
        raise NotApplicableError(str(error)) from None


def _presented(probe: Probe, tokens: Iterable[tuple[str, str]], tried: str) -> Verdict:
    """Whether every one of these is refused, as `Authorization` and as `x-access-token`."""
    wrong, odd, sent = [], [], 0
    for number, (name, token) in enumerate(tokens):
        ways: list[dict[str, Any]] = [{"token": token}]
        if not number:
            ways.append({"headers": [("x-access-token", token)]})
        for way in ways:
            answer = probe.send("GET", "/auth/me", **way)
            sent += 1
            if answer.succeeded:
                wrong.append(f"{name} was accepted: {answer}")
            elif answer.status not in _REFUSED:
                odd.append(f"{name}: {answer}")
    if not wrong and odd:
        if any(str(SERVER_ERROR) in each for each in odd):
            return verdict(tried, odd, "", severity=Severity.MEDIUM)
        raise InconclusiveError(f"neither accepted nor refused: {'; '.join(odd)}")
    return verdict(tried, wrong, f"{sent} tokens were refused")


def _forged(make: Callable[[Parts], Iterator[tuple[str, str]]], tried: str) -> Callable[[Probe], Verdict]:
    return lambda probe: _presented(probe, make(parts_of(probe)), tried)


def _confused(probe: Probe) -> Verdict:
    parts = parts_of(probe)
    answer = probe.send("GET", "/.well-known/jwks.json")
    keys = [key for key in answer.json.get("keys", []) if isinstance(key, dict)]
    if not keys:
        raise NotApplicableError(f"no key set is published ({answer})")
    tried = "tokens whose HMAC secret is a published public key, as JWK, PEM, DER and raw bytes"
    return _presented(probe, forging.confused(parts, keys), tried)


def _other_kinds(probe: Probe) -> Verdict:
    account = probe.account("kinds")
    access = probe.genuine(account)
    wrong = []
    if account.refresh_token:
        answer = probe.send("GET", "/auth/me", token=account.refresh_token)
        if answer.succeeded:
            wrong.append(f"a refresh token was accepted as access token: {answer}")
    answer = probe.send("POST", "/auth/refresh", json={"refresh_token": access})
    if answer.succeeded:
        wrong.append(f"an access token was accepted as refresh token: {answer}")
    for path, body in (
        ("/auth/email/verify", {"token": access}),
        ("/auth/password/reset", {"token": access, "new_password": account.password}),
    ):
        answer = probe.send("POST", path, json=body)
        if answer.succeeded:
            wrong.append(f"{path} accepted an access token as a mailed one: {answer}")
    return verdict("each kind of token in the place of another", wrong, "each was refused")


def _ended(probe: Probe) -> Verdict:
    account = probe.signed_up()
    if not account.token:
        raise NotApplicableError("registration gives no session here")
    access, refresh = probe.genuine(account), account.refresh_token
    left = probe.send("POST", "/auth/logout", json={}, token=access)
    if not left.succeeded:
        raise InconclusiveError(f"the logout did not succeed: {left}")
    wrong = []
    if (answer := probe.send("GET", "/auth/me", token=access)).succeeded:
        wrong.append(f"the access token is still accepted: {answer}")
    if refresh and (answer := probe.send("POST", "/auth/refresh", json={"refresh_token": refresh})).succeeded:
        wrong.append(f"the refresh token is still accepted: {answer}")
    return verdict("both tokens of a session after its logout", wrong, "both were refused")


def _expired(probe: Probe) -> Verdict:
    account = probe.account("expiry")
    if account.expires_in > _LONGEST_LIFE:
        raise NotApplicableError(
            f"tokens live {account.expires_in:.0f} s here, too long to wait;"
            " a copy with ACCESS_TOKEN_SECONDS=30 shows it"
        )
    probe.log_in(account)
    token = probe.genuine(account)
    probe.budget.pause(account.expires_in + _LEEWAY)
    return _presented(probe, [("an expired token", token)], "a genuine token after its end")


CHECKS = (
    Check(
        "token-unsigned",
        "A token without a signature is refused.",
        Severity.CRITICAL,
        "Verify every token with the algorithm of its key, and never read `alg` to choose one.",
        "OWASP ASVS 5.0 9.1.2, RFC 8725 section 3.1",
        _forged(forging.unsigned, "tokens with `alg` none in all cases, and without their signature"),
    ),
    Check(
        "token-key-confusion",
        "A public key is no HMAC secret.",
        Severity.CRITICAL,
        "Bind each key to one algorithm; refuse a token that names another.",
        "OWASP ASVS 5.0 9.1.2, RFC 8725 section 2.1",
        _confused,
    ),
    Check(
        "token-embedded-key",
        "A key that a token brings along is not used.",
        Severity.CRITICAL,
        "Refuse tokens with jwk, jku, x5u or x5c; look keys up in your own key set only.",
        "OWASP ASVS 5.0 9.1.3, RFC 8725 section 3.10",
        _forged(forging.carrying_a_key, "tokens of a stranger's key with jwk, jku, x5u and x5c"),
    ),
    Check(
        "token-kid",
        "A `kid` names a key of the key set, and nothing else.",
        Severity.CRITICAL,
        "Compare `kid` with the names of your keys; never make a path or a query of it.",
        "RFC 8725 section 3.10",
        _forged(forging.with_odd_kid, "tokens whose kid is a path, a query, empty, very long, or no text"),
    ),
    Check(
        "token-tampered",
        "A token that was changed is refused.",
        Severity.CRITICAL,
        "Verify the signature of every token, over exactly what was received.",
        "OWASP ASVS 5.0 9.1.1",
        _forged(forging.tampered, "the genuine token with other claims, and written in other ways"),
    ),
    Check(
        "token-stranger",
        "A token of another key, time, issuer, audience or type is refused.",
        Severity.CRITICAL,
        "Verify signature, exp, nbf, iss, aud and typ of every token.",
        "OWASP ASVS 5.0 9.2.1 to 9.2.4, RFC 9068 section 4",
        _forged(forging.of_a_stranger, "tokens of a stranger's key, expired, of another issuer, audience and type"),
    ),
    Check(
        "token-kinds",
        "No token passes for one of another kind.",
        Severity.HIGH,
        "Check the kind of each token where it is presented.",
        "OWASP ASVS 5.0 9.2.2, RFC 8725 section 3.11",
        _other_kinds,
    ),
    Check(
        "token-after-logout",
        "After a logout the tokens of the session are refused.",
        Severity.HIGH,
        "Look the session up at every request, or end its tokens in another way.",
        "OWASP ASVS 5.0 7.4.1",
        _ended,
    ),
    Check(
        "token-expired",
        "A genuine token is refused after its end.",
        Severity.HIGH,
        "Check exp at every use, also of a token that was verified before.",
        "OWASP ASVS 5.0 9.2.1",
        _expired,
    ),
)
