"""The arithmetic of the untying score: a direction from one half of the examples, a test on the other.

An Add network is a Concatenate network under W_1 = ... = W_k. Opened by the exact switch, its loss has a gradient
G_i = E[delta x_i'] for each part of the kernel. What the tied kernel could do as well is no reason to untie, so each
branch is first regressed on the sum s and a constant, and only the residual r_i = x_i - B_i s - b_i counts:
E[delta r_i'] = G_i - (sum_j G_j) B_i' - g b_i', with g the gradient of the bias. The step taken is
D_i = -(1 - 1/k) E[delta r_i'] R_i^-1 with R_i = E[r_i r_i'], the input side of a Kronecker-factored natural step
(Martens and Grosse 2015).

Under W_1 = ... = W_k the derivative of the loss along D has mean zero on examples that D has not seen: Rao's score test
in one direction, with the examples' own variance (White 1982), since networks are not at a maximum. Both halves can be
judged, each along the direction of the other, but that is hardly more evidence than one: the slopes' means are
<G_1, G_2 R^-1> and <G_2, G_1 R^-1>, the same number. So their mean is held against the mean of their standard errors,
which is right for estimates that move together and wide for others: in the limit of many examples a test at 5 % errs in
2.0 % of all cases where there is one direction to go, in 4 % where there are four, in 5 % where there are many.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.special
from numpy.typing import NDArray

from addcat.covariance.moments import Moments, branch_slices
from addcat.statistics import Interval, t_interval

Float64 = NDArray[np.float64]
special: Any = scipy.special  # its types are partial

RIDGE = 1e-3
"""Share of the mean residual variance that is added to each, so that directions without variance stay finite."""


@dataclass(frozen=True, slots=True)
class Residual:
    """What is left of one branch x after its regression on the sum s of all.

    Attributes:
        slope: B in x ~ B s + b, of shape (c, c).
        offset: b, of shape (c,).
        inverse: (E[r r'] + ridge)^-1, of shape (c, c).
    """

    slope: Float64
    offset: Float64
    inverse: Float64


@dataclass(frozen=True, slots=True)
class Untying:
    """A change of an untied kernel and its bias.

    Attributes:
        kernel: For all branches, of shape (out, k c, *taps).
        bias: Of shape (out,).
    """

    kernel: Float64
    bias: Float64


def residuals(moments: Moments, arity: int) -> list[Residual]:
    """Regress each branch on the sum of all branches and a constant.

    Args:
        moments: Of the stacked branches, k c channels.
        arity: k.

    Returns:
        One residual for each branch. Directions of the sum without variance explain nothing.

    Examples:
        Of two independent branches of equal variance, half of each is left:

        >>> found = residuals(Moments(101, np.zeros(2), 100 * np.eye(2)), 2)
        >>> found[0].slope.item(), round(1 / found[0].inverse.item(), 2)
        (0.5, 0.5)
    """
    places, cov = branch_slices([len(moments.mean) // arity] * arity), moments.cov
    with_sum = np.sum([cov[:, place] for place in places], axis=0)
    variance = np.sum([with_sum[place] for place in places], axis=0)
    mean = np.sum([moments.mean[place] for place in places], axis=0)
    inverse = np.asarray(np.linalg.pinv(np.asarray(variance, np.float64), rcond=1e-8, hermitian=True), np.float64)
    found: list[Residual] = []
    for place in places:
        slope = with_sum[place] @ inverse
        rest = cov[place, place] - slope @ with_sum[place].T
        ridge = RIDGE * float(np.trace(rest)) / len(rest) + 1e-12
        full = np.asarray(np.linalg.inv(rest + ridge * np.eye(len(rest))), np.float64)
        found.append(Residual(slope, moments.mean[place] - slope @ mean, full))
    return found


def natural_step(kernel: Float64, bias: Float64 | None, rests: Sequence[Residual]) -> Untying:
    """The step D that untying would take first.

    Residuals of k branches sum to zero, so a step in each is counted k / (k - 1) times where branches are alike, and
    exactly twice for two: the step is shortened by as much, and for squared errors |e|^2 / 2 it is Newton's.

    Args:
        kernel: Gradient of the mean loss in the kernel that reads the stacked branches, of shape (out, k c, *taps).
        bias: The same in the bias, of shape (out,); None where there is none, and then offsets are left alone.
        rests: Of each branch.

    Returns:
        D, written in terms of the branches: what it adds to their residuals it takes from the sum and the constant.
    """
    parts = np.split(kernel, len(rests), axis=1)
    of_sum = np.sum(parts, axis=0)
    change_sum, change_bias, steps = np.zeros_like(of_sum), np.zeros(len(of_sum)), list[Float64]()
    for part, rest in zip(parts, rests, strict=True):
        own = part - np.einsum("oc...,dc->od...", of_sum, rest.slope)
        if bias is not None:
            own = own - (bias[:, None] * rest.offset).reshape(*own.shape[:2], *(1,) * (own.ndim - 2))
        step = -(1 - 1 / len(parts)) * np.einsum("oc...,cd->od...", own, rest.inverse)
        steps.append(step)
        change_sum -= np.einsum("od...,dc->oc...", step, rest.slope)
        change_bias -= step.reshape(*step.shape[:2], -1).sum(axis=2) @ rest.offset
    return Untying(np.concatenate([step + change_sum for step in steps], axis=1), change_bias)


def tied_step(kernel: Float64, bias: Float64 | None, moments: Moments, arity: int) -> Untying:
    """The natural step of the tied kernel: what more training would do without untying.

    Args:
        kernel: As for `natural_step`.
        bias: As for `natural_step`.
        moments: Of the stacked branches.
        arity: How many there are.

    Returns:
        D = -(G - g mu') Cov(s)^-1 with G and g the gradients of the tied kernel and the bias, s the sum and mu its
        mean, the same for every branch; the bias takes up the mean.
    """
    places = branch_slices([len(moments.mean) // arity] * arity)
    cov = np.sum([moments.cov[a, b] for a in places for b in places], axis=0)
    mean = np.sum([moments.mean[place] for place in places], axis=0)
    own = np.sum(np.split(kernel, arity, axis=1), axis=0)
    if bias is not None:
        own = own - (bias[:, None] * mean).reshape(*own.shape[:2], *(1,) * (own.ndim - 2))
    ridge = RIDGE * float(np.trace(cov)) / len(cov) + 1e-12
    inverse = np.asarray(np.linalg.inv(cov + ridge * np.eye(len(cov))), np.float64)
    step = -np.einsum("oc...,cd->od...", own, inverse)
    return Untying(np.concatenate([step] * arity, axis=1), -step.reshape(*step.shape[:2], -1).sum(axis=2) @ mean)


def slope_test(first: Float64, second: Float64) -> float:
    """One-sided p value of "the loss does not fall", from slopes of two halves, each along the direction of the other.

    Args:
        first: Derivative of each example's loss along the direction, for one half; negative where the loss falls.
        second: For the other half, along a direction of its own and so on a scale of its own.

    Returns:
        p in (0, 1]; 1 where no slope differs from zero.

    Examples:
        >>> slopes = np.random.default_rng(0).normal(size=(2, 100))
        >>> slope_test(*slopes) > 0.05, slope_test(*(slopes - 1)) < 0.001
        (True, True)
    """
    errors = [float(half.std(ddof=1)) / len(half) ** 0.5 for half in (first, second)]
    if min(errors) == 0:
        return 1.0
    t = sum(float(half.mean()) / error for half, error in zip((first, second), errors, strict=True)) / 2
    return float(special.stdtr(min(len(first), len(second)) - 1, t))


def joined_interval(first: Float64, second: Float64) -> Interval:
    """Interval of a mean that two halves estimate, where each half's step was found on the other.

    Args:
        first: Gain of each example of one half.
        second: Gain of each example of the other.

    Returns:
        The mean of both estimates, with the mean of both half-widths: the halves share their examples, so they may err
        together.
    """
    one, other = t_interval(first), t_interval(second)
    ends = [(a + b) / 2 for a, b in ((one.estimate, other.estimate), (one.low, other.low), (one.high, other.high))]
    return Interval(ends[0], ends[1], ends[2], one.level, one.n + other.n)
