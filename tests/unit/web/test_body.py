"""A body is read in one way only; everything that could be read in another is refused."""

from __future__ import annotations

import io
import itertools
import json
import math
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask, request
from gunicorn.http.errors import InvalidChunkSize
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import Field
from werkzeug.exceptions import ClientDisconnected

from app.accounts.fields import InputRules
from app.accounts.inputs import Register
from app.platform.errors import MalformedJson, PayloadTooLarge, UnsupportedMediaType, ValidationFailed
from app.platform.strict_json import DEEPEST, parse_json
from app.sessions.inputs import Login
from app.web.body import read_body, read_query
from app.web.input import Body, Query
from app.web.paging import Page

if TYPE_CHECKING:
    from collections.abc import Mapping

RULES = InputRules()
INT64 = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(codec="utf-8"))
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | INT64 | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def depth_of(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth_of, value), default=0)
    return 0


def with_decimals(value: Any) -> Any:
    """The value as it is read: what was written with a point or an exponent is a Decimal."""
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, list):
        return [with_decimals(item) for item in value]
    if isinstance(value, dict):
        return {key: with_decimals(item) for key, item in value.items()}
    return value


def is_refused(raw: bytes) -> bool:
    try:
        parse_json(raw)
    except MalformedJson:
        return True
    return False


@given(VALUES, st.booleans())
def test_any_value_is_read_as_it_was_written(value: Any, ascii_only: bool) -> None:  # noqa: FBT001 - given by hypothesis
    raw = json.dumps(value, ensure_ascii=ascii_only).encode()

    assert parse_json(raw) == with_decimals(value)


@given(st.binary() | st.text('[]{}",:0123456789eE+-. \\u\ntrufalsn').map(str.encode))
@example(b"1e-99999999999999999999")
@example(b"0e99999999999999999999")
@example(b"[" * 5000)
def test_any_bytes_are_malformed_or_the_value_that_another_parser_reads(raw: bytes) -> None:
    if not is_refused(raw):
        assert parse_json(raw) == json.loads(raw, parse_float=Decimal)


@given(st.integers())
@example(2**63 - 1)
@example(-(2**63))
@example(2**63)
@example(-(2**63) - 1)
@example(10**19)
@example(-(10**19))
def test_an_integer_has_to_fit_into_signed_64_bits(number: int) -> None:
    assert is_refused(str(number).encode()) == (not -(2**63) <= number < 2**63)


@pytest.mark.parametrize("digits", [20, 21, 4_000, 5_000, 60_000])
def test_a_longer_integer_is_refused_whatever_its_length(digits: int) -> None:
    assert is_refused(b"9" * digits)
    assert is_refused(b'{"a": -' + b"9" * digits + b"}")


@given(st.from_regex(r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,5})?", fullmatch=True))
@example("1e400")
@example("1e308")
@example("1.8e308")
@example("-1e400")
@example("1e-400")
@example("0e400")
def test_a_number_with_a_point_or_exponent_is_exact_or_beyond_a_double(text: str) -> None:
    if not set(text) & set(".eE"):
        return
    if math.isinf(float(text)):
        assert is_refused(text.encode())
    else:
        assert parse_json(text.encode()) == Decimal(text)
        assert isinstance(parse_json(text.encode()), Decimal)


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b" ", b"NaN", b"Infinity", b"-Infinity", b"[NaN]", b"nan", b"True", b"None", b"// x\n1", b"/* x */1"),
        *(
            b"1,",
            b"[1,]",
            b'{"a":1,}',
            b"'a'",
            b"{a:1}",
            b"{} {}",
            b"{}x",
            b'"a',
            b'"\x00"',
            b'"\n"',
            b'"\\x41"',
            b'"\\u12"',
        ),
        *(b"01", b"+1", b".5", b"1.", b"0x1", b"1_0", b"\x00", b"{}\x00", b"\xc2\xa0{}", b"\x0b{}"),
        *(b"\xef\xbb\xbf{}", "{}".encode("utf-16"), "{}".encode("utf-32-le")),
        *(b'"\xff"', b'"\xc0\x80"', b'"\xed\xa0\x80"', b'"\xe9"', b'"\xf0\x9f\x98"', "{}".encode("utf-16-le")),
        *(b'{"a":"b"', b"{}{}", '{"a":٣}'.encode(), b'{"a":1e999999999}', b'{"a":-Infinity}', b"[" * 60_000),
    ],
)
def test_what_rfc_8259_does_not_know_is_refused(raw: bytes) -> None:
    assert is_refused(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b" \t\r\n{ } \n",
        b"null",
        b'"\\ud83d\\ude00"',
        b'"\xf0\x9f\x98\x80"',
        b"-0",
        b'"\\u0000"',
        b'{"":1}',
        b'{"x":{"a":1},"y":{"a":1}}',
    ],
)
def test_what_rfc_8259_knows_is_read(raw: bytes) -> None:
    assert parse_json(raw) == json.loads(raw)


