"""What does following `advise` give away on tasks that its constants were not fitted to?

    python benchmarks/held_out.py

`held_out.csv` has the answers on 42 dense tasks (dense nets on digits and random teachers; own, shared and residual
branches, two and three of them, 300 to 4,000 examples) and on 16 of convolutions (U-Nets, residual links, Inception
modules, towers, on digits of 8 and patches of 16 pixels), from the networks of both arms, before heads were trained of
branches that share their weights. The rows "heads" are of 18 dense tasks and 10 of convolutions of another seed, which
`held_out_tasks.py` draws (of the latter 8 are towers that share their weights, for which heads were made). The gain is
a share of Add's loss, its truth from 48 pairs (of convolutions 10; of the rows "heads" 32 and 10) on the data that
`advise` saw. The default's budget is a minute of the clock, on two cores that about ten other processes kept busy, and
was asked on every third dense task.
"""

import csv
from pathlib import Path

import numpy as np
from readings import calibration_error


def main():
    with (Path(__file__).parent / "held_out.csv").open() as file:
        rows = list(csv.DictReader(file))
    columns = "answers  regret  always Concatenate  always Add  right  said  calibration error"
    print(f"{'tasks':22s} {'budget':7s} {columns}")
    for kind, budget in dict.fromkeys((row["kind"], row["budget"]) for row in rows):
        mine = [row for row in rows if (row["kind"], row["budget"]) == (kind, budget)]
        gains = np.array([float(row["gain"]) for row in mine])
        said = np.array([float(row["probability"]) for row in mine])
        concat = np.array([row["said"] == "concat" for row in mine])
        lost = np.maximum(np.where(concat, -gains, gains), 0)
        right = concat == (gains > 0)
        print(
            f"{kind:22s} {budget:7s} {len(mine):8d} {lost.mean():7.4f} {np.maximum(-gains, 0).mean():19.4f} "
            f"{np.maximum(gains, 0).mean():11.4f} {right.mean():6.2f} {said.mean():5.2f} "
            f"{calibration_error(said, right):18.3f}"
        )


if __name__ == "__main__":
    main()
