"""A second opinion on codes: oathtool (OATH Toolkit) and this service have no code in common."""

from __future__ import annotations

import base64
import subprocess
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.factors.service import FactorService
from app.factors.totp import TotpParameters
from app.platform.errors import InvalidCode, SecondFactorRequired
from app.sessions.gate import LoginGate
from app.sessions.proof import Evidence
from tests.servers.fixtures import require
from tests.servers.process import program
from tests.unit.factors.test_totp import SEEDS, VECTORS
from tests.unit.instance import DEVICE, Instance, session_of

if TYPE_CHECKING:
    from tests.api.service import FakeClock

PARAMETERS = st.builds(
    TotpParameters,
    st.binary(min_size=10, max_size=64).map(lambda key: base64.b32encode(key).decode().rstrip("=")),
    st.sampled_from(sorted(SEEDS)),
    st.integers(6, 8),
    st.integers(15, 120),
)
"""All that an import takes."""
MOMENTS = st.integers(200, 2**33)
"""Seconds since 1970, until the year 2242."""


@cache
def oathtool() -> str:
    found = program("oathtool")
    require(None if found else "oathtool is missing: apt-get install oathtool")
    return str(found)


def code_of(parameters: TotpParameters, seconds: int) -> str:
    """The code that oathtool computes for this time."""
    padded = parameters.secret + "=" * (-len(parameters.secret) % 8)
    command = [
        oathtool(), f"--totp={parameters.algorithm}", "--base32", f"--digits={parameters.digits}",
        f"--time-step-size={parameters.period}s", f"--now=@{seconds}", "-",
    ]  # fmt: skip
    done = subprocess.run(command, input=padded, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize(("seconds", "algorithm", "code"), VECTORS)
def test_it_agrees_on_the_vectors_of_the_rfc(seconds: int, algorithm: str, code: str) -> None:
    secret = base64.b32encode(SEEDS[algorithm]).decode().rstrip("=")
    assert code_of(TotpParameters(secret, algorithm, digits=8), seconds) == code


@given(PARAMETERS, MOMENTS, st.integers(-1, 1))
def test_its_codes_are_accepted_within_one_step_of_drift(parameters: TotpParameters, seconds: int, drift: int) -> None:
    code = code_of(parameters, seconds + drift * parameters.period)
    assert code == parameters.totp.at(seconds + drift * parameters.period)
    step = parameters.step_of(code, datetime.fromtimestamp(seconds, UTC))
    assert abs(step - seconds // parameters.period) <= 1


@given(PARAMETERS, MOMENTS, st.sampled_from([-2, 2]))
def test_its_codes_are_refused_beyond_that(parameters: TotpParameters, seconds: int, drift: int) -> None:
    late = code_of(parameters, seconds + drift * parameters.period)
    if late not in {parameters.totp.at(seconds + near * parameters.period) for near in (-1, 0, 1)}:
        with pytest.raises(InvalidCode):
            parameters.step_of(late, datetime.fromtimestamp(seconds, UTC))


def test_secrets_of_the_service_give_codes_that_confirm_an_app_and_log_in(instance: Instance, clock: FakeClock) -> None:
    for number in range(8):
        name = f"user{number}"
        principal, factors = session_of(instance.wired, instance.register(name)), instance.get(FactorService)
        app = TotpParameters(factors.begin_totp(principal).secret)
        factors.confirm_totp(principal, code_of(app, int(clock.now.timestamp())), DEVICE)
        clock.advance(97 + number)
        with pytest.raises(SecondFactorRequired) as raised:
            instance.login(name)
        code = Evidence(code=code_of(app, int(clock.now.timestamp())))
        opened = instance.get(LoginGate).resume(raised.value.facts["login"]["token"], "totp", code, DEVICE)
        assert opened.user.username == name
