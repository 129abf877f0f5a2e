"""What strangers send is refused, or read in its only form: hundreds of inputs; `make fuzz` tries millions."""

from __future__ import annotations

from random import Random

import pytest

from tests.fuzz.targets import TARGETS, seeds

INPUTS = 200
PIECES = [b"", b"\0", b"\xff", b"[" * 3000, b'{"":' * 3000, b'"', b"\\ud800", b"1" * 5000, b"1e999", b"NaN", b"=", b"."]


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_takes_whatever_is_near_what_is_right(name: str) -> None:
    for data in [*seeds(name), *PIECES]:
        TARGETS[name](data)
    random = Random(name)  # noqa: S311 - the same inputs each time
    for _ in range(INPUTS):
        TARGETS[name](_changed(random.choice(seeds(name)), random))


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_has_seeds(name: str) -> None:
    assert all(seeds(name))


def _changed(data: bytes, random: Random) -> bytes:
    """These bytes with a piece replaced, inserted or cut out."""
    start = random.randrange(len(data) + 1)
    end = min(len(data), start + random.choice([0, 0, 1, 1, 2, len(data)]))
    return data[:start] + random.choice([*PIECES, random.randbytes(1), random.randbytes(3)]) + data[end:]
