"""What does following `advise` give away on tasks that its constants were not fitted to?

    python benchmarks/held_out.py

`held_out.csv` has the answers from the networks of both arms. Seed 7: 42 dense tasks (dense nets on digits and random
teachers; own, shared and residual branches, two and three of them, 300 to 4,000 examples) and 16 of convolutions
(U-Nets, residual links, Inception modules, towers, on digits of 8 and patches of 16 pixels), before heads were trained
of branches that share their weights. Seeds 8, 34 and 21 are drawn by `held_out_tasks.py`: 18 dense and 10 of
convolutions, after heads; 47 and 8, and 6 towers, after the budget was put by for them; "matched" has as many
parameters in both arms. The gain is a share of Add's loss, its truth from 48 pairs (of convolutions 10) on the data
that `advise` saw; of the later seeds 32 (of convolutions 10, 32 and 8). The default's budget is a minute of the clock;
of seed 7 it was asked on every third dense task, on two cores that about ten other processes kept busy, of seed 34 on
all dense tasks and six of the others, with one or two programs beside.
"""

import csv
from pathlib import Path

import numpy as np
from readings import calibration_error


def main():
    with (Path(__file__).parent / "held_out.csv").open() as file:
        rows = list(csv.DictReader(file))
    columns = "answers  regret  always Concatenate  always Add  right  said  calibration error"
    print(f"{'tasks':24s} {'budget':7s} {columns}")
    for kind, budget in dict.fromkeys((row["kind"], row["budget"]) for row in rows):
        mine = [row for row in rows if (row["kind"], row["budget"]) == (kind, budget)]
        gains = np.array([float(row["gain"]) for row in mine])
        said = np.array([float(row["probability"]) for row in mine])
        concat = np.array([row["said"] == "concat" for row in mine])
        lost = np.maximum(np.where(concat, -gains, gains), 0)
        right = concat == (gains > 0)
        print(
            f"{kind:24s} {budget:7s} {len(mine):8d} {lost.mean():7.4f} {np.maximum(-gains, 0).mean():19.4f} "
            f"{np.maximum(gains, 0).mean():11.4f} {right.mean():6.2f} {said.mean():5.2f} "
            f"{calibration_error(said, right):18.3f}"
        )


if __name__ == "__main__":
    main()
