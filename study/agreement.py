"""Do numbers that were measured anew agree with those that were written down?

    python -m study.agreement --small     every tenth task, without the trials that are kept

Two means of one gain differ by the noise of both: they agree where their difference is below the two half widths of
their 95 % intervals, added as independent errors are, the square root of the sum of squares. One fresh pair agrees
where it lies in the interval that the written pairs predict for a further one: mean ± t s sqrt(1 + 1/n).
"""

import json
import math
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.stats import t as student

from study.record import Json, measured
from study.run import RESULTS, chosen_of, parser


def committed(path: Path = RESULTS) -> dict[str, Json]:
    """The records that were written down, by name of the task."""
    return {record["name"]: record for record in json.loads(path.read_text(encoding="utf-8"))["tasks"]}


def disagreements(anew: Json, before: Json) -> list[str]:
    """Budgets of a task whose gains differ by more than their intervals allow, with both in words."""
    found: list[str] = []
    for budget, held in before["budgets"].items():
        now, then = anew["budgets"][budget]["gain"], held["gain"]
        allowed = math.hypot(_half(now), _half(then))
        if abs(now["estimate"] - then["estimate"]) > allowed:
            found.append(f"{before['name']}, {budget}: {now['estimate']:.4g} now, {then['estimate']:.4g} then")
    return found


def predicted(differences: Sequence[float], level: float) -> tuple[float, float]:
    """The interval in which a further pair's difference lies with some probability, of normal differences."""
    values = np.asarray(differences)
    half = float(student.ppf((1 + level) / 2, len(values) - 1) * values.std(ddof=1) * math.sqrt(1 + 1 / len(values)))
    return float(values.mean()) - half, float(values.mean()) + half


def _half(interval: Json) -> float:
    return (interval["high"] - interval["low"]) / 2


def main(words: Sequence[str] | None = None) -> int:
    """Measure tasks anew, and say where they disagree with what was written down."""
    options = parser(__doc__ or "").parse_args(words)
    before, found = committed(options.output), list[str]()
    with tempfile.TemporaryDirectory() as folder:
        for name in chosen_of(options):
            apart = disagreements(measured(name, Path(folder)), before[name])
            found += apart
            print(f"{name}: {'agrees' if not apart else '; '.join(apart)}", flush=True)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
