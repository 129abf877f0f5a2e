"""What a product may be: above all, that a price comes in exactly as it was written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from app.accounts.fields import InputRules
from app.platform.errors import MalformedJson, ValidationFailed
from app.platform.strict_json import parse_json
from app.samples.products.inputs import CreateProduct
from app.web.body import validate

if TYPE_CHECKING:
    from decimal import Decimal


def read(**fields: Any) -> CreateProduct:
    return validate({"name": "Lamp", "price": 1} | fields, CreateProduct, InputRules())


def price_of(written: str) -> Decimal:
    """The price that is read from this JSON number."""
    return validate(parse_json(f'{{"name": "Lamp", "price": {written}}}'.encode()), CreateProduct, InputRules()).price


def refused(written: str) -> tuple[str, str]:
    """The field that is wrong, and how."""
    with pytest.raises(ValidationFailed) as failed:
        price_of(written)
    (error,) = failed.value.fields
    return error.field, error.code


@pytest.mark.parametrize(
    ("written", "price"),
    [
        ("0", "0.00"),
        ("0.1", "0.10"),
        ("0.29", "0.29"),
        ("19.99", "19.99"),
        ("4.350", "4.35"),
        ("1e2", "100.00"),
        ("1.5E1", "15.00"),
        ("1999e-2", "19.99"),
        ("1000000000", "1000000000.00"),
        ("1e9", "1000000000.00"),
        ("999999999.99", "999999999.99"),
        ("-0", "0.00"),
        ("-0.0", "0.00"),
        ("0e-999999", "0.00"),
        ('"0"', "0.00"),
        ('"0.5"', "0.50"),
        ('"19.99"', "19.99"),
        ('"1000000000.00"', "1000000000.00"),
    ],
)
def test_a_price_is_taken_exactly_with_two_places(written: str, price: str) -> None:
    assert str(price_of(written)) == price


@pytest.mark.parametrize(
    "written",
    [
        "0.001",
        "0.30000000000000004",
        "19.999",
        "1e-3",
        "1e-300",
        "0.1000000000000000055511151231257827021181583404541015625",
    ],
)
def test_a_price_of_more_places_is_refused_and_not_rounded(written: str) -> None:
    assert refused(written) == ("price", "too_many_places")


@pytest.mark.parametrize(
    "written", ["1000000000.01", "1000000001", "1e10", "1e308", '"1000000000.01"', f'"{"9" * 5000}"']
)
def test_a_price_above_the_highest_is_refused(written: str) -> None:
    assert refused(written) == ("price", "too_large")


@pytest.mark.parametrize("written", ["-1", "-0.01", "-1e9"])
def test_a_negative_price_is_refused(written: str) -> None:
    assert refused(written) == ("price", "too_small")


@pytest.mark.parametrize(
    "text",
    [
        "", " ", " 1", "1 ", "1\n", "+1", "-1", "-0", "1e2", "1E2", "NaN", "Infinity", "1.", ".5", "1.999", "01",
        "00.5", "1,5", "1_000", "0x1", "\uff11", "\u0661", "1.\u0665", "1.5.5", "$1", "null", "1\u0000",
    ],
)  # fmt: skip
def test_a_text_that_is_not_written_like_a_price_is_refused(text: str) -> None:
    assert refused(json.dumps(text)) == ("price", "invalid_price")


@pytest.mark.parametrize("written", ["true", "false", "null", "[1]", '{"amount": 1}', "[]"])
def test_only_a_number_is_a_price(written: str) -> None:
    assert refused(written) == ("price", "invalid_type")


@pytest.mark.parametrize("written", ["1e400", "NaN", "Infinity", "-Infinity", "9223372036854775808", "01", "1.", "+1"])
def test_numbers_that_parsers_read_differently_are_refused_before_validation(written: str) -> None:
    with pytest.raises(MalformedJson):
        price_of(written)


def test_a_price_has_to_be_there() -> None:
    with pytest.raises(ValidationFailed) as failed:
        validate({"name": "Lamp"}, CreateProduct, InputRules())
    assert [(error.field, error.code) for error in failed.value.fields] == [("price", "required")]


def test_a_name_is_trimmed_and_counted_in_code_points() -> None:
    assert read(name=f" {'🧮' * 100}\n").name == "🧮" * 100


@pytest.mark.parametrize(
    ("name", "code"), [("", "too_short"), (" \t", "too_short"), ("x" * 101, "too_long"), ("a\u0000b", "invalid_name")]
)
def test_a_wrong_name_is_refused(name: str, code: str) -> None:
    with pytest.raises(ValidationFailed) as failed:
        read(name=name)
    assert [(error.field, error.code) for error in failed.value.fields] == [("name", code)]


@pytest.mark.parametrize("description", [None, "", " as it is ", "two\r\nlines\tof it", "🧮" * 1000])
def test_a_description_is_kept_as_it_is(description: str | None) -> None:
    assert read(description=description).description == description


@pytest.mark.parametrize(
    ("description", "code"), [("x" * 1001, "too_long"), ("a\u0000", "invalid_description"), (1, "invalid_type")]
)
def test_a_description_that_no_store_keeps_is_refused(description: Any, code: str) -> None:
    with pytest.raises(ValidationFailed) as failed:
        read(description=description)
    assert [(error.field, error.code) for error in failed.value.fields] == [("description", code)]
