"""Which new passwords are refused because others would guess them first (OWASP ASVS 6.2.4, 6.2.11, 6.2.12).

The list is common_passwords.txt beside this file: one entry per line, in lower case, of 8 characters or more.
tests/tools/make_common_passwords.py makes it from the sources that common_passwords.LICENCE.md names. For each
PASSWORD_MIN_LENGTH from 8 to 15, it contains the 5,000 most common passwords of at least that length.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

PRODUCT_NAME = "latchkey"
TOO_COMMON: Final = "This password is among the most used ones; attackers try those first."
TOO_EASY: Final = (
    "The password must not be your own e-mail address or name or the name of this service, nor one of them reversed,"
    " doubled, or with a few digits or signs around it."
)

_LIST = Path(__file__).with_name("common_passwords.txt")
_SHORTEST_WORD = 4
_MOST_SIGNS = 4
_MOST_SIGNS_OF_PRODUCT = 8
_SIGNS = re.compile(r"[\W_]+")


def is_common(password: str) -> bool:
    """Whether the password, in whatever case, is on the list or made of the product's name ("Latchkey2026!")."""
    lowered = password.lower()
    if "\n" in lowered:
        return False
    line = b"\n%b\n" % lowered.encode("utf-8", errors="surrogatepass")
    return line in load() or _is_made_of(lowered, PRODUCT_NAME, _MOST_SIGNS_OF_PRODUCT)


def is_context_word(password: str, words: Iterable[str]) -> bool:
    """Whether the password, in whatever case, is made of one of the words.

    The words are what an attacker tries first for this one user: the e-mail address, the user name, the name and the
    product's name. A word counts as a whole. So do both sides of an @, with and without signs, and every part between
    signs, if they have at least 4 characters. The password is made of a word if it is the word, or the word reversed,
    doubled or both, with up to 4 digits or signs before it and up to 4 after it. A password that only contains a word
    is accepted.
    """
    folded = password.casefold()
    return any(_is_made_of(folded, form, _MOST_SIGNS) for word in words for form in _forms(word.casefold()))


@cache
def load() -> bytes:
    """The list as one bytes object, read at the first call; after a call before the fork, all workers share it.

    It is searched in the form of the file: 0.4 MB, 1 ms to load and 0.1 ms per look-up. Only new passwords pay for
    that, next to a hash of 200 ms. A frozenset of the same lines takes 5 MB more and 6 ms to build.
    """
    return b"\n" + _LIST.read_bytes()


def _forms(word: str) -> set[str]:
    """What people make of a word ("ann.lee@example.com": "ann.lee", "annlee", "example" and so on)."""
    sides = {word, *word.split("@")}
    forms = sides | {_SIGNS.sub("", side) for side in sides} | set(_SIGNS.split(word))
    return {form for form in forms if len(form) >= _SHORTEST_WORD}


def _is_made_of(password: str, word: str, most_signs: int) -> bool:
    backwards = word[::-1]
    return any(_is_surrounded(password, core, most_signs) for core in (word, backwards, word * 2, backwards * 2))


def _is_surrounded(password: str, core: str, most_signs: int) -> bool:
    """Whether the password is the core, with at most `most_signs` characters on either side, none of them a letter.

    For most passwords their length alone decides; the others cost a few comparisons.
    """
    spare = len(password) - len(core)
    return any(
        password.startswith(core, before)
        and not any(map(str.isalpha, password[:before] + password[before + len(core) :]))
        for before in range(max(0, spare - most_signs), min(spare, most_signs) + 1)
    )
