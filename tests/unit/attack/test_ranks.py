"""The rank test agrees with SciPy's."""

import random

import pytest
from scipy.stats import mannwhitneyu

from attack.ranks import two_sided_p


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("digits", [0, 1, 9])
def test_it_gives_the_p_of_scipy_with_and_without_ties(seed: int, digits: int) -> None:
    values = random.Random(seed)  # noqa: S311 - no secret is made of it
    first = [round(values.gauss(0, 1), digits) for _ in range(8 + seed)]
    second = [round(values.gauss(seed / 10, 2), digits) for _ in range(40)]
    expected = mannwhitneyu(first, second, method="asymptotic").pvalue
    assert two_sided_p(first, second) == pytest.approx(expected)
    assert two_sided_p(second, first) == pytest.approx(expected)


def test_samples_of_one_value_do_not_differ() -> None:
    assert two_sided_p([1.0] * 8, [1.0] * 8) == 1.0