@pytest.mark.parametrize(
    "raw",
    [b'{"a":1,"a":1}', b'{"a":1,"b":2,"a":null}', b'{"a":1,"\\u0061":2}', b'[{"x":{"a":1,"a":2}}]', b'{"":1,"":2}'],
)
def test_a_key_stands_once_in_an_object(raw: bytes) -> None:
    assert is_refused(raw)


def test_keys_that_differ_in_case_or_normal_form_are_different_keys() -> None:
    assert parse_json('{"a":1,"A":2,"é":3,"e\u0301":4}'.encode()) == {"a": 1, "A": 2, "é": 3, "e\u0301": 4}


@pytest.mark.parametrize(
    "raw",
    [
        b'"\\ud800"',
        b'"\\udc00"',
        b'"\\ude00\\ud83d"',
        b'["a\\ud800b"]',
        b'{"\\udfff":1}',
        b'{"a":{"b":["\\ud83d"]}}',
        b'{"a":"\\ud83dx\\ude00"}',
    ],
)
def test_a_lone_surrogate_is_refused_in_values_and_keys(raw: bytes) -> None:
    assert is_refused(raw)


@pytest.mark.parametrize("depth", [DEEPEST + 1, 500, 5_000, 32_000])
@pytest.mark.parametrize(("opening", "inside", "closing"), [("[", "", "]"), ('{"a":', "1", "}"), ('[{"a":', "1", "}]")])
def test_nesting_deeper_than_32_levels_is_refused(depth: int, opening: str, inside: str, closing: str) -> None:
    levels = opening.count("[") + opening.count("{")
    for number in {depth // levels + 1, depth}:
        with pytest.raises(MalformedJson, match="deeper than 32 levels"):
            parse_json((opening * number + inside + closing * number).encode())


@pytest.mark.parametrize(("opening", "inside", "closing"), [("[", "", "]"), ('{"a":', "1", "}")])
def test_the_outermost_of_32_levels_counts(opening: str, inside: str, closing: str) -> None:
    raw = opening * DEEPEST + inside + closing * DEEPEST

    assert depth_of(parse_json(raw.encode())) == 32


@given(st.lists(st.integers(0, 40), max_size=5))
def test_the_deepest_branch_decides_wherever_it_stands(depths: list[int]) -> None:
    raw = ("[" + ",".join("[" * depth + "]" * depth if depth else "0" for depth in depths) + "]").encode()

    assert is_refused(raw) == (1 + max(depths, default=0) > DEEPEST)


class Sample(Body):
    """A body with what later bodies will hold."""

    text: str = Field(default="a", min_length=1, max_length=3)
    flag: bool = False
    number: int = Field(default=1, ge=1, le=5)
    texts: list[str] = Field(default=[])
    inner: dict[str, str] = Field(default={})


FLASK = Flask(__name__)


def read(
    raw: bytes | None,
    content_type: str | None = "application/json",
    model: type[Body] = Sample,
    limit: int = 1000,
    **environ: Any,
) -> Body:
    FLASK.config["MAX_CONTENT_LENGTH"] = limit
    with FLASK.test_request_context("/", method="POST", data=raw, content_type=content_type, environ_overrides=environ):
        return read_body(request, model, RULES)


def wrong(raw: bytes) -> list[tuple[str, str, str]]:
    with pytest.raises(ValidationFailed) as refused:
        read(raw, limit=100_000)
    return [(error.field, error.code, error.message) for error in refused.value.fields]


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        'application/json;charset="UTF-8"',
        "application/json; x=y",
    ],
)
def test_a_body_is_json_in_utf_8(content_type: str) -> None:
    assert read(b'{"text":"b"}', content_type) == Sample(text="b")


@pytest.mark.parametrize(
    "content_type",
    [
        *("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/json", "json"),
        *("application/problem+json", "application/jsonx", "*/*", "", None),
        *("application/json; charset=latin-1", "application/json; charset=utf-16"),
    ],
)
def test_a_body_of_another_type_is_refused(content_type: str | None) -> None:
    with pytest.raises(UnsupportedMediaType):
        read(b'{"text":"b"}', content_type)


def test_a_request_without_a_body_needs_no_type_and_lacks_its_fields() -> None:
    assert read(None, None) == Sample()
    with pytest.raises(ValidationFailed) as refused:
        read(None, None, Login)
    assert [error.field for error in refused.value.fields] == ["login", "password"]


def test_an_empty_body_of_json_is_an_empty_object_where_the_body_may_be_left_out() -> None:
    assert read(b"") == Sample()
    with pytest.raises(MalformedJson):
        read(b"", "application/json", Login)
    with pytest.raises(UnsupportedMediaType):
        read(b"", "text/plain")


