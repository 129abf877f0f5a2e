"""What should not be reachable from outside at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attack.check import Check, Severity, Verdict, verdict

if TYPE_CHECKING:
    from attack.probe import Probe

_METRICS = (
    "/metrics", "/metrics/", "//metrics", "/%6detrics", "/./metrics", "/auth/../metrics", "/auth/..%2fmetrics",
    "/metrics;a", "/metrics%20", "/METRICS",
)  # fmt: skip
_LOCAL = (("X-Forwarded-For", "127.0.0.1"), ("X-Real-IP", "127.0.0.1"), ("Forwarded", "for=127.0.0.1"))
_FILES = {
    "/dev/mail": b"mail",
    "/console": b"Werkzeug",
    "/?__debugger__=yes&cmd=resource&f=style.css": b"debugger",
    "/.env": b"SECRET_KEY",
    "/.git/config": b"[core]",
    "/instance/secret_key": b"",
    "/latchkey.db": b"SQLite",
    "/docker-compose.yaml": b"services:",
    "/gunicorn.conf.py": b"bind",
    "/server-status": b"Apache",
    "/nginx_status": b"Active connections",
}
"""Paths of development and of careless copies, and what a reply has to contain to be meant."""


def _metrics(probe: Probe) -> Verdict:
    wrong, statuses = [], set()
    for path in _METRICS:
        for headers in ((), _LOCAL) if path == "/metrics" else ((),):
            answer = probe.send("GET", path, headers=headers)
            statuses.add(answer.status)
            if answer.succeeded and (b"# HELP" in answer.body or b"# TYPE" in answer.body):
                wrong.append(f"{path} shows metrics")
    return verdict("/metrics in ten ways, also as if from this machine", wrong, f"not served: {sorted(statuses)}")


def _development(probe: Probe) -> Verdict:
    wrong, statuses = [], set()
    for path, content in _FILES.items():
        answer = probe.send("GET", path)
        statuses.add(answer.status)
        if answer.succeeded and content in answer.body:
            wrong.append(f"{path} is served: {answer}")
    return verdict(
        "routes of development, debuggers, and files of the installation", wrong, f"none: {sorted(statuses)}"
    )


CHECKS = (
    Check(
        "metrics",
        "Metrics are not for everybody.",
        Severity.MEDIUM,
        "Name the collector alone in METRICS_ALLOW, and let the proxy refuse /metrics. Run from a machine that"
        " METRICS_ALLOW names, this check fails rightly.",
        "OWASP ASVS 5.0 13.4.5",
        _metrics,
    ),
    Check(
        "development",
        "Nothing of development is served.",
        Severity.HIGH,
        "Run the production profile behind a proxy that serves no files of the installation.",
        "OWASP ASVS 5.0 13.4.1 and 13.4.2",
        _development,
    ),
)
