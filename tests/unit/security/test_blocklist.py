"""Passwords that others guess first are refused, whatever their case, and no others."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.security import blocklist
from app.security.blocklist import is_common, is_context_word

if TYPE_CHECKING:
    from collections.abc import Callable

FOLDER = Path(blocklist.__file__).parent
ENTRIES = (FOLDER / "common_passwords.txt").read_text(encoding="utf-8").splitlines()


# Both ends and the middle of Django's list and of zxcvbn-ts's, and of the long ones of Burnett's.
@pytest.mark.parametrize(
    "password",
    [
        "password",
        "12345678",
        "1234567890",
        "qwertyuiop",
        "iloveyou",
        "password123",
        "1q2w3e4r5t",
        "administrator",
    ],
)
def test_the_most_common_passwords_are_refused(password: str) -> None:
    assert is_common(password)


@pytest.mark.parametrize("password", ["PASSWORD123", "Password123", "pAsSwOrD123"])
def test_case_does_not_make_a_common_password_uncommon(password: str) -> None:
    assert is_common(password)


@given(st.sampled_from(ENTRIES))
def test_every_entry_of_the_list_is_found(entry: str) -> None:
    assert is_common(entry)


def test_the_first_and_the_last_entry_are_found() -> None:
    assert is_common(ENTRIES[0])
    assert is_common(ENTRIES[-1])


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery staple",
        "gravel-tandem-otter-41",
        "password123 ",
        " password123",
        "assword123",
        "\u043f\u0430\u0440\u043e\u043b\u044c \u0434\u043b\u0438\u043d\u043d\u044b\u0439",
        "\N{KEY}" * 10,
        "nul\0in it",
        "lone \ud800 surrogate",
    ],
)
def test_other_passwords_are_accepted_exactly_as_they_are(password: str) -> None:
    assert not is_common(password)


@given(st.sampled_from(range(len(ENTRIES) - 1)))
def test_two_neighbouring_entries_with_their_line_break_are_not_an_entry(index: int) -> None:
    assert not is_common(f"{ENTRIES[index]}\n{ENTRIES[index + 1]}")


@given(st.text(max_size=1000))
def test_any_text_can_be_looked_up_and_is_common_only_as_a_whole_entry(password: str) -> None:
    assume(not {"latchkey", "yekhctal"} & {password.lower()[at : at + 8] for at in range(9)})

    assert is_common(password) is (password.lower() in ENTRIES)


@pytest.mark.parametrize(
    "password",
    [
        *("latchkey", "Latchkey1", "LATCHKEY123", "latchkey2026!", "latchkey-2026"),
        *("2026latchkey", "!latchkey!", "yekhctal", "LatchkeyLatchkey", "yekhctal2026", "latchkeylatchkey!"),
    ],
)
def test_the_products_name_reversed_doubled_or_with_a_few_digits_or_signs_is_refused(password: str) -> None:
    assert is_common(password)


@pytest.mark.parametrize(
    "password",
    ["latchkey under the third flowerpot", "latchkey493827165", "my latchkey", "latchkey2026a", "latchkey-latchkey"],
)
def test_the_products_name_within_a_longer_password_is_accepted(password: str) -> None:
    assert not is_common(password)


WORDS = ["Marion.Keller@mail.fruehling.example", "MKeller_1984", "Marion Anne de Keller-Grün", "Acme Login"]
"""An e-mail address, a user name, a name, and the name of the product."""


@pytest.mark.parametrize(
    "word",
    [
        "marion.keller@mail.fruehling.example",
        "marion.keller",
        "mkeller_1984",
        "marion anne de keller-grün",
        "acme login",
    ],
)
@pytest.mark.parametrize("change", [str, str.upper, str.title], ids=["lower", "upper", "title"])
def test_the_users_own_address_its_local_part_user_name_and_names_are_refused_in_any_case(
    word: str, change: Callable[[str], str]
) -> None:
    assert is_context_word(change(word), WORDS)


@pytest.mark.parametrize(
    "password",
    [
        *("marionkeller", "mkeller1984", "marionannedekellergrün", "acmelogin"),
        *("marion1984", "keller2026", "grün123", "anne!", "mkeller", "acme2026", "login123"),
        *("mail.fruehling.example", "fruehling1", "mailfruehlingexample"),
    ],
)
def test_a_word_without_its_signs_and_each_part_of_it_count_as_words(password: str) -> None:
    assert is_context_word(password, WORDS)


@pytest.mark.parametrize(
    "password",
    [
        *("rellek", "Rellek", "kellerkeller", "KellerKeller", "rellekrellek", "rellek.noiram"),
        *("keller1", "keller1984", "1keller", "1984keller", "1984keller!!!!", "!keller?", " keller ", "_keller_"),
        *("kellerkeller1984", "1984rellek", "....rellekrellek....", "keller\N{KEY}", "keller\u0661"),
    ],
)
def test_a_word_reversed_doubled_or_with_up_to_four_digits_or_signs_on_either_side_is_refused(password: str) -> None:
    assert is_context_word(password, WORDS)


@pytest.mark.parametrize(
    "password",
    [
        *("keller19841", "19841keller", "keller1984a", "akeller", "kellera", "kellér", "kellekeller", "keller-keller"),
        *("kellerkellerkeller", "marionrellek", "a keller in the attic", "in the attic keller", "keller und grün"),
        *("grandma keller bakes on sundays", "mkeller_1984 mkeller_1984", "", "...."),
    ],
)
def test_a_password_that_only_contains_the_users_words_is_accepted(password: str) -> None:
    assert not is_context_word(password, WORDS)


@pytest.mark.parametrize("password", ["lee", "lee1984", "leelee", "lee@x.io!!!!!"])
def test_words_of_fewer_than_four_characters_are_ignored(password: str) -> None:
    assert not is_context_word(password, ["lee@x.io", "lee", "Lee"])


@given(st.text(max_size=40), st.sampled_from(WORDS))
def test_a_password_of_several_chosen_words_is_accepted(text: str, word: str) -> None:
    assert not is_context_word(f"gravel tandem {text} {word}", WORDS)


class Counted(str):
    """A text that counts the comparisons that are made with it."""

    __slots__ = ()
    compared: ClassVar[list[int]] = []

    def casefold(self) -> Counted:
        return self

    def startswith(self, *arguments: Any) -> bool:
        self.compared.append(1)
        return super().startswith(*arguments)


@pytest.mark.parametrize("password", ["a" * 1000, "ab" * 500, "1" * 1000, "." * 1000, "keller" * 166, "a." * 500])
def test_a_hostile_password_costs_no_comparison_with_words_that_cannot_fill_it(password: str) -> None:
    hostile = ["a" * 32, ".".join(["aaaa"] * 20), "a." * 127, "aaaa@" * 50]

    assert not is_context_word(Counted(password), hostile)

    assert Counted.compared == []


def test_without_words_nothing_is_refused() -> None:
    assert not is_context_word("marion.keller", [])


def test_the_list_is_read_once() -> None:
    blocklist.load.cache_clear()

    is_common("first")
    is_common("second")

    assert blocklist.load.cache_info().misses == 1


def test_the_list_holds_lower_case_entries_of_at_least_eight_characters_each_once() -> None:
    assert all(len(entry) >= 8 and entry == entry.strip().lower() for entry in ENTRIES)
    assert len(set(ENTRIES)) == len(ENTRIES)


@pytest.mark.parametrize("least", range(8, 16))
def test_at_least_5000_entries_apply_whatever_the_minimum_length(least: int) -> None:
    assert sum(len(entry) >= least for entry in ENTRIES) >= 5_000


def test_the_licence_file_names_the_sources_of_exactly_this_list() -> None:
    licence = (FOLDER / "common_passwords.LICENCE.md").read_text(encoding="utf-8")
    digest = hashlib.sha256((FOLDER / "common_passwords.txt").read_bytes()).hexdigest()

    assert digest in licence
    for source in ("Django", "zxcvbn-ts", "Ten Million Passwords"):
        assert source in licence
