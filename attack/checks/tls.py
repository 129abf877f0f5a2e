"""Encryption: the versions of TLS, the certificate, HSTS, and what plain http answers."""

from __future__ import annotations

import ssl
import time
import warnings
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from attack.check import Check, InconclusiveError, NotApplicableError, Result, Severity, Verdict, verdict
from attack.wire import UnreachableError, UntrustedError, connected

if TYPE_CHECKING:
    from attack.probe import Probe

_OLD = ((ssl.TLSVersion.TLSv1, ssl.HAS_TLSv1), (ssl.TLSVersion.TLSv1_1, ssl.HAS_TLSv1_1))
_SHORTEST_REST = 0.1
"""Of its life: a certificate that is renewed automatically never has less left."""
_HALF_A_YEAR = 15_768_000
_REDIRECTS = {301, 302, 303, 307, 308}
_MAY_REPLAY = {307, 308}


def _encrypted(probe: Probe) -> Verdict:
    tried = "whether the deployment is reached by https"
    if probe.target.is_https:
        return Verdict(Result.PASSED, tried, "it is")
    if probe.target.is_loopback:
        raise NotApplicableError("this is http on this machine; give the https URL that users have")
    return Verdict(Result.FAILED, tried, "passwords and tokens cross the network in clear")


def _certificate(probe: Probe) -> Verdict:
    _need_tls(probe)
    tried = "whether the certificate is trusted, names the host, and lasts"
    probe.budget.take()
    try:
        connection = connected(probe.target)
    except UntrustedError as error:
        return Verdict(Result.FAILED, tried, str(error))
    with closing(connection):
        certificate = connection.getpeercert() if isinstance(connection, ssl.SSLSocket) else None
    if not certificate:
        raise InconclusiveError("no certificate was shown")
    begin, end = (ssl.cert_time_to_seconds(str(certificate[name])) for name in ("notBefore", "notAfter"))
    days = (end - time.time()) / 86_400
    ending = [f"it ends in {days:.1f} days: its renewal seems to fail"] if _is_ending(begin, end) else []
    return verdict(tried, ending, f"it is trusted, and ends in {days:.1f} days", severity=Severity.LOW)


def _is_ending(begin: float, end: float) -> bool:
    return end - time.time() < _SHORTEST_REST * (end - begin)


def _versions(probe: Probe) -> Verdict:
    _need_tls(probe)
    with closing(connected(probe.target)) as connection:
        current = connection.version() if isinstance(connection, ssl.SSLSocket) else None
    wrong, untried = [], []
    for version, spoken_here in _OLD:
        probe.budget.take()
        if not spoken_here:
            untried.append(version.name)
            continue
        try:
            with closing(connected(probe.target, _only(version))):
                wrong.append(f"{version.name} is accepted")
        except UnreachableError:
            connected(probe.target).close()  # it was this version that was refused
    if untried and not wrong:
        raise InconclusiveError(f"the TLS library here cannot speak {', '.join(untried)}")
    return verdict("TLS 1.0 and TLS 1.1", wrong, f"both are refused; {current} is spoken")


def _only(version: ssl.TLSVersion) -> ssl.SSLContext:
    """A context for this version alone. It checks no certificate: nothing is sent through it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they are old: that is the point
        context.minimum_version = context.maximum_version = version
    return context


def _hsts(probe: Probe) -> Verdict:
    _need_tls(probe)
    wrong = []
    for path in ("/auth/me", "/", "/nothing-is-here"):
        header = probe.send("GET", path).headers.get("Strict-Transport-Security", "")
        ages = [part.partition("=")[2].strip('" ') for part in header.split(";") if part.strip().startswith("max-age")]
        if not ages or not ages[0].isdecimal() or int(ages[0]) < _HALF_A_YEAR:
            wrong.append(f"{path} has Strict-Transport-Security {header!r}")
    return verdict("Strict-Transport-Security of at least half a year", wrong, "every reply has it")


def _plain_http(probe: Probe) -> Verdict:
    _need_tls(probe)
    plain = replace(probe.target, scheme="http", port=probe.http_port)
    try:
        read = probe.send("GET", "/auth/me", target=plain)
        written = probe.send("POST", "/auth/login", json={"username": "attack", "password": "attack"}, target=plain)
    except UnreachableError as error:
        raise NotApplicableError(f"plain http is not served on port {plain.port}: {error}") from None
    wrong = []
    to = read.headers.get("Location", "")
    if read.status in _REDIRECTS and not to.startswith(f"https://{probe.target.host}"):
        wrong.append(f"GET is led to {to!r}")
    if read.status not in _REDIRECTS and "WWW-Authenticate" in read.headers:
        wrong.append(f"GET is answered by the service itself: {read}")
    if written.code or written.succeeded or "WWW-Authenticate" in written.headers:
        wrong.append(f"a login is answered by the service itself: {written}")
    elif written.status in _MAY_REPLAY:
        wrong.append(f"a login is redirected ({written}), after its password crossed the network in clear")
    return verdict("GET and a login by plain http", wrong, f"GET: {read} to {to!r}; the login: {written}")


def _need_tls(probe: Probe) -> None:
    if not probe.target.is_https:
        raise NotApplicableError("the deployment was named by http")


CHECKS = (
    Check(
        "tls",
        "The deployment is reached by https.",
        Severity.HIGH,
        "Terminate TLS in the proxy (docs/deployment.md), and set PUBLIC_URL to the https URL.",
        "OWASP ASVS 5.0 12.2.1",
        _encrypted,
    ),
    Check(
        "tls-certificate",
        "The certificate is trusted, names the host, and is renewed in time.",
        Severity.HIGH,
        "Renew the certificate automatically. If its authority is a private one, name it with --ca.",
        "OWASP ASVS 5.0 12.2.2",
        _certificate,
    ),
    Check(
        "tls-versions",
        "Old versions of TLS are refused.",
        Severity.MEDIUM,
        "Allow TLS 1.3, and TLS 1.2 only for clients that need it.",
        "OWASP ASVS 5.0 12.1.1, RFC 8996",
        _versions,
    ),
    Check(
        "tls-hsts",
        "Browsers are told to use https only.",
        Severity.MEDIUM,
        "Set PUBLIC_URL to the https URL, and let the header through the proxy.",
        "OWASP ASVS 5.0 3.4.1, RFC 6797",
        _hsts,
    ),
    Check(
        "tls-plain-http",
        "Plain http redirects readers, and refuses passwords.",
        Severity.MEDIUM,
        "Answer http with a redirect for GET and HEAD, and refuse everything else (nginx/tls.conf).",
        "OWASP ASVS 5.0 4.1.2 and 12.2.1",
        _plain_http,
    ),
)
