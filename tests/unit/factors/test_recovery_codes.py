"""Recovery codes: ten of 65 bits, kept as salted hashes, each found by its number."""

from __future__ import annotations

import hmac
import re
from dataclasses import replace
from unittest import mock

import pytest

from app.factors.recovery_codes import find, new_codes
from app.platform.errors import InvalidCode
from tests.contract.entities import NOW


def test_there_are_ten_codes_and_each_says_its_number() -> None:
    shown, kept = new_codes()
    assert [text[0] for text in shown] == list("0123456789")
    assert all(
        re.fullmatch("[0-9]-[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{5}", text) for text in shown
    )
    assert len({text[2:] for text in shown} | {text[2:] for text in new_codes()[0]}) == 20
    assert [find(kept, text) for text in shown] == list(kept)


def test_nothing_that_is_kept_says_what_a_code_is() -> None:
    shown, kept = new_codes()
    for text, code in zip(shown, kept, strict=True):
        secret = text[2:].replace("-", "")
        assert secret not in repr(code) + code.salt + code.digest
    assert len({code.salt for code in kept}) == 10


def test_a_code_is_read_in_either_case_without_dashes_and_with_letters_that_look_alike() -> None:
    shown, kept = new_codes()
    while not re.search("[01]", shown[3][2:]):
        shown, kept = new_codes()
    typed = shown[3][0] + shown[3][1:].replace("0", "o").replace("1", "l").lower()
    assert find(kept, typed) == kept[3]
    assert find(kept, shown[3].replace("-", "")) == kept[3]


@pytest.mark.parametrize("spoilt", ["", "{} ", " {}", "{}0", "{:.16}", "\x00{}", "٣{}"])
def test_any_other_text_is_no_code(spoilt: str) -> None:
    shown, kept = new_codes()
    with pytest.raises(InvalidCode):
        find(kept, spoilt.format(shown[0]))


def test_a_code_of_another_number_or_set_and_a_used_one_are_refused() -> None:
    shown, kept = new_codes()
    for text in ("1" + shown[0][1:], new_codes()[0][0]):
        with pytest.raises(InvalidCode):
            find(kept, text)
    used = (replace(kept[0], used_at=NOW), *kept[1:])
    with pytest.raises(InvalidCode):
        find(used, shown[0])
    with pytest.raises(InvalidCode):
        find((), shown[0])


def test_one_hash_is_compared_for_each_attempt() -> None:
    shown, kept = new_codes()
    compare = mock.Mock(side_effect=hmac.compare_digest)
    with mock.patch.object(hmac, "compare_digest", compare), pytest.raises(InvalidCode):
        find(kept, "9" + shown[0][1:])
    assert compare.call_count == 1
