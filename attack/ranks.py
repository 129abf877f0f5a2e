"""Whether two samples differ: the rank test of Mann and Whitney (1947), in its normal approximation."""

from __future__ import annotations

import math
from collections import Counter
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

SMALLEST = 8
"""Values in each sample from which on the approximation is good."""


def two_sided_p(first: Sequence[float], second: Sequence[float]) -> float:
    """How probable it is that two samples of one distribution differ by so much (two-sided p, 0 to 1).

    With the correction for ties, and the one for continuity; so it is `scipy.stats.mannwhitneyu(method="asymptotic")`.
    Each sample needs `SMALLEST` values.
    """
    m, n = len(first), len(second)
    total = m + n
    ties = Counter([*first, *second])
    values = sorted(ties)
    last = dict(zip(values, accumulate(ties[value] for value in values), strict=True))
    ranks = {value: last[value] - (ties[value] - 1) / 2 for value in values}
    u = sum(ranks[value] for value in first) - m * (m + 1) / 2
    tied = sum(count**3 - count for count in ties.values()) / (total * (total - 1))
    deviation = math.sqrt(m * n / 12 * (total + 1 - tied))
    if not deviation:
        return 1.0
    z = (abs(u - m * n / 2) - 0.5) / deviation
    return min(1.0, math.erfc(z / math.sqrt(2)))
