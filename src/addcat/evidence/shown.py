"""What a stage of pairs measured, in words and as an interval in units of the loss."""

import math

from addcat.evidence.contrast import Contrast
from addcat.evidence.pairs import Stage
from addcat.report import rows
from addcat.statistics.belief import Reading, share_of
from addcat.statistics.interval import Interval, t_quantile

STARTS = {
    "fresh": "from fresh starts",
    "tied": "from tied starts",
    "warm": "from the trained branches and tied starts",
    "loose": "from the trained branches",
    "heads": "on the trained branches, which stay as they are",
}


def stage_words(stage: Stage, found: Contrast, gain: Interval) -> str:
    """One sentence.

    Args:
        stage: What was run.
        found: What came out.
        gain: The same in units of the loss (see `interval_of`).
    """
    length = "" if stage.share >= 1 else f", {rows.percent(stage.share)} of the steps"
    arms = f"Add {rows.decimal(found.add)}, Concatenate {rows.decimal(found.concat)}"
    ends = f"a gain of {rows.signed(gain.estimate)}; in full {rows.interval_text(gain.low, gain.high)}."
    if stage.kind == "beside":
        many = rows.counted(found.pairs, "run")
        return f"{many} of the other merge's network{length}, beside the given one: {arms}, {ends}"
    many = rows.counted(found.pairs, "pair")
    return f"{many} trained {STARTS[stage.kind]}{length}: {arms}, {ends}"


def interval_of(reading: Reading, found: Contrast, *, level: float = 0.95) -> Interval:
    """What a stage measured, and where the gain of full runs lies by its reading, in units of the loss.

    Args:
        reading: Of what was measured.
        found: What was measured.
        level: Coverage.
    """
    half = t_quantile(level, reading.noise.degrees) * math.sqrt(reading.noise.variance)
    upto = reading.gain if reading.upto is None else reading.upto
    ends = [float(share_of(value)) * abs(found.add) for value in (found.gain, reading.gain - half, upto + half)]
    return Interval(ends[0], min(ends[0], ends[1]), max(ends[0], ends[2]), level, found.pairs)
