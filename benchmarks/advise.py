"""What does following `advise` give away, and what does it cost, against rules of thumb and zero-cost proxies?

    python benchmarks/advise.py BANK [--json FILE]

BANK holds one folder a task with `add.keras`, `concat.keras`, `train.npz` and `calibration.npz`, and `truth.json` with
the losses of both arms trained over paired seeds. Regret is the loss that following a recommendation gives away, as a
share of Add's, the mean over all tasks and both networks of each. A task is clear where the whole interval of the true
gain lies on one side of 2 % of Add's loss. Rules of thumb and proxies see the same files: always Add, always
Concatenate, more parameters, the norm of the gradient, SNIP (Lee et al. 2019) and synflow (Tanaka et al. 2020) of both
arms, at fresh weights.
"""

import argparse
import json
import sys
import time
from pathlib import Path

from addcat import advise, switch
from addcat.frameworks import keras

MARGIN = 0.02


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bank", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    truth = json.loads((options.bank / "truth.json").read_text())
    rows = []
    for name, row in truth.items():
        for arm in ("add", "concat"):
            rows.extend(judged(options.bank / name, arm, row, name))
    print_table(rows)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


def judged(folder, arm, row, name):
    model = keras().saving.load_model(folder / f"{arm}.keras")
    data, held = load(folder / "train.npz"), load(folder / "calibration.npz")
    found = []
    for method, choose in METHODS.items():
        start = time.perf_counter()
        said, certain, trainings = choose(model, data, held)
        gain = row["gain"]["mean"] / row["reference"]
        found.append(
            {"task": name, "arm": arm, "method": method, "truth": label(row), "said": said, "certain": certain,
             "regret": max(0.0, gain if said == "add" else -gain), "trainings": trainings,
             "seconds": time.perf_counter() - start}
        )  # fmt: skip
        print(*found[-1].values(), file=sys.stderr, flush=True)
    return found


def label(row):
    margin = MARGIN * row["reference"]
    return "concat" if row["gain"]["low"] > margin else "add" if row["gain"]["high"] < margin else "open"


def load(path):
    import numpy as np

    file = np.load(path)
    inputs = [file[name] for name in sorted(file.files) if name.startswith("x")]
    return (inputs if len(inputs) > 1 else inputs[0]), file["y"]


def by_advice(budget):
    def choose(model, data, held):
        advice = advise(model, data, validation=held, budget=budget)
        return advice.verdicts[0].choice, advice.verdicts[0].certain, advice.trainings

    return choose


def always(choice):
    return lambda *_: (choice, False, 0.0)


def arms(model):
    site = "merge"
    return {rung: switch(model, {site: rung}, fresh=True, seed=1).model for rung in ("add", "concat")}


def larger(scores):
    return max(scores, key=scores.get)


def by_parameters(model, data, held):
    return larger({rung: arm.count_params() for rung, arm in arms(model).items()}), False, 0.0


def by_proxy(score):
    def choose(model, data, held):
        return larger({rung: score(arm, model, data) for rung, arm in arms(model).items()}), False, 0.0

    return choose


def gradients(arm, model, data, rows=256):
    """Values and gradients of the trainable weights on one batch."""
    import jax

    x, y = data
    x = [a[:rows] for a in x] if isinstance(x, list) else x[:rows]
    loss = keras().losses.get(model.loss)
    values = [variable.value for variable in arm.trainable_variables]
    other = [variable.value for variable in arm.non_trainable_variables]

    def mean_loss(values):
        return loss(y[:rows], arm.stateless_call(values, other, x)[0]).mean()

    return values, jax.grad(mean_loss)(values)


def gradient_norm(arm, model, data):
    return float(sum((g**2).sum() for g in gradients(arm, model, data)[1]) ** 0.5)


def snip(arm, model, data):
    return float(sum(abs(v * g).sum() for v, g in zip(*gradients(arm, model, data), strict=True)))


def synflow(arm, model, data):
    import jax
    import numpy as np

    ones = [np.ones((1, *tensor.shape[1:]), "float32") for tensor in arm.inputs]
    values = [abs(variable.value) for variable in arm.trainable_variables]
    inputs = arm.inputs if len(ones) > 1 else arm.inputs[0]
    logits = keras().Model(inputs, arm.layers[-1].input)  # the softmax at the end would hide the flow

    def flow(values):
        with keras().StatelessScope(list(zip(arm.trainable_variables, values, strict=True))):
            return logits(ones if len(ones) > 1 else ones[0]).sum()

    return float(sum((v * g).sum() for v, g in zip(values, jax.grad(flow)(values), strict=True)))


METHODS = {
    "advise": by_advice(None),
    "advise, 1x": by_advice("1x"),
    "advise, 0.05x": by_advice("0.05x"),
    "always add": always("add"),
    "always concat": always("concat"),
    "more parameters": by_parameters,
    "gradient norm": by_proxy(gradient_norm),
    "SNIP": by_proxy(snip),
    "synflow": by_proxy(synflow),
}


def print_table(rows):
    titles = ("regret", "clear: right", "certain: right", "trainings", "seconds")
    print("method          ", *(f"{title:>{width}s}" for title, width in zip(titles, (7, 13, 15, 10, 8), strict=True)))
    for method in METHODS:
        mine = [r for r in rows if r["method"] == method]
        clear = [r for r in mine if r["truth"] != "open"]
        certain = [r for r in clear if r["certain"]]
        right, sure = (f"{sum(r['said'] == r['truth'] for r in some)}/{len(some)}" for some in (clear, certain))
        regret = sum(r["regret"] for r in mine) / len(mine)
        trainings, seconds = (sorted(r[key] for r in mine)[len(mine) // 2] for key in ("trainings", "seconds"))
        print(f"{method:16s} {regret:7.4f} {right:>13s} {sure:>15s} {trainings:10.2f} {seconds:8.2f}")


if __name__ == "__main__":
    main()
