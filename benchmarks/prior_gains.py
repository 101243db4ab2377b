"""How likely are the gains of tasks under what is believed of a merge before anything is measured?

    python benchmarks/prior_gains.py

Gains of every dense task in `tasks.csv` and `held_out.csv`, by whether branches share their weights. The prior was
fitted, by likelihood, to those of `tasks.csv` and of seeds up to 89; the others judge it. A gain is measured with an
error, so the share above zero is held against that of gains drawn from the prior and measured with the same errors.
`before` is the prior that was fitted to `tasks.csv` alone.
"""

import csv
from pathlib import Path

import numpy as np
from scipy import stats

from addcat.evidence import readings
from addcat.statistics.belief import POINTS, Belief, Reading
from addcat.statistics.interval import Noise, t_quantile

FITTED = ("7", "8", "21", "34", "55", "89")
BEFORE = {
    True: ((0.33, -0.03, 0.02), (0.46, 0.11, 0.08), (0.21, 1.55, 0.35)),
    False: ((0.69, 0.011, 0.01), (0.25, 0.085, 0.045), (0.06, 0.4, 0.35)),
}
PAIRS = 32
LEAST = 5e-4
"""No gain is known better than this."""


def logs(gain, error):
    """A gain as a share of Add's loss, and its error, as log(loss of Add / loss of Concatenate)."""
    return -np.log1p(-min(gain, 0.98)), max(error / max(1 - gain, 0.05), LEAST)


def tasks():
    """For each set of tasks and kind of branches the gains and their errors."""
    found = {}
    folder = Path(__file__).parent
    with (folder / "tasks.csv").open() as file:
        for row in csv.DictReader(file):
            key = "tasks.csv", row["branches"] == "shared"
            found.setdefault(key, {})[row["task"]] = float(row["gain"]), max(float(row["gain_error"]), LEAST)
    with (folder / "held_out.csv").open() as file:
        for row in csv.DictReader(file):
            seed = row["kind"].rpartition(" ")[2]
            if row["kind"] != f"dense, seed {seed}":
                continue
            error = (float(row["high"]) - float(row["low"])) / 2 / t_quantile(0.975, PAIRS - 1)
            key = f"seed {seed}" if seed not in FITTED else "seeds up to 89", "shared" in row["task"]
            found.setdefault(key, {})[seed, row["task"]] = logs(float(row["gain"]), error)
    return {key: np.array([*rows.values()]).T for key, rows in found.items()}


def before(shared):
    """The prior that was fitted to `tasks.csv` alone."""
    parts = [Reading(centre, Noise(spread**2, readings.PRIOR_DEGREES)) for _, centre, spread in BEFORE[shared]]
    return Belief.around(*parts, weights=tuple(weight for weight, _, _ in BEFORE[shared]))


def main():
    print(f"{'tasks':16s} {'branches':9s} number  above 0  expected (before)  log-likelihood (before)")
    for (name, shared), (gains, errors) in sorted(tasks().items(), key=lambda item: (item[0][1], item[0][0])):
        cells = []
        for belief in (readings.prior(shared=shared), before(shared)):
            seen = stats.norm.pdf(gains[:, None], POINTS, errors[:, None]) @ belief.mass
            above = stats.norm.sf(0, POINTS, errors[:, None]) @ belief.mass
            cells.append((above.mean(), np.log(seen).sum()))
        (now, likely), (was, less) = cells
        print(f"{name:16s} {'shared' if shared else 'own':9s} {len(gains):6d} {(gains > 0).mean():8.2f} "
              f"{now:9.2f} ({was:.2f}) {likely:15.1f} ({less:.1f})")  # fmt: skip


if __name__ == "__main__":
    main()
