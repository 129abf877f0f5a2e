"""`python -m bench [PART ...]`: measure, and say which goals were reached; `python -m bench capacity` or `growth`."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path

from bench import growth, load, moving_in, scenarios, tables, timing
from bench.figures import as_facts, as_lines
from bench.instances import Instances
from bench.measure import sync_milliseconds
from tests.servers import mongo

_REQUESTS = ("health", "me", "me-mongo", "users", "login-4", "register-4")
_SESSIONS = ("refresh", "refresh-mongo", "logout")
_PARTS = (*_REQUESTS, *_SESSIONS, "login", "storm", "refresh-storm", "timing", "memory", "start")
_WHAT = f"""what to measure: {", ".join(_PARTS)}; default: all of these. Or one alone: capacity, what a number of users
needs, which is computed; growth, whether a request costs more with more users (docs/capacity.md); moving-in, how long
an import of users takes (docs/moving-in.md)"""


def main() -> int:
    """Run the requested parts, or all; the exit status is 1 if something could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure, as ratios to a bare Flask.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=_WHAT)
    parser.add_argument("--rounds", type=int, default=6, help="how often each is measured (default: 6)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample to this file")
    arguments = parser.parse_args()
    if arguments.parts == ["capacity"]:
        tables.show()
        return 0
    if arguments.parts == ["growth"]:
        return growth.show(arguments.rounds)
    if arguments.parts == ["moving-in"]:
        return moving_in.show()
    unknown = sorted(set(arguments.parts) - set(_PARTS))
    if unknown:
        parser.error(f"there is no part {unknown[0]}; the parts are {', '.join(_PARTS)}")
    parts = [part for part in _PARTS if part in (arguments.parts or _PARTS)]
    lacking = load.missing() or (
        {"me-mongo", "refresh-mongo"} & set(parts) and not os.environ.get("TEST_MONGO_URI") and mongo.missing()
    )
    if lacking:
        print(lacking, file=sys.stderr)
        return 1

    began = time.monotonic()
    with Instances() as instances:
        machine = f"{_machine()}, {sync_milliseconds(instances.folder):.1f} ms to sync a page"
        samples = _measure(parts, instances, arguments.rounds)
    print(f"{machine}; {arguments.rounds} rounds; {time.monotonic() - began:.0f} s")
    print("\n".join(as_lines(samples)))
    if arguments.json:
        facts = {"machine": machine, "rounds": arguments.rounds, "figures": as_facts(samples)}
        arguments.json.write_text(json.dumps(facts, indent=2) + "\n")
    return 0


def _measure(parts: list[str], instances: Instances, rounds: int) -> scenarios.Samples:
    samples: scenarios.Samples = {}
    # These two come first, while no other server runs.
    if "memory" in parts:
        samples |= scenarios.memory(instances)
    if "start" in parts:
        samples |= scenarios.start(instances, rounds)
    if requests := [part for part in parts if part in _REQUESTS]:
        samples |= scenarios.requests(requests, instances, rounds)
    if sessions := [part for part in parts if part in _SESSIONS]:
        samples |= scenarios.sessions(sessions, instances, rounds)
    if "login" in parts:
        samples |= scenarios.login(instances, rounds)
    if "storm" in parts:
        samples |= scenarios.storm(instances, rounds)
    if "refresh-storm" in parts:
        samples |= scenarios.refresh_storm(instances, rounds)
    if "timing" in parts:
        samples |= timing.known_and_unknown(instances)
    return samples


def _machine() -> str:
    """The machine that this runs on, and how busy it is already."""
    cores = len(os.sched_getaffinity(0))
    return f"{platform.machine()}, {cores} cores, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}"


if __name__ == "__main__":
    sys.exit(main())
