"""Ask `advise` about tasks of known truth, from the networks of both arms; the rows are what `held_out.py` reads.

    python benchmarks/held_out_ask.py FOLDER TABLE.csv --budget 0.05x [--match parameters] [--only TEXT] [--every 3]

FOLDER is what `held_out_tasks.py` made. A budget of "default" is asked without one. What the table has already is not
asked again, so a run that was broken off goes on.
"""

import argparse
import csv
import gc
import json
import os
import time
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")
import jax
import keras
from advise import load

import addcat

COLUMNS = ("kind", "task", "network", "budget", "gain", "low", "high", "said", "certain", "probability", "trainings")


def asked(folder, arm, budget, match):
    """One row, without what is known of the task."""
    model = keras.saving.load_model(folder / f"{arm}.keras")
    advice = addcat.advise(
        model, load(folder / "train.npz"), validation=load(folder / "calibration.npz"), match=match,
        budget=None if budget == "default" else budget,
    )  # fmt: skip
    one = advice.verdicts[0]
    return {
        "network": arm, "budget": budget, "said": one.choice, "certain": int(one.certain),
        "probability": f"{one.probability:.4f}", "trainings": f"{advice.trainings:.3f}",
    }  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("table", type=Path)
    parser.add_argument("--budget", default="default")
    parser.add_argument("--match", choices=("widths", "parameters"), default="widths")
    parser.add_argument("--only", default="", help="what a task's name must contain")
    parser.add_argument("--every", type=int, default=1, help="ask each nth task")
    parser.add_argument("--note", default="", help="behind the kind of the task")
    args = parser.parse_args()
    truth = json.loads((args.folder / "truth.json").read_text())
    known = set()
    if args.table.exists():
        with args.table.open() as file:
            known = {(row["kind"], row["task"], row["network"], row["budget"]) for row in csv.DictReader(file)}
    key = "gain" if args.match == "widths" else "gain_matched"
    for name, row in list(truth.items())[:: args.every]:
        kind = ("convolutional" if name.startswith("conv") else "dense") + args.note
        if args.only not in name or key not in row:
            continue
        gain, whole = row[key], row["reference"]
        for arm in ("add", "concat"):
            if (kind, name, arm, args.budget) in known:
                continue
            start = time.perf_counter()
            found = asked(args.folder / name, arm, args.budget, args.match) | {
                "kind": kind, "task": name, "gain": f"{gain['mean'] / whole:.6f}",
                "low": f"{gain['low'] / whole:.6f}", "high": f"{gain['high'] / whole:.6f}",
            }  # fmt: skip
            fresh = not args.table.exists()
            with args.table.open("a", newline="") as file:
                writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
                if fresh:
                    writer.writeheader()
                writer.writerow(found)
            print(*(found[column] for column in COLUMNS), f"{time.perf_counter() - start:.1f} s", flush=True)
            keras.utils.clear_session()
            jax.clear_caches()
            gc.collect()


if __name__ == "__main__":
    main()
