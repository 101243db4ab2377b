"""What following the readings gives away, what they promise, and how well their probabilities hold, against their cost.

    python benchmarks/readings.py

`tasks.csv` holds what each method measured on 53 dense tasks, from the networks of both arms: targets made of digits
("sum", "same", ...) and of random teachers ("tsum", ...), branches of their own, shared and residual, two and three of
them, 300 to 2,500 examples. The gain is log(loss of Add / loss of Concatenate), of 32 to 48 pairs on the task's own
data; full pairs are held against the 16 to 32 others. Scores and ties stand there twice: "low" with as many examples as
0.05 of a training pays for, then with as many as a tenth does.
"""

import csv
import math
from pathlib import Path

import numpy as np

from addcat.evidence.contrast import Contrast
from addcat.evidence.readings import FURTHEST, prior, read_pairs, read_score, read_swap, read_tie
from addcat.statistics.belief import share_of

IDLE = {"add": 0.7, "concat": 0.98}
"""As `advise` has it, of a network that does no better than a constant."""
EITHER = 0.95


def tasks():
    """Rows of the table, as numbers where they are; None where nothing was measured."""
    with (Path(__file__).parent / "tasks.csv").open() as file:
        return [{name: number(value) for name, value in row.items()} for row in csv.DictReader(file)]


def number(value):
    try:
        return float(value)
    except ValueError:
        return value or None


def probes(row, low):
    """Readings of the given network."""
    share, error, examples = (
        row[f"low_{n}" if low else n] for n in ("share", "error", "examples" if low else "judged")
    )
    found = []
    if share is not None:
        found.append(read_score(share, error, int(examples)) if row["probe"] == "score" else read_tie(share, error))
    if row["swap"] is not None:
        found.append(read_swap(row["swap"]))
    return [one for one in found if not (idle(row) and one.gain == -FURTHEST)]


def idle(row):
    return IDLE[row["network"]] if row["given"] >= row["constant"] else 0.0


def warm(row):
    if row["warm_best"] >= row["constant"]:
        return []
    found = Contrast(row["warm_gain"], row["warm_seeds"], row["warm_examples"], 2, 1.0, 1.0)
    return [read_pairs("warm", 0.2, found, row["warm_way"])]


def full(row, pairs):
    found = Contrast(row[f"pairs{pairs}"], row[f"seeds{pairs}"], row[f"examples{pairs}"], pairs, 1.0, 1.0)
    return [read_pairs("fresh", 1.0, found, 0.0)]


LADDERS = {
    "structure": (0.0, lambda row: []),
    "score or tie, few examples": (0.05, lambda row: probes(row, low=True)),
    "score or tie": (0.1, lambda row: probes(row, low=False)),
    "and two warm pairs": (1.0, lambda row: probes(row, low=False) + warm(row)),
    "and 4 full pairs": (10.0, lambda row: probes(row, low=False) + warm(row) + full(row, 4)),
    "and 8 full pairs": (19.0, lambda row: probes(row, low=False) + warm(row) + full(row, 8)),
    "and 16 full pairs": (36.0, lambda row: probes(row, low=False) + warm(row) + full(row, 16)),
}


def followed(rows, name):
    """For each row: regret, regret expected, probability said, whether it was right."""
    found = []
    for row in rows:
        belief = prior(shared=row["branches"] == "shared", idle=idle(row))
        for reading in LADDERS[name][1](row):
            belief = belief.told(reading)
        limit = -math.log1p(-0.02)
        either = belief.above(-limit) - belief.above(limit)
        choice = "add" if either >= EITHER or belief.regret("add") <= belief.regret("concat") else "concat"
        gain = row["other_gain"] if "full" in name else row["gain"]
        share, above, concat = float(share_of(gain)), belief.above(0.0), choice == "concat"
        lost = max(0.0, -share if concat else share)
        found.append((lost, belief.regret(choice), above if concat else 1 - above, concat == (gain > 0)))
    return np.array(found, float).T


def calibration_error(said, right, bins=10):
    """Mean distance of what was said and what was found, weighted by how often it was said."""
    places = np.minimum((said * bins).astype(int), bins - 1)
    return sum(abs(np.sum((said - right)[places == place])) for place in set(places)) / len(said)


def main():
    rows = tasks()
    gains = share_of(np.array([row["gain"] for row in rows]))
    print(f"{'evidence':27s}   cost  regret  expected  right  said  calibration error")
    for name, lost in (("always Add", np.maximum(gains, 0)), ("always Concatenate", np.maximum(-gains, 0))):
        print(f"{name:27s} {0:6.2f} {lost.mean():7.4f}")
    for name, (cost, _) in LADDERS.items():
        lost, expected, said, right = followed(rows, name)
        print(
            f"{name:27s} {cost:6.2f} {lost.mean():7.4f} {expected.mean():9.4f} {right.mean():6.2f} {said.mean():5.2f} "
            f"{calibration_error(said, right):18.3f}"
        )


if __name__ == "__main__":
    main()
