"""A refresh token is computed from its session, has one form, and belongs to one session, generation and secret."""

from __future__ import annotations

import hmac
import string
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from app.security.secret_keys import RootKey, SecretKeys
from app.sessions import refresh_tokens

if TYPE_CHECKING:
    from uuid import UUID

SECRET = "a secret of some length, not in use"
ROOT = RootKey(SECRET)
ROOTS = SecretKeys(SECRET)
SESSION = "019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7a"
SEED = bytes(range(32))
GENERATIONS = st.integers(0, 2**32 - 1)


@given(st.uuids(), GENERATIONS, st.binary(min_size=32, max_size=32))
def test_a_refresh_token_has_72_characters_in_the_one_encoding_of_its_fields(
    session: UUID, generation: int, seed: bytes
) -> None:
    token = refresh_tokens.make(ROOT, str(session), generation, seed)
    content = urlsafe_b64decode(token)

    assert len(token) == 72
    assert urlsafe_b64encode(content).decode() == token
    assert "=" not in token
    fields, mac = content[:22], content[22:]
    assert fields == b"\0\1" + session.bytes + generation.to_bytes(4, "big")
    assert mac == hmac.digest(ROOT.derive("latchkey refresh token"), fields + seed, sha256)


def test_the_same_session_and_generation_give_the_same_token_on_every_instance() -> None:
    other = RootKey("a secret of some length, not in use")

    assert refresh_tokens.make(ROOT, SESSION, 3, SEED) == refresh_tokens.make(other, SESSION, 3, SEED)


def test_another_session_generation_seed_or_secret_gives_another_proof() -> None:
    tokens = [
        refresh_tokens.make(ROOT, SESSION, 3, SEED),
        refresh_tokens.make(ROOT, SESSION.replace("019a", "019b"), 3, SEED),
        refresh_tokens.make(ROOT, SESSION, 4, SEED),
        refresh_tokens.make(ROOT, SESSION, 3, SEED[::-1]),
        refresh_tokens.make(RootKey("another secret of some length"), SESSION, 3, SEED),
    ]

    assert len({urlsafe_b64decode(token)[22:] for token in tokens}) == len(tokens)


@given(st.uuids(), GENERATIONS)
def test_a_token_that_was_made_here_can_be_read_and_is_genuine(session: UUID, generation: int) -> None:
    token = refresh_tokens.parse(refresh_tokens.make(ROOT, str(session), generation, SEED))

    assert token is not None
    assert (token.session_id, token.generation) == (str(session), generation)
    assert refresh_tokens.is_genuine(token, SEED, ROOTS)


def test_a_token_with_any_bit_flipped_is_not_genuine() -> None:
    content = urlsafe_b64decode(refresh_tokens.make(ROOT, SESSION, 3, SEED))
    for bit in range(len(content) * 8):
        altered = bytearray(content)
        altered[bit // 8] ^= 1 << bit % 8
        token = refresh_tokens.parse(urlsafe_b64encode(altered).decode())
        # The first two bytes are the version.
        assert (token is None) == (bit < 16), bit
        assert token is None or not refresh_tokens.is_genuine(token, SEED, ROOTS), bit


def test_another_seed_or_secret_does_not_make_it_genuine() -> None:
    token = refresh_tokens.parse(refresh_tokens.make(ROOT, SESSION, 3, SEED))

    assert token is not None
    assert not refresh_tokens.is_genuine(token, SEED[::-1], ROOTS)
    assert not refresh_tokens.is_genuine(token, SEED, SecretKeys("another secret of some length"))


def test_a_token_of_a_former_secret_is_genuine_while_that_is_a_fallback() -> None:
    token = refresh_tokens.parse(refresh_tokens.make(ROOT, SESSION, 3, SEED))

    assert token is not None
    assert refresh_tokens.is_genuine(token, SEED, SecretKeys("another secret of some length", ["a third one", SECRET]))


def test_a_token_has_one_form() -> None:
    token = refresh_tokens.make(ROOT, SESSION, 3, SEED)
    others = [
        "", token[:-1], token[:-4], token + "=", token + "AAAA", f" {token}"[:72], f"{token[:-1]} ", f"{token[:-1]}\n",
        f"{token[:-1]}=", f"{token[:-2]}==", f"{token[:-1]}\u00e9", f"{token[:-1]}\uff21",
        f"{token[:-1]}+", f"{token[:-1]}/", f"{token[:-1]}!", f"{token[:-4]}!!!!", f"{token[:36]}!{token[36:71]}",
    ]  # fmt: skip
    assert [other for other in others if refresh_tokens.parse(other) is not None] == []


@given(st.text(string.printable, min_size=72, max_size=72))
def test_whatever_is_read_has_the_one_encoding(text: str) -> None:
    alphabet = set(string.ascii_letters + string.digits + "-_")

    assert refresh_tokens.parse(text) is None or set(text) <= alphabet


def test_the_proof_is_not_shown() -> None:
    token = refresh_tokens.parse(refresh_tokens.make(ROOT, SESSION, 3, SEED))

    assert token is not None
    assert repr(token) == f"RefreshToken(session_id={SESSION!r}, generation=3, of_client=False)"


def test_a_former_version_takes_no_refresh_token_of_a_client() -> None:
    """It knows version 1 alone, and would give a login for it."""
    login, client = (refresh_tokens.make(ROOT, SESSION, 3, SEED, of_client=each) for each in (False, True))
    assert [int.from_bytes(urlsafe_b64decode(token)[:2]) for token in (login, client)] == [1, 2]
    found = refresh_tokens.parse(client)
    assert found is not None
    assert found.of_client
