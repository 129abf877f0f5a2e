"""A price is given back as the JSON number that it is, whatever a binary float makes of it on the way."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from app.samples.products.model import SampleProduct
from app.samples.products.views import ProductView


def shown(price: Decimal) -> str:
    """The price as it stands in the JSON of a product."""
    product = SampleProduct("p", "u", "Lamp", price, None, datetime(2026, 1, 31, tzinfo=UTC))
    found: str = json.loads(ProductView.of(product).model_dump_json(), parse_float=str, parse_int=str)["price"]
    return found


@pytest.mark.parametrize(
    ("price", "text"),
    [
        ("0.00", "0"),
        ("0.01", "0.01"),
        ("0.10", "0.1"),
        ("19.99", "19.99"),
        ("100.00", "100"),
        ("999999999.99", "999999999.99"),
        ("1000000000.00", "1000000000"),
    ],
)
def test_a_price_is_shown_in_the_digits_that_it_has(price: str, text: str) -> None:
    assert shown(Decimal(price)) == text


def test_no_price_is_changed_by_being_shown() -> None:
    numbers = random.Random(1)  # noqa: S311 - prices, not secrets
    near_the_ends = [*range(2000), *range(10**11 - 2000, 10**11 + 1)]
    for cents in [*near_the_ends, *(numbers.randrange(10**11) for _ in range(4000))]:
        price = Decimal(cents).scaleb(-2)
        assert Decimal(shown(price)) == price
