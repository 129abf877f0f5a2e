"""The parts of a run, and how they follow each other: none takes with it what another has measured."""

from __future__ import annotations

import traceback
from functools import partial
from typing import TYPE_CHECKING

from bench import scenarios, storms, timing
from bench.figures import as_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bench.instances import Instances
    from bench.scenarios import Samples

PARTS: dict[str, Callable[[Instances, int], Samples]] = {
    # These four come first, while no other server runs.
    "memory": lambda instances, _: scenarios.memory(instances),
    "memory-without-oauth": lambda instances, _: scenarios.memory_without_oauth(instances),
    "memory-everything": lambda instances, _: scenarios.whole_memory(instances),
    "start": scenarios.start,
    **{
        name: partial(scenarios.request, name)
        for name in ("health", "me", "me-mongo", "users", "login-4", "register-4")
    },
    "login-totp-4": scenarios.login_with_app,
    **{name: partial(scenarios.login_with_passkey, name) for name in ("login-passkey", "login-passkey-pg")},
    "oauth-code": scenarios.code_to_tokens,
    "introspect": scenarios.introspection,
    **{name: partial(scenarios.refresh, name) for name in ("refresh", "refresh-mongo")},
    "logout": scenarios.logout,
    "login": scenarios.login,
    "storm": storms.storm,
    "refresh-storm": scenarios.refresh_storm,
    "timing": lambda instances, _: timing.known_and_unknown(instances),
}
"""What measures each part, given the servers and the number of rounds."""


def measure(parts: Mapping[str, Callable[[], Samples]], keep: Callable[[Samples], object]) -> list[str]:
    """Measure one part after the other; returns the names of those that failed.

    As a part ends, its rows are printed and its samples handed to `keep`. One that fails is printed, with its
    traceback on the standard error, and the others go on.
    """
    failed = []
    for name, samples_of in parts.items():
        try:
            samples = samples_of()
        except Exception as error:  # noqa: BLE001 - whatever it is, the other parts can be measured
            traceback.print_exc()
            print(f"{name}: FAILED: {error!r}", flush=True)
            failed.append(name)
        else:
            keep(samples)
            print("\n".join(as_lines(samples)), flush=True)
    return failed
