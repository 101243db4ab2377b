"""What does following `advise` give away on tasks that its constants were not fitted to?

    python benchmarks/held_out.py

`held_out.csv` has the answers from the networks of both arms. Seed 7: 42 dense tasks (dense nets on digits and random
teachers; own, shared and residual branches, two and three of them, 300 to 4,000 examples) and 16 of convolutions
(U-Nets, residual links, Inception modules, towers, on digits of 8 and patches of 16 pixels), before heads were trained
of branches that share their weights. The others are drawn by `held_out_tasks.py`. Seed 8: 18 dense and 10 of
convolutions, after heads. Seeds 34 and 21: 47 and 8, and 6 towers, after the budget was put by for them; "matched" has
as many parameters in both arms; that behind heads the other arm alone is trained came from looking at these, and 1x is
from after it. Seed 55: 46 and 8 towers, drawn before that and answered after it; how much of a run is too little, and
its noise, came later. Seed 89: 60 dense ones, drawn and answered after all of it, by default every second. Then what
is believed beforehand was fitted to all of these. Seed 144: 90 dense ones, whose gains were looked at beside that.
Seed 233: 60, drawn after it. Seed 377: 60, drawn before the infinitely wide head was tried, and answered with it, as
those of seed 233 are once more ("kernel"). The gain is a share of Add's loss, its truth from 48 pairs (of convolutions
10) on the data that `advise` saw; of the later seeds 32 (of convolutions 10, 32, 8 and 8). The
default's budget is a minute of the clock, on two cores with one program beside at best and about ten at worst.

Few answers are never calibrated to the last: the last column is what the error would be on average where each
probability holds and both networks of a task fare alike.
"""

import csv
from pathlib import Path

import numpy as np
from readings import calibration_error

DRAWN = ("34", "55", "21", "89", "144", "233", "377")
"""Seeds of tasks that were drawn when the rule was made, or nearly."""


def error_of_calibrated(said, concat, tasks, draws=300):
    """Mean calibration error of answers with these probabilities, were they right."""
    rng, names = np.random.default_rng(0), sorted(set(tasks))
    place = np.array([names.index(task) for task in tasks])
    sides = np.where(concat, said, 1 - said)
    likely = np.array([sides[place == number].mean() for number in range(len(names))])
    drawn = (rng.random(len(names)) < likely for _ in range(draws))
    return np.mean([calibration_error(said, concat == truth[place]) for truth in drawn])


def as_one(rows):
    """The same answers as one kind, but for the seeds that tell their tasks apart."""
    return [row | {"kind": "all of 21 to 377"} for row in rows]


def main():
    with (Path(__file__).parent / "held_out.csv").open() as file:
        rows = [row | {"seed": row["kind"].partition("seed")[2]} for row in csv.DictReader(file)]
    columns = "answers  regret  always Concatenate  always Add  right  said  calibration error  of calibrated"
    print(f"{'tasks':24s} {'budget':7s} {columns}")
    drawn = [row for row in rows if row["kind"].endswith(DRAWN)]
    for kind, budget in dict.fromkeys((row["kind"], row["budget"]) for row in (*rows, *as_one(drawn))):
        mine = [row for row in (*rows, *as_one(drawn)) if (row["kind"], row["budget"]) == (kind, budget)]
        gains = np.array([float(row["gain"]) for row in mine])
        said = np.array([float(row["probability"]) for row in mine])
        concat = np.array([row["said"] == "concat" for row in mine])
        lost = np.maximum(np.where(concat, -gains, gains), 0)
        right = concat == (gains > 0)
        print(
            f"{kind:24s} {budget:7s} {len(mine):8d} {lost.mean():7.4f} {np.maximum(-gains, 0).mean():19.4f} "
            f"{np.maximum(gains, 0).mean():11.4f} {right.mean():6.2f} {said.mean():5.2f} "
            f"{calibration_error(said, right):18.3f}"
            f"{error_of_calibrated(said, concat, [row['task'] + row['seed'] for row in mine]):15.3f}"
        )


if __name__ == "__main__":
    main()
