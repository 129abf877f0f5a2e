"""Mailed tokens and codes: computed, bound to purpose, owner and code, and in one form only."""

import base64
import re

import pytest

from app.platform.identifiers import new_id
from app.security import codes
from app.security.codes import Purpose
from app.security.secret_keys import SecretKeys

PURPOSES: tuple[Purpose, ...] = ("verify", "change", "register", "reset", "undo")
SECRETS = SecretKeys("kX9vQ2mZ7tR4wL8pN3yB6hJ1sD5fG0aC-uE_iO")
OWNER, CODE = new_id(), new_id()


def genuine(token: str, purpose: Purpose, secrets: SecretKeys = SECRETS) -> bool:
    parsed = codes.parse_token(token)
    return parsed is not None and codes.is_genuine(parsed, purpose, secrets)


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_token_names_its_owner_and_is_genuine_only_for_its_purpose(purpose: Purpose) -> None:
    token = codes.make_token(SECRETS.current, purpose, OWNER, CODE)
    parsed = codes.parse_token(token)
    assert parsed is not None
    assert (parsed.owner_id, parsed.code_id) == (OWNER, CODE)
    assert [other for other in PURPOSES if genuine(token, other)] == [purpose]


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_code_is_valid_only_for_its_purpose_owner_and_identifier(purpose: Purpose) -> None:
    code = codes.make_code(SECRETS.current, purpose, OWNER, CODE)
    assert [other for other in PURPOSES if codes.is_code(code, other, OWNER, CODE, SECRETS)] == [purpose]
    assert not codes.is_code(code, purpose, new_id(), CODE, SECRETS)
    assert not codes.is_code(code, purpose, OWNER, new_id(), SECRETS)


def test_a_code_is_eight_letters_of_crockford_in_two_groups() -> None:
    made = {codes.make_code(SECRETS.current, "reset", OWNER, new_id()) for _ in range(200)}
    assert len(made) == 200
    assert all(re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}", code) for code in made)
    assert set("".join(made)) == set("0123456789ABCDEFGHJKMNPQRSTVWXYZ-")


def test_a_code_is_accepted_as_people_type_it() -> None:
    code = codes.make_code(SECRETS.current, "reset", OWNER, CODE)
    mistaken = code.replace("0", "o").replace("1", "l")
    for typed in (code, code.lower(), code.replace("-", ""), f"  {code} ", code.replace("-", " - "), mistaken):
        assert codes.is_code(typed, "reset", OWNER, CODE, SECRETS), typed


@pytest.mark.parametrize(
    "typed",
    ["", "-", "0000-000", "0000-00000", "ÖÖÖÖ-ÖÖÖÖ", "\u0660\u0660\u0660\u0660-\u0660\u0660\u0660\u0660", "0000\0000"],
)
def test_malformed_codes_are_refused(typed: str) -> None:
    assert not codes.is_code(typed, "reset", OWNER, CODE, SECRETS)


def test_every_altered_character_of_a_token_is_noticed() -> None:
    token = codes.make_token(SECRETS.current, "reset", OWNER, CODE)
    for place, character in enumerate(token):
        altered = token[:place] + ("A" if character != "A" else "B") + token[place + 1 :]
        assert not genuine(altered, "reset"), place


@pytest.mark.parametrize(
    "alter", [lambda t: t[:-1], lambda t: t + "=", lambda t: t + "A", lambda t: t + "\n", str.upper]
)
def test_a_token_in_another_form_is_invalid(alter: object) -> None:
    assert callable(alter)
    assert not genuine(alter(codes.make_token(SECRETS.current, "reset", OWNER, CODE)), "reset")


def test_a_token_of_another_version_is_invalid() -> None:
    content = bytearray(base64.urlsafe_b64decode(codes.make_token(SECRETS.current, "reset", OWNER, CODE)))
    content[1] += 1
    assert codes.parse_token(base64.urlsafe_b64encode(content).decode()) is None


def test_another_secret_makes_other_tokens_and_codes() -> None:
    other = SecretKeys("another secret of the same length, 0123456")
    token, code = (make(SECRETS.current, "reset", OWNER, CODE) for make in (codes.make_token, codes.make_code))
    assert not genuine(token, "reset", other)
    assert not codes.is_code(code, "reset", OWNER, CODE, other)


def test_what_a_former_secret_made_is_valid_while_it_is_a_fallback() -> None:
    token, code = (make(SECRETS.current, "reset", OWNER, CODE) for make in (codes.make_token, codes.make_code))
    rotated = SecretKeys("another secret of the same length, 0123456", ["kX9vQ2mZ7tR4wL8pN3yB6hJ1sD5fG0aC-uE_iO"])
    assert genuine(token, "reset", rotated)
    assert codes.is_code(code, "reset", OWNER, CODE, rotated)


def test_the_mac_is_not_shown() -> None:
    parsed = codes.parse_token(codes.make_token(SECRETS.current, "reset", OWNER, CODE))
    assert parsed is not None
    assert "mac" not in repr(parsed)
