"""Whether a reply, or the time until it, tells that an account exists."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING, Any

from attack.accounts import invented
from attack.check import Check, InconclusiveError, NotApplicableError, Severity, Verdict, verdict
from attack.probe import SERVER_ERROR, TOO_MANY, RateLimitedError
from attack.ranks import two_sided_p

if TYPE_CHECKING:
    from collections.abc import Callable

    from attack.probe import Probe
    from attack.wire import Answer

    _Asking = Callable[[Probe, dict[str, str]], Answer]

_ALPHA = 0.001
"""A difference counts if it is less probable than this, twice and in one direction: by chance once in two million."""
_EACH_NAME = 8
"""Wrong passwords for one name: the login throttle delays after the ninth."""
_LOGINS, _MAILS, _REGISTRATIONS = 40, 16, 16
"""Pairs of samples. They stay below the limits by address, of 100 logins a minute and 60 mails an hour."""
_CHANGING = {
    "date",
    "x-request-id",
    "ratelimit",
    "ratelimit-policy",
    "connection",
    "server",
    "via",
    "age",
    "etag",
    "cf-ray",
}
_WRONG = "attack: a wrong password"


def _login(probe: Probe, name: dict[str, str]) -> Answer:
    return probe.send("POST", "/auth/login", json={**name, "password": _WRONG})


def _forgot(probe: Probe, name: dict[str, str]) -> Answer:
    return probe.send("POST", "/auth/password/forgot", json=name)


def _resend(probe: Probe, name: dict[str, str]) -> Answer:
    return probe.send("POST", "/auth/email/resend", json=name)


def _shown(answer: Answer) -> dict[str, Any]:
    """What a client sees of a reply, without what differs every time: its parts, by their names."""
    content = {name: value for name, value in answer.json.items() if name != "request_id"} or {"": answer.text}
    headers = sorted((name.lower(), value) for name, value in answer.headers.items() if name.lower() not in _CHANGING)
    return {"status": answer.status, "body": content, "headers": headers}


def _alike(known: Answer, unknown: Answer, where: str) -> list[str]:
    """What differs between the two replies. Their contents are not repeated: tokens may be among them."""
    for answer in (known, unknown):
        if answer.status >= SERVER_ERROR or answer.status == TOO_MANY:
            raise InconclusiveError(f"{where}: {answer}")
    one, other = _shown(known), _shown(unknown)
    parts = [part for part in one if one[part] != other[part]]
    return [f"{where}: {' and '.join(parts)} differ: {known} if the account exists, else {unknown}"] if parts else []


def _login_replies(probe: Probe) -> Verdict:
    known, stranger = probe.existing(), invented(probe.mail_domain)
    wrong = _alike(_login(probe, {"email": known.email}), _login(probe, {"email": stranger.email}), "by address")
    if known.username:
        names = {"username": known.username}, {"username": stranger.username}
        wrong += _alike(_login(probe, names[0]), _login(probe, names[1]), "by user name")
    return verdict("logins with a wrong password, by names with and without an account", wrong, "the replies are alike")


def _mail_replies(probe: Probe) -> Verdict:
    known, stranger = {"email": probe.existing().email}, {"email": invented(probe.mail_domain).email}
    wrong = [
        *_alike(_forgot(probe, known), _forgot(probe, stranger), "POST /auth/password/forgot"),
        *_alike(_resend(probe, known), _resend(probe, stranger), "POST /auth/email/resend"),
    ]
    return verdict("mails asked for, for addresses with and without an account", wrong, "the replies are alike")


def _registration_replies(probe: Probe) -> Verdict:
    wrong = _registrations_differ(probe)
    return verdict("registrations of an address that is taken, and of a free one", wrong, "the replies are alike")


def _registrations_differ(probe: Probe) -> list[str]:
    taken = _register(probe, probe.existing().email)
    return _alike(taken, _register(probe, invented(probe.mail_domain).email), "registration")


def _register(probe: Probe, address: str) -> Answer:
    """Register with an address alone; an account that this makes is deleted at the end."""
    return probe.register(replace(invented(probe.mail_domain), username="", email=address))


def _login_times(probe: Probe) -> Verdict:
    return _timed(probe, _login, "logins with a wrong password", "username", _LOGINS)


def _mail_times(probe: Probe) -> Verdict:
    return _timed(probe, _forgot, "requests for a reset", "email", _MAILS)


def _registration_times(probe: Probe) -> Verdict:
    if _registrations_differ(probe):
        raise NotApplicableError("registration says openly whether an address is taken (HIDE_ACCOUNTS is off)")
    known = probe.existing().email

    def ask(kind: int, _number: int) -> Answer:
        return _register(probe, invented(probe.mail_domain).email if kind else known)

    return _judged(
        lambda: _sampled(ask, _REGISTRATIONS), f"{_REGISTRATIONS} registrations of a taken and of free addresses"
    )


def _timed(probe: Probe, ask: _Asking, tried: str, key: str, pairs: int) -> Verdict:
    def sample() -> tuple[list[float], list[float]]:
        # New names for each series, each used equally often: what is counted by name is then the same for both kinds.
        accounts = [probe.signed_up() for _ in range(-(-pairs // _EACH_NAME))]
        if not all(account.exists and getattr(account, key) for account in accounts):
            raise NotApplicableError("this needs several accounts, and registration makes none here")
        groups = accounts, [invented(probe.mail_domain) for _ in accounts]

        def of_kind(kind: int, number: int) -> Answer:
            return ask(probe, {key: getattr(groups[kind][number % len(accounts)], key)})

        return _sampled(of_kind, pairs)

    return _judged(sample, f"{tried}, by names with and without an account, {pairs} of each in random order")


def _judged(sample: Callable[[], tuple[list[float], list[float]]], tried: str) -> Verdict:
    """Failed only if two series differ in the same direction: one could be chance, or a busy machine."""
    first = _Series(*sample())
    if first.p >= _ALPHA:
        return verdict(tried, [], f"no difference shows: {first}")
    try:
        second = _Series(*sample())
    except RateLimitedError as error:
        raise InconclusiveError(f"one series differs ({first}), and a second one was refused: {error}") from None
    if second.p >= _ALPHA or second.is_slower_for_known != first.is_slower_for_known:
        return verdict(tried, [], f"one series differs ({first}), the second one does not ({second})")
    return verdict(tried, [f"two series differ: {first}, then {second}"], "")


@dataclass(frozen=True)
class _Series:
    """Seconds until the reply, for names that exist and for those that do not."""

    known: list[float]
    unknown: list[float]

    @property
    def p(self) -> float:
        return two_sided_p(self.known, self.unknown)

    @property
    def is_slower_for_known(self) -> bool:
        return median(self.known) > median(self.unknown)

    def __str__(self) -> str:
        known, unknown = median(self.known) * 1000, median(self.unknown) * 1000
        return f"{known:.2f} ms with an account, {unknown:.2f} ms without, p = {self.p:.2g}"


def _sampled(ask: Callable[[int, int], Answer], pairs: int) -> tuple[list[float], list[float]]:
    """The seconds of so many requests of each kind, a pair at a time, in random order within the pair.

    `ask` gets the kind, 0 for names that exist and 1 for others, and the number of the pair.
    """
    seconds: tuple[list[float], list[float]] = ([], [])
    ask(1, 0)  # the first request of a kind is slower than all others
    ask(0, 0)
    for number in range(pairs):
        kinds = [0, 1]
        random.shuffle(kinds)
        for kind in kinds:
            answer = ask(kind, number)
            if answer.status == TOO_MANY or answer.status >= SERVER_ERROR:
                raise InconclusiveError(f"a sample was answered by {answer}")
            seconds[kind].append(answer.seconds)
    return seconds


_SAME = "Do the same work for names without an account, and answer alike."
CHECKS = (
    Check(
        "enumeration-login",
        "A login does not say whether the account exists.",
        Severity.MEDIUM,
        "Answer wrong passwords and unknown names with one reply.",
        "OWASP ASVS 5.0 6.3.8",
        _login_replies,
    ),
    Check(
        "enumeration-mail",
        "Asking for a mail does not say whether the account exists.",
        Severity.MEDIUM,
        "Answer every address alike, and mail only to those that have an account.",
        "OWASP ASVS 5.0 6.3.8",
        _mail_replies,
    ),
    Check(
        "enumeration-registration",
        "A registration does not say whether an address is taken.",
        Severity.INFO,
        "HIDE_ACCOUNTS=on answers every registration alike; users then have to prove their address first.",
        "OWASP ASVS 5.0 6.3.8",
        _registration_replies,
    ),
    Check(
        "enumeration-login-time",
        "The time of a login does not say whether the account exists.",
        Severity.MEDIUM,
        _SAME,
        "OWASP ASVS 5.0 6.3.8; Mann and Whitney 1947",
        _login_times,
    ),
    Check(
        "enumeration-mail-time",
        "The time of a request for a mail does not say whether the account exists.",
        Severity.MEDIUM,
        "Send mails after the reply, and do the same work for addresses without an account.",
        "OWASP ASVS 5.0 6.3.8",
        _mail_times,
    ),
    Check(
        "enumeration-registration-time",
        "The time of a registration does not say whether an address is taken.",
        Severity.MEDIUM,
        _SAME,
        "OWASP ASVS 5.0 6.3.8",
        _registration_times,
    ),
)
