"""E-mail addresses and user names are compared in one form; identifiers sort by creation."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.platform.identifiers import (
    LONGEST_EMAIL,
    comparable_email,
    email_key,
    is_identifier,
    masked_email,
    new_id,
    parse_email,
    parsing_once,
    username_key,
)

LETTERS = st.characters(codec="ascii", categories=["Ll", "Lu", "Nd"])
ADDRESSES = st.builds(
    "{}@{}.{}".format,
    st.text(LETTERS, min_size=1, max_size=20),
    st.text(st.sampled_from("abzßäöüéñ字Я0129"), min_size=1, max_size=15),
    st.sampled_from(["com", "example", "test", "local", "de", "рф"]),
)


def test_identifiers_are_uuids_that_sort_in_the_order_of_creation() -> None:
    made = [new_id() for _ in range(2000)]

    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert all(UUID(identifier).version == 7 and str(UUID(identifier)) == identifier for identifier in made)


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("ann@example.com", "ann@example.com"),
        (" Ann.B+c@Example.COM\t\n", "ann.b+c@example.com"),
        ("ann@bücher.example", "ann@xn--bcher-kva.example"),
        ("ann@BÜCHER.example", "ann@xn--bcher-kva.example"),
        ("ann@xn--BCHER-kva.example", "ann@xn--bcher-kva.example"),
        ("ann@host.local", "ann@host.local"),
        ("ann@shop.test", "ann@shop.test"),
    ],
)
def test_addresses_are_compared_in_lower_case_and_ascii(address: str, key: str) -> None:
    assert email_key(address) == key


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "ann", "@", "ann@", "@example.com", "a@b@example.com", "ann@example", "ann@localhost"),
        *("ann@-a.example", "änn@example.com", "ann @example.com", "ann@exa mple.com", "ann@example.com\0"),
        *("ann@[127.0.0.1]", "ann@127.0.0.1", '"a b"@example.com', "Ann <ann@example.com>"),
        *("ann@example.com,bob@example.com", "ann\r\nBcc: bob@example.com", "ann@example.invalid"),
        *("x@" + "y" * 64 + ".com", "ann@.example.com", "ann@example..com", "ann@" + "y." * 130 + "com"),
        *("x" * 10**6,),
    ],
    ids=lambda text: text[:20],
)
def test_anything_but_an_address_has_no_key(text: str) -> None:
    assert email_key(text) is None


@given(ADDRESSES)
def test_an_address_and_its_stored_form_are_the_same_address(address: str) -> None:
    key = email_key(address)
    if key is None:
        return
    kept = parse_email(address).normalized

    assert email_key(kept) == email_key(key) == email_key(f" {address} ") == key
    assert key.isascii()
    assert key == key.lower()
    assert len(kept) <= LONGEST_EMAIL


@given(st.text(max_size=300))
def test_any_text_has_a_key_or_none(text: str) -> None:
    for key in (email_key(text), username_key(text)):
        assert key is None or (key.isascii() and key == key.lower() == key.strip())


@pytest.mark.parametrize(("name", "key"), [("Ann", "ann"), (" ann\n", "ann"), ("A.n-N_9", "a.n-n_9")])
def test_user_names_are_compared_in_lower_case(name: str, key: str) -> None:
    assert username_key(name) == key


@pytest.mark.parametrize("name", ["änn", "\uff41nn", "\u212ann", "an\0n", "an\nn", "ann\u200b", "\ud800"])
def test_a_text_that_only_looks_like_a_user_name_has_no_key(name: str) -> None:
    assert username_key(name) is None


@pytest.mark.parametrize(
    ("address", "masked"), [("ann@example.com", "a•••@example.com"), ("a@example.com", "a•••@example.com")]
)
def test_only_its_owner_recognises_a_masked_address(address: str, masked: str) -> None:
    assert masked_email(address) == masked


@given(st.text(max_size=40), st.sampled_from(["", " ", "  ", "\t", "\n", "\u00a0"]))
def test_no_key_ends_with_white_space_which_mariadb_would_ignore(text: str, behind: str) -> None:
    for key in (username_key(text + behind), email_key(f"{text}@example.com{behind}"), comparable_email(text + behind)):
        assert key is None or key == key.strip()


ID = "019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7a"


def test_every_new_identifier_is_valid() -> None:
    assert is_identifier(ID)
    assert is_identifier(new_id())


@pytest.mark.parametrize(
    "written",
    [
        f"{ID} ",
        f" {ID}",
        f"{ID}\t",
        f"{ID}\n",
        f"{ID}\0",
        ID.upper(),
        UUID(ID).hex,
        f"{{{ID}}}",
        f"{ID}x",
        ID[:-1],
        "x",
        "",
    ],
)
def test_an_identifier_in_any_other_form_is_invalid(written: str) -> None:
    assert not is_identifier(written)


@given(ADDRESSES | st.text(max_size=20))
def test_an_address_that_is_parsed_once_has_the_key_that_it_always_has(address: str) -> None:
    key = email_key(address)

    with parsing_once():
        assert [email_key(address), email_key(f" {address} "), email_key(address)] == [
            key,
            email_key(address.strip()),
            key,
        ]


def test_what_was_parsed_is_remembered_until_the_end_of_the_context_and_no_longer() -> None:
    with parsing_once():
        first = parse_email("ann@example.com")
        assert parse_email(" ann@example.com") is first
        assert parse_email("Ann@example.com") is not first
    with parsing_once():
        assert parse_email("ann@example.com") is not first
    assert parse_email("ann@example.com") is not parse_email("ann@example.com")
