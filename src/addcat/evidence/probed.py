"""What a probe of the given network says of the gain of training anew."""

import math

from addcat.evidence.partial import read_tie_of
from addcat.evidence.readings import read_kernel, read_order, read_score, read_swap, read_tie_beside
from addcat.evidence.result import Evidence
from addcat.statistics.belief import Reading

READ = ("order", "swap", "kernel", "score", "tie", "refit", "finetune")
"""Probes that say something of it."""
LEAST_RISE = -0.5
"""An exchange of branches that lowers the loss by more than this share of it is read as this."""


def read_probe(found: Evidence, loss: float) -> Reading | None:
    """The reading of a probe.

    Args:
        found: By one of `READ`, with an estimate.
        loss: Of the given network.

    Returns:
        The reading; None where it says nothing either way.
    """
    if found.method == "order":
        return read_order(float(found.facts["p"]), float(found.facts["p_sizes"]), found.n)
    if found.method == "kernel":
        return read_kernel(*_figure(found), way_of(float(found.facts["left"]), loss, float(found.facts["constant"])))
    error = ((found.high or 0.0) - (found.low or 0.0)) / 4 / loss
    share = (found.estimate or 0.0) / loss
    if found.method == "swap":
        return read_swap(math.log1p(max(share, LEAST_RISE)))
    if found.method == "tie":
        tied = abs(1 + share) or 1.0  # of a logarithm: the error as a share of the tied loss
        members = found.facts.get("tied", 1), found.facts.get("merges", 1)
        return read_tie_of(float(found.facts["log_rise"]), error / tied, *members)
    return read_score(share, error, found.n)


def teaches(found: Evidence, reading: Reading) -> bool:
    """Whether a probe shows that there is something to learn, though the given network has learnt nothing."""
    if found.method == "kernel":
        return (found.low or 0.0) > 0
    return found.method == "order" and reading.gain > 0


def speaks_for_add(found: Evidence, reading: Reading) -> bool:
    """Whether a probe speaks for Add, or is silent: of a network that has learnt nothing both say nothing."""
    return reading.gain < 0 and (reading.upto is not None or found.method == "kernel")


def _figure(found: Evidence) -> tuple[float, float]:
    """An estimate and its standard error."""
    return found.estimate or 0.0, ((found.high or 0.0) - (found.low or 0.0)) / 4


def way_of(left: float, loss: float, constant: float) -> float:
    """How far a head is behind the given network, in log loss; a whole unit where losses do not say.

    Args:
        left: Share of the targets' variance that the head leaves.
        loss: Of the given network.
        constant: Loss of the best constant output.

    Examples:
        >>> round(way_of(0.5, 0.2, 0.8), 3), way_of(0.5, -1.0, 2.0), way_of(0.5, 0.2, math.nan)
        (0.693, 1.0, 1.0)
    """
    if not (loss > 0 and constant > 0 and left > 0):
        return 1.0
    return math.log(left * constant / loss)


def hear(readings: dict[str, Reading], name: str, reading: Reading) -> None:
    """Keep what a probe says beside what others said; an exchange of branches may make less of a tie.

    Args:
        readings: By probe; changed.
        name: Of the probe.
        reading: What it says.
    """
    readings[name] = reading
    if "swap" in readings and "tie" in readings:
        readings["tie"] = read_tie_beside(readings["tie"], readings["swap"])
