"""What a probe of the given network says of the gain of training anew."""

import math

from addcat.evidence.partial import read_tie_of
from addcat.evidence.readings import read_order, read_score, read_swap, read_tie_beside
from addcat.evidence.result import Evidence
from addcat.statistics.belief import Reading

READ = ("order", "score", "tie", "swap", "refit", "finetune")
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
    error = ((found.high or 0.0) - (found.low or 0.0)) / 4 / loss
    share = (found.estimate or 0.0) / loss
    if found.method == "swap":
        return read_swap(math.log1p(max(share, LEAST_RISE)))
    if found.method == "tie":
        tied = abs(1 + share) or 1.0  # of a logarithm: the error as a share of the tied loss
        members = found.facts.get("tied", 1), found.facts.get("merges", 1)
        return read_tie_of(float(found.facts["log_rise"]), error / tied, *members)
    return read_score(share, error, found.n)


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