def test_the_error_for_a_form_says_what_curl_has_to_add() -> None:
    with pytest.raises(UnsupportedMediaType, match='With curl, add -H "Content-Type: application/json"'):
        read(b'{"text":"b"}', "application/x-www-form-urlencoded")


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate", "x", "identity, gzip", "GZIP"])
def test_a_body_in_a_content_coding_is_refused_as_such(coding: str) -> None:
    with pytest.raises(UnsupportedMediaType, match="without a Content-Encoding"):
        read(b"\x1f\x8b", HTTP_CONTENT_ENCODING=coding)
    assert read(None, None, HTTP_CONTENT_ENCODING=coding) == Sample()


def test_a_body_in_no_coding_may_say_so() -> None:
    assert read(b'{"text":"b"}', HTTP_CONTENT_ENCODING="Identity") == Sample(text="b")


def test_a_body_may_be_as_long_as_the_limit_and_no_longer() -> None:
    exactly = b'{"text":"b"}'.ljust(1000)

    assert read(exactly) == Sample(text="b")
    with pytest.raises(PayloadTooLarge):
        read(exactly + b" ")


def test_the_same_holds_for_a_body_whose_length_is_not_announced() -> None:
    exactly = b'{"text":"b"}'.ljust(1000)

    for raw, fits in ((exactly, True), (exactly[:999], True), (exactly + b" ", False), (exactly * 100, False)):
        environ: dict[str, Any] = {
            "wsgi.input": io.BytesIO(raw),
            "wsgi.input_terminated": True,
            "HTTP_TRANSFER_ENCODING": "chunked",
        }
        if fits:
            assert read(b"", **environ) == Sample(text="b")
        else:
            with pytest.raises(PayloadTooLarge):
                read(b"", **environ)


def test_a_body_that_ends_too_early_is_malformed() -> None:
    for announced, gunicorn in itertools.product(("12", "13", "999"), (True, False)):
        environ: dict[str, Any] = {"wsgi.input": io.BytesIO(b'{"text":"b"'), "CONTENT_LENGTH": announced}
        environ["wsgi.input_terminated"] = gunicorn  # gunicorn's stream ends by itself
        with pytest.raises(MalformedJson, match="ended before its announced length"):
            read(b"", **environ)


