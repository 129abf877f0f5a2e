"""Whether the time of a reply reveals if an address has an account: OWASP ASVS 6.3.8."""

from __future__ import annotations

import http.client
import json
import random
import time
from contextlib import closing
from typing import TYPE_CHECKING

from bench.instances import USERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.instances import Instances
    from bench.scenarios import Samples

SAMPLES = 200
"""Requests of each kind."""
_WARM_UP = 20

_BODIES: dict[str, tuple[str, Callable[[str], dict[str, str]]]] = {
    "timing-login": ("/auth/login", lambda email: {"email": email, "password": "a wrong password"}),
    "timing-forgot": ("/auth/password/forgot", lambda email: {"email": email}),
    "timing-resend": ("/auth/email/resend", lambda email: {"email": email}),
}


def known_and_unknown(instances: Instances) -> Samples:
    """The two-sided p of a Mann-Whitney test that known and unknown addresses take the same time.

    Requests of both kinds follow each other in a random order, over one connection, one at a time.
    """
    from scipy.stats import mannwhitneyu  # noqa: PLC0415 - takes a second, and only this part needs it

    port = instances.without_limits.port
    samples: Samples = {}
    for name, (path, body) in _BODIES.items():
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
            for number in range(_WARM_UP):
                _milliseconds(connection, path, body(_address(known=bool(number % 2), number=number)))
            kinds = [True, False] * SAMPLES
            random.shuffle(kinds)
            times: dict[bool, list[float]] = {True: [], False: []}
            for number, known in enumerate(kinds):
                times[known].append(_milliseconds(connection, path, body(_address(known=known, number=number))))
        samples[name] = [float(mannwhitneyu(times[True], times[False]).pvalue)]
    return samples


def _address(*, known: bool, number: int) -> str:
    """An address with or without an account; all have the same length."""
    return f"{'user' if known else 'none'}{number % USERS}@example.com"


def _milliseconds(connection: http.client.HTTPConnection, path: str, body: dict[str, str]) -> float:
    sent = time.perf_counter()
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    connection.getresponse().read()
    return (time.perf_counter() - sent) * 1000
