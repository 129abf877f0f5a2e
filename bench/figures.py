"""The targets, and how results are printed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.measure import Spread

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure: its name on the command line, a description, its unit, and its goal.

    `reach` is the highest value that reaches the goal, or with `at_least` the lowest; None if there is no goal.
    """

    name: str
    what: str
    unit: str
    reach: float | None
    at_least: bool = False

    def is_reached_by(self, value: float) -> bool | None:
        """Whether this value reaches the goal; None if there is no goal."""
        if self.reach is None:
            return None
        return value >= self.reach if self.at_least else value <= self.reach


CPU, RATE, HASHES, CALM = "x floor's CPU", "x floor's rate", "x bare hashes", "x quiet rate"
CAPACITY, TIME, P, A_SECOND = "x capacity", "x floor's p50", "p", "a second"
GOALS = (
    Goal("health", "GET /health", CPU, 1.0),
    Goal("me", "GET /auth/me, SQLite", CPU, 1.3),
    Goal("me-mongo", "GET /auth/me, MongoDB's protocol", CPU, 2.2),
    Goal("users", "GET /auth/users, 50 of them, SQLite", CPU, 2.5),
    Goal("refresh", "POST /auth/refresh, 16 sessions, SQLite", CPU, 2.5),
    Goal("refresh-mongo", "POST /auth/refresh, MongoDB's protocol", CPU, 4.0),
    Goal("logout", "POST /auth/logout, SQLite", CPU, None),
    Goal("login-4", "POST /auth/login, SQLite, beyond its hash", CPU, 4.0),
    Goal("login-4-rate", "POST /auth/login, bcrypt cost 4", RATE, None),
    Goal("login-totp-4", "login and TOTP code, SQLite, beyond the hash", CPU, None),
    Goal("login-totp-4-p50", "login and TOTP code, cost 4, one at a time", TIME, None),
    Goal("login-passkey", "passkey login, both requests, SQLite", CPU, None),
    Goal("login-passkey-rate", "passkey login, both requests, SQLite", RATE, None),
    Goal("login-passkey-a-second", "passkey logins, SQLite", A_SECOND, 300.0, at_least=True),
    Goal("login-passkey-pg", "passkey login, both requests, PostgreSQL", CPU, None),
    Goal("login-passkey-pg-rate", "passkey login, both requests, PostgreSQL", RATE, None),
    Goal("login-passkey-pg-a-second", "passkey logins, PostgreSQL", A_SECOND, 300.0, at_least=True),
    Goal("oauth-code", "authorize and token, SQLite", CPU, None),
    Goal("oauth-code-p50", "authorize and token, one at a time", TIME, None),
    Goal("introspect", "POST /oauth/introspect, SQLite", CPU, None),
    Goal("introspect-p50", "POST /oauth/introspect, one at a time", TIME, None),
    Goal("register-4", "POST /auth/register, SQLite, beyond its hash", CPU, None),
    Goal("register-4-rate", "POST /auth/register, bcrypt cost 4", RATE, None),
    Goal("login", "POST /auth/login, 8 at once, bcrypt cost 12", HASHES, 0.97, at_least=True),
    Goal("storm-p50", "me during 64 logins: rise of p50", "ms", 2.0),
    Goal("storm-p99", "me during 64 logins: rise of p99", "ms", 15.0),
    Goal("storm-rate", "me during 64 logins", CALM, 0.5, at_least=True),
    Goal("storm-goodput", "64 logins at once", CAPACITY, 0.8, at_least=True),
    Goal("storm-256-p99", "me during 256 logins: rise of p99", "ms", 20.0),
    Goal("storm-256-rate", "me during 256 logins", CALM, 0.5, at_least=True),
    Goal("storm-256-goodput", "256 logins at once", CAPACITY, 0.8, at_least=True),
    Goal("storm-10x-p99", "me while 10 x the capacity logs in: rise of p99", "ms", 20.0),
    Goal("storm-10x-rate", "me while 10 x the capacity logs in", CALM, 0.5, at_least=True),
    Goal("storm-10x-goodput", "10 x the capacity of logins", CAPACITY, 0.8, at_least=True),
    Goal("refresh-storm", "refreshes during 64 logins, cost 12", CALM, 0.5, at_least=True),
    Goal("timing-login", "login, known or unknown: Mann-Whitney", P, 0.01, at_least=True),
    Goal("timing-forgot", "forgot, known or unknown: Mann-Whitney", P, 0.01, at_least=True),
    Goal("timing-resend", "resend, known or unknown: Mann-Whitney", P, 0.01, at_least=True),
    Goal("memory", "process tree after load, PSS, SQLite", "MB", 130.0),
    Goal("memory-without-oauth", "the same with OAUTH=off", "MB", None),
    Goal("memory-everything", "the same with everything on", "MB", 150.0),
    Goal("start", "start to the first 200, existing database", "s", 0.8),
)
"""Everything that is measured."""
HEAD = f"{'':46} {'median':>8} {'least':>8} {'most':>8}  {'':14} {'goal':>8}"
"""The head of the table that `as_lines` makes the rows of."""


def as_lines(samples: dict[str, list[float]]) -> Iterable[str]:
    """A row for each figure that was measured, under HEAD; `samples` are by the names of the goals."""
    for goal in GOALS:
        if goal.name not in samples:
            continue
        spread = Spread.from_samples(samples[goal.name])
        reach = "" if goal.reach is None else f"{'>=' if goal.at_least else '<='} {goal.reach:g}"
        verdict = {True: "reached", False: "MISSED", None: ""}[goal.is_reached_by(spread.median)]
        numbers = f"{spread.median:8.2f} {spread.least:8.2f} {spread.most:8.2f}"
        yield f"{goal.what:46} {numbers}  {goal.unit:14} {reach:>8}  {verdict}".rstrip()


def as_facts(samples: dict[str, list[float]]) -> list[dict[str, Any]]:
    """The same for a program to read, with every sample."""
    return [
        {
            "name": goal.name,
            "what": goal.what,
            "unit": goal.unit,
            "reach": goal.reach,
            "at_least": goal.at_least,
            "median": Spread.from_samples(samples[goal.name]).median,
            "samples": samples[goal.name],
        }
        for goal in GOALS
        if goal.name in samples
    ]
