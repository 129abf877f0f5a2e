"""The catalogue holds every failure once, with what its page needs."""

from __future__ import annotations

import re
from typing import Any

import pytest

from app.platform.errors import CATALOGUE, Failure, FieldError, NotFound

CONTRACT = {
    400: {"malformed_json", "invalid_request", "invalid_host"},
    401: {"invalid_credentials", "missing_token", "invalid_token", "expired_token", "session_ended"},
    403: {"forbidden", "account_disabled"},
    404: {"not_found"},
    405: {"method_not_allowed"},
    409: {"email_taken", "username_taken"},
    413: {"payload_too_large"},
    415: {"unsupported_media_type"},
    422: {"validation_failed"},
    429: {"too_many_requests"},
    500: {"internal_error"},
    503: {"overloaded", "unavailable"},
}
"""The codes of the contract that there are by now, and those of every HTTP service."""


def test_codes_and_statuses_are_those_of_the_contract() -> None:
    by_status: dict[int, set[str]] = {}
    for code, failure in CATALOGUE.items():
        assert failure.code == code
        by_status.setdefault(failure.status, set()).add(code)

    assert {status: codes & by_status.get(status, set()) for status, codes in CONTRACT.items()} == CONTRACT


@pytest.mark.parametrize("failure", CATALOGUE.values(), ids=CATALOGUE.keys())
def test_a_failure_says_what_it_means_and_what_to_do(failure: type[Failure]) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", failure.code)
    for text in (failure.message, failure.meaning, failure.remedy):
        assert text.strip() == text
        assert text.endswith((".", "."))
        assert text[0].isupper()


def test_a_code_belongs_to_one_failure() -> None:
    fields: dict[str, Any] = {"code": "not_found", "status": 404, "message": "", "meaning": "", "remedy": ""}

    with pytest.raises(TypeError, match="two failures share the code 'not_found'"):
        type("Another", (Failure,), fields)
    assert CATALOGUE["not_found"] is NotFound


def test_a_failure_is_raised_with_its_own_message_or_another() -> None:
    plain = NotFound()
    told = NotFound("Gone.", fields=(FieldError("a", "b", "c"),), retry_after=3)

    assert (str(plain), plain.message, plain.fields, plain.retry_after) == (
        NotFound.message,
        NotFound.message,
        (),
        None,
    )
    assert (str(told), told.message, told.retry_after) == ("Gone.", "Gone.", 3)
    assert NotFound().message == NotFound.message != "Gone."