class Broken(io.RawIOBase):
    """A connection on which something goes wrong."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def readable(self) -> bool:
        return True

    def readinto(self, _: Any, /) -> int:
        raise self.error


@pytest.mark.parametrize(
    ("error", "message"),
    [(InvalidChunkSize(b"zz"), "chunks"), (ClientDisconnected(), "ended before"), (OSError("reset"), "ended before")],
    ids=["chunk", "disconnected", "reset"],
)
def test_a_body_that_cannot_be_read_to_its_end_is_malformed(error: Exception, message: str) -> None:
    environ: dict[str, Any] = {"wsgi.input": Broken(error), "CONTENT_LENGTH": "12"}

    with pytest.raises(MalformedJson, match=message):
        read(b"", **environ)


def test_every_wrong_field_is_reported_with_a_code_and_what_would_be_right() -> None:
    raw = b'{"text":"","flag":"yes","number":9,"texts":{"a":1},"inner":[],"$where":1,"_id":2}'

    assert wrong(raw) == [
        ("text", "too_short", "This has at least 1 character."),
        ("flag", "invalid_type", "This has to be true or false."),
        ("number", "too_large", "This is at most 5."),
        ("texts", "invalid_type", "This has to be a list."),
        ("inner", "invalid_type", "This has to be an object."),
        ("$where", "unknown_field", "There is no such field here."),
        ("_id", "unknown_field", "There is no such field here."),
    ]


@pytest.mark.parametrize(
    ("raw", "field", "code", "message"),
    [
        (b'{"text":"long"}', "text", "too_long", "This has at most 3 characters."),
        (b'{"text":1}', "text", "invalid_type", "This has to be a string."),
        (b'{"text":null}', "text", "invalid_type", "This has to be a string."),
        (b'{"number":0}', "number", "too_small", "This is at least 1."),
        (b'{"number":"1"}', "number", "invalid_type", "This has to be an integer."),
        (b'{"number":1.5}', "number", "invalid_type", "This has to be an integer."),
        (b'{"number":1.0}', "number", "invalid_type", "This has to be an integer."),
        (b'{"number":true}', "number", "invalid_type", "This has to be an integer."),
        (b'{"flag":1}', "flag", "invalid_type", "This has to be true or false."),
        (b'{"texts":["a",1]}', "texts.1", "invalid_type", "This has to be a string."),
        (b'{"inner":{"a":{}}}', "inner.a", "invalid_type", "This has to be a string."),
        (b"[]", "body", "invalid_type", "This has to be an object."),
        (b"null", "body", "invalid_type", "This has to be an object."),
        (b'"x"', "body", "invalid_type", "This has to be an object."),
        (b"1.5", "body", "invalid_type", "This has to be an object."),
    ],
)
def test_a_wrong_value_is_reported_in_the_words_of_this_service(
    raw: bytes, field: str, code: str, message: str
) -> None:
    assert wrong(raw) == [(field, code, message)]


def test_a_field_that_is_missing_is_required() -> None:
    with pytest.raises(ValidationFailed) as refused:
        read(b'{"username":"ann"}', model=Login)

    assert [(error.field, error.code, error.message) for error in refused.value.fields] == [
        ("password", "required", "This field is required.")
    ]


def test_the_rules_of_the_settings_hold_for_a_body() -> None:
    with pytest.raises(ValidationFailed) as refused:
        read(b'{"email":"x","username":"a","password":"short"}', model=Register)

    assert {error.field: error.code for error in refused.value.fields} == {
        "email": "invalid_email",
        "username": "too_short",
        "password": "too_short",
    }


@given(st.dictionaries(TEXT.filter(lambda name: name not in Sample.model_fields), TEXT, min_size=1, max_size=5))
def test_an_unknown_field_is_reported_by_the_start_of_its_name_and_never_by_its_value(
    fields: dict[str, str],
) -> None:
    planted = {name: f"planted {value}" for name, value in fields.items()}

    found = wrong(json.dumps(planted).encode())

    assert [field for field, _, _ in found] == [name[:64] or "body" for name in planted]
    assert "planted" not in "".join(message for _, _, message in found)


def test_of_very_many_wrong_fields_a_hundred_are_reported_known_ones_first() -> None:
    names = [f"x{number}" for number in range(5000)]
    told = wrong(json.dumps(dict.fromkeys(names, 1) | {"number": 9}).encode())

    assert [field for field, _, _ in told] == ["number", *names[:99]]


def test_of_a_long_name_the_beginning_is_reported() -> None:
    assert wrong(b'{"' + b"x" * 50_000 + b'":1}') == [("x" * 64, "unknown_field", "There is no such field here.")]


class Counted(Query):
    """A query with a number that has no rule of its own."""

    number: int = 1


def test_a_malformed_number_in_a_query_is_reported() -> None:
    with FLASK.test_request_context("/?number=x"), pytest.raises(ValidationFailed) as refused:
        read_query(request, Counted, RULES)

    assert [(error.field, error.code) for error in refused.value.fields] == [("number", "invalid_type")]


def read_page(query: Mapping[str, str | list[str]] | str) -> Page:
    with FLASK.test_request_context("/", query_string=query):
        return read_query(request, Page, RULES)


def test_a_query_is_read_as_its_model_and_a_token_in_it_is_left_alone() -> None:
    assert read_page("limit=7&access_token=x&token=1&token=2&x-access-token=x").limit == 7
    assert read_page("").limit == 50


def test_all_errors_in_a_query_are_reported_at_once_with_unknown_parameters() -> None:
    with pytest.raises(ValidationFailed) as refused:
        read_page("limit=0&cursor=a&cursor=b&page=2&page=3")

    assert {(error.field, error.code) for error in refused.value.fields} == {
        ("limit", "too_small"),
        ("cursor", "repeated"),
        ("page", "unknown_field"),
    }
    with pytest.raises(ValidationFailed) as refused:
        read_page("&".join(f"{'x' * 100}{number}=1" for number in range(200)))
    assert len(refused.value.fields) == 100
    assert {len(error.field) for error in refused.value.fields} == {64}


def test_a_field_of_a_query_stands_once() -> None:
    for query in ("limit=1&limit=1", "limit=1&limit=2&cursor=a&cursor=a"):
        with pytest.raises(ValidationFailed) as refused:
            read_page(query)
        assert {error.code for error in refused.value.fields} == {"repeated"}
        assert {error.field for error in refused.value.fields} == {
            name for name in ("limit", "cursor") if f"{name}=" in query
        }


@pytest.mark.parametrize(
    ("query", "field", "code"),
    [
        ("limit=x", "limit", "invalid_type"),
        ("limit", "limit", "invalid_type"),
        ("limit=0", "limit", "too_small"),
        ("limit=201", "limit", "too_large"),
        ("limit=%FF", "limit", "invalid_type"),
        ("limit=99999999999999999999", "limit", "invalid_type"),
        ("cursor=%00", "cursor", "invalid_cursor"),
        ("cursor=%ED%A0%80", "cursor", "invalid_cursor"),
    ],
)
def test_a_wrong_value_in_a_query_is_reported(query: str, field: str, code: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        read_page(query)

    assert [(error.field, error.code) for error in refused.value.fields] == [(field, code)]
