"""Guessing passwords: whether it is slowed down, and whether a header gives a guesser a fresh allowance."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from attack.accounts import invented
from attack.check import Check, InconclusiveError, NotApplicableError, Severity, Verdict, verdict
from attack.probe import TOO_MANY, UNAUTHORIZED

if TYPE_CHECKING:
    from attack.accounts import Account
    from attack.probe import Probe
    from attack.wire import Answer

_GUESSES = 30
"""Wrong passwords in a row: a service that answers them all at once lets everybody guess."""
_SLOWER, _SLOW_SECONDS = 5, 1.0
"""How many times as long as the first replies, and at least how many seconds, make a slow one."""
_CLAIMED = "203.0.113.77"
"""An address that nobody has (RFC 5737)."""
_SPOOFS = (
    ("X-Forwarded-For", _CLAIMED), ("Forwarded", f"for={_CLAIMED}"), ("X-Real-IP", _CLAIMED), ("X-Client-IP", _CLAIMED),
    ("True-Client-IP", _CLAIMED), ("CF-Connecting-IP", _CLAIMED), ("X-Originating-IP", _CLAIMED),
    ("X-Forwarded-For", "127.0.0.1"),
)  # fmt: skip


def _guess(probe: Probe, account: Account, number: int, *headers: tuple[str, str]) -> Answer:
    body = {**account.login, "password": f"attack: guess {number}"}
    return probe.send("POST", "/auth/login", json=body, headers=headers, waiting=False)


def _refused_after(probe: Probe, account: Account) -> int | None:
    """After how many wrong passwords the next one has to wait; None if all were answered at once."""
    usual: list[float] = []
    for number in range(_GUESSES):
        answer = _guess(probe, account, number)
        if answer.status == TOO_MANY and not _is_address_refused(probe):
            return number
        if answer.status == TOO_MANY:
            continue
        if answer.status != UNAUTHORIZED:
            raise InconclusiveError(f"a wrong password got {answer}")
        if len(usual) >= 3 and answer.seconds > max(_SLOW_SECONDS, _SLOWER * max(usual)):  # noqa: PLR2004 - a few to compare with
            return number
        usual.append(answer.seconds)
    return None


def _is_address_refused(probe: Probe) -> bool:
    """Whether another name is refused, too: by a limit of the address, which is waited out. Raises RateLimitedError."""
    body = {"username": invented(probe.mail_domain).username, "password": "attack: another name"}
    if probe.send("POST", "/auth/login", json=body, waiting=False).status != TOO_MANY:
        return False
    probe.send("POST", "/auth/login", json=body)
    return True


def _throttle(probe: Probe) -> Verdict:
    account = probe.account("guessed")
    tried = f"up to {_GUESSES} wrong passwords in a row for one account"
    after = _refused_after(probe, account)
    if after is None:
        return verdict(tried, [f"all {_GUESSES} were answered, none of them later than the first"], "")
    return verdict(tried, [], f"after {after} the next one had to wait")


def _spoofing(probe: Probe) -> Verdict:
    account = probe.account("spoofed")
    wrong = _believed(probe, account)
    if wrong:
        return verdict("logins that name another address as theirs", wrong, "")
    after = _refused_after(probe, account)
    if after is None:
        raise NotApplicableError("nothing is throttled here, so no header can give more (see throttle)")
    statuses = []
    for header in _SPOOFS:
        # A plain one first: the delay may just have ended.
        plain, spoofed = _guess(probe, account, _GUESSES), _guess(probe, account, _GUESSES, header)
        statuses.append(spoofed.status)
        if plain.status == TOO_MANY and spoofed.status != TOO_MANY:
            again = _guess(probe, account, _GUESSES)
            if again.status == TOO_MANY and _guess(probe, account, _GUESSES, header).status != TOO_MANY:
                wrong.append(f"{header[0]}: {header[1]} gives a fresh allowance: {spoofed}")
    tried = "logins that name another address as theirs, before and after the throttle refused the account"
    return verdict(tried, wrong, f"none was believed: {statuses}")


def _believed(probe: Probe, account: Account) -> list[str]:
    """The headers whose address the service takes for the client's: in its sessions, or in what is left to ask."""
    wrong = [
        f"{header[0]} gives a fresh allowance: the header RateLimit says so"
        for header in _SPOOFS[:-1]
        if _gives_more(probe, header) and _gives_more(probe, header)  # once could be the end of the limit's window
    ]
    answer = probe.log_in(account, headers=dict(_SPOOFS[:-1]).items())
    if not answer.succeeded:
        raise InconclusiveError(f"the right login is refused: {answer}")
    sessions = probe.send("GET", "/auth/sessions", token=account.token)
    if _CLAIMED in sessions.text:
        wrong.append(f"the session that was opened is said to come from {_CLAIMED}")
    return wrong


def _gives_more(probe: Probe, header: tuple[str, str]) -> bool:
    """Whether more requests are left to a client with this header than to the same one without it."""
    before = _left(probe.send("POST", "/auth/login", json={}))
    after = _left(probe.send("POST", "/auth/login", json={}, headers=[header], waiting=False))
    return before is not None and after is not None and after > before


def _left(answer: Answer) -> int | None:
    """How many requests are left, by the header RateLimit (draft-ietf-httpapi-ratelimit-headers); None without it."""
    found = re.search(r"\br=(\d+)", answer.headers.get("RateLimit", ""))
    return int(found[1]) if found else None


CHECKS = (
    Check(
        "spoofed-address",
        "A client cannot choose the address under which it is counted.",
        Severity.HIGH,
        "Name in TRUSTED_PROXIES your own proxies only, and let them replace forwarding headers.",
        "OWASP ASVS 5.0 4.1.3",
        _spoofing,
    ),
    Check(
        "throttle",
        "Wrong passwords in a row have to wait.",
        Severity.HIGH,
        "Leave RATE_LIMITS on.",
        "OWASP ASVS 5.0 6.3.1, NIST SP 800-63B-4 section 3.2.2",
        _throttle,
    ),
)
