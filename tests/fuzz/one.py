"""`python -m tests.fuzz.one TARGET SECONDS`: one target, under atheris, which instruments what is imported here."""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

READERS = [
    "app.accounts.fields",
    "app.api_keys.key_format",
    "app.oauth.clients.redirect_uris",
    "app.oauth.parameters",
    "app.oauth.refusal",
    "app.platform.strict_json",
    "app.security.canonical",
    "app.security.egress_urls",
    "app.sessions.access_tokens",
    "app.sessions.explain",
    "app.sessions.refresh_tokens",
    "app.throttle.device_tokens",
    "app.web.body",
    "app.web.cursors",
    "app.web.paging",
    "app.web.parameters",
    "json",
    "jwt",
]
"""What is instrumented: all of the application would take longer than a short run."""

with atheris.instrument_imports(include=READERS):
    from tests.fuzz.targets import TARGETS, seeds

KEPT = Path(__file__).parents[2] / ".fuzz"


def fuzz(name: str, seconds: str) -> None:
    """Fuzz one target; ends the process, at the first failure with an error."""
    found, begun = KEPT / name, KEPT / f"{name}.seeds"
    for folder in (found, begun):
        folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds(name)):
        (begun / str(number)).write_bytes(seed)
    options = [f"-max_total_time={seconds}", f"-artifact_prefix={KEPT}/{name}.", "-max_len=8192"]
    atheris.Setup([name, str(found), str(begun), *options], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    fuzz(*sys.argv[1:])
