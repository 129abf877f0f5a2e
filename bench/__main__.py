"""`python -m bench [PART ...]`: measure, and say which goals were reached; `python -m bench capacity`, `growth`,
`space` or `search`."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from bench import audit_growth, growth, load, moving_in, space, tables, user_search
from bench.figures import HEAD, as_facts
from bench.instances import Instances
from bench.measure import sync_milliseconds
from bench.parts import PARTS, measure

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.scenarios import Samples

_WHAT = f"""what to measure: {", ".join(PARTS)}; default: all of these. Or one alone: capacity, what a number of users
needs, which is computed; growth, whether a request costs more with more users; space, how many bytes a record takes;
search and audit, whether finding users or events costs more with more of them (docs/capacity.md); moving-in, how long
an import of users takes (docs/moving-in.md)"""
_ALONE: dict[str, Callable[[int], int]] = {
    "capacity": lambda _rounds: tables.show(),
    "growth": growth.show,
    "space": lambda _rounds: space.show(),
    "search": user_search.show,
    "audit": audit_growth.show,
    "moving-in": lambda _rounds: moving_in.show(),
}
"""What is measured alone: called with the rounds, it gives the exit status."""


def main() -> int:
    """Run the requested parts, or all; the exit status is 1 if something could not be measured."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure, as ratios to a bare Flask.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=_WHAT)
    parser.add_argument("--rounds", type=int, default=6, help="how often each is measured (default: 6)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample to this file")
    arguments = parser.parse_args()
    if len(arguments.parts) == 1 and arguments.parts[0] in _ALONE:
        return _ALONE[arguments.parts[0]](arguments.rounds)
    unknown = sorted(set(arguments.parts) - PARTS.keys())
    if unknown:
        parser.error(f"there is no part {unknown[0]}; the parts are {', '.join(PARTS)}")
    if lacking := load.missing():
        print(lacking, file=sys.stderr)
        return 1

    began = time.monotonic()
    samples: Samples = {}
    with Instances() as instances:
        machine = f"{_machine()}, {sync_milliseconds(instances.folder):.1f} ms to sync a page"
        print(f"{machine}; {arguments.rounds} rounds\n{HEAD}", flush=True)

        def keep(measured: Samples) -> None:
            samples.update(measured)
            if arguments.json:
                facts = {"machine": machine, "rounds": arguments.rounds, "figures": as_facts(samples)}
                arguments.json.write_text(json.dumps(facts, indent=2) + "\n")

        wanted = [part for part in PARTS if part in (arguments.parts or PARTS)]
        failed = measure({part: partial(PARTS[part], instances, arguments.rounds) for part in wanted}, keep)
    print(f"{time.monotonic() - began:.0f} s" + (f"; not measured: {', '.join(failed)}" if failed else ""))
    return 1 if failed else 0


def _machine() -> str:
    """The machine that this runs on, and how busy it is already."""
    cores = len(os.sched_getaffinity(0))
    return f"{platform.machine()}, {cores} cores, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}"


if __name__ == "__main__":
    sys.exit(main())
