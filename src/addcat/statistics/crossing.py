"""Examples that share a part of their inputs, as all ratings of one user or of one item do, are not independent.

With users in the rows and items in the columns, a difference between two networks is d_ui = m + a_u + b_i + e_ui, and
the mean over examples varies by which users and which items were drawn. Sums over whole groups are what is independent
(Cameron, Gelbach and Miller 2011, for groups that cross):

    V_c = G / (G - 1) sum_g (sum of d - mean d over the examples of group g)² / n²
    V   = V_users + V_items - V_examples

Of more than two ways to group, V = sum_i V_i - (k - 1) V_examples, where no two groups have more than an example in
common.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from addcat.statistics.interval import Float64

Labels = NDArray[np.int64]


def crossing(values: Float64, distinct: Labels, crossed: Sequence[Labels]) -> float:
    """How many times larger the variance of a mean is than if distinct examples were independent.

    Args:
        values: One for each example, of shape (examples,).
        distinct: A number for each example, the same for repeats.
        crossed: Ways to group the examples: for each a number for each example, the same within a group.

    Returns:
        V / V_examples, 1 or more; 1 where nothing is shared, or the values do not vary.

    Examples:
        Four users who rated three items each, and differ in nothing but who they are:

        >>> users, items = np.divmod(np.arange(12), 3)
        >>> round(crossing(users.astype(float), np.arange(12), [users, items]), 2)
        2.67
        >>> crossing(np.arange(12.0), np.arange(12), [])
        1.0
    """
    whole = _grouped(values, distinct)
    if not crossed or not whole > 0:
        return 1.0
    shared = sum(_grouped(values, labels) for labels in crossed)
    return max(1.0, (shared - (len(crossed) - 1) * whole) / whole)


def _grouped(values: Float64, labels: Labels) -> float:
    """Variance of the mean where groups are independent."""
    groups = int(labels.max()) + 1
    if groups < 2:
        return 0.0
    sums = np.bincount(labels, weights=values - values.mean(), minlength=groups)
    return groups / (groups - 1) * float((sums**2).sum()) / values.size**2
