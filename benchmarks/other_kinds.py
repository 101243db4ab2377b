"""Does `advise` hold on kinds of networks and of data that it was not made with?

    python benchmarks/other_kinds.py [--only TEXT] [--budgets 0.05x 1x default] [--pairs 10] [--pages FOLDER]

Sixteen small tasks, half in Keras (`other_kinds_keras.py`), half in PyTorch as people write them
(`other_kinds_torch.py`): recommenders, recurrent networks, tables, several labels and several outputs, blocks that
grow, autoencoders, transformers, messages on graphs, gates; rare positives, dropout, batch norm, augmentation, padding,
mixed precision, weighted losses and schedules. Both arms are trained in pairs by `model.fit` or a plain loop, each
keeping its best pass on the held-out data, and judged on 3,000 further examples or more. Then `advise` is asked from
the networks of both arms. `other_kinds.csv` has truth and answers; what it has is not made again, and its table is
printed at the end. Gains are shares of Add's loss.
"""

import argparse
import copy
import csv
import functools
import gc
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import keras
import numpy as np
import other_kinds_keras as in_keras
import other_kinds_torch as in_torch
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import addcat
from addcat.statistics import t_interval

TABLE = Path(__file__).with_suffix(".csv")
TRUTH = "truth"
BUDGETS = ("0.05x", "1x", "default")


@dataclass(frozen=True)
class Task:
    """One task.

    Attributes:
        data: Takes a part, a generator and a number of examples; gives inputs and targets.
        network: Takes "add" or "concat"; gives a compiled Keras model, or a PyTorch module.
        epochs: Passes over the data.
        batch: Examples in a step.
        asked: What a user passes to `advise` beside model, data, validation, loss, optimiser and epochs.
        sizes: Examples to train on, to judge on, and for the truth.
        sites: The merge in question by the network's arm, where there are others.
    """

    data: Callable[..., Any]
    network: Callable[[str], Any]
    epochs: int
    batch: int
    asked: dict[str, Any] = field(default_factory=dict)
    sizes: tuple[int, int, int] = (2000, 1000, 4000)
    sites: dict[str, str] | None = None

    def named(self, arm):
        """The merge to ask about, where a user has to say which."""
        return {} if self.sites is None else {"sites": [self.sites[arm]]}

    def parts(self):
        """Examples to train on, to judge on, and for the truth."""
        return [self.data(part, np.random.default_rng([part, 31]), size) for part, size in enumerate(self.sizes)]


@dataclass(frozen=True)
class InKeras(Task):
    """Trained by `model.fit`."""

    def ready(self):
        """What both arms are trained on, as they take it."""
        return self.parts()

    def trained(self, arm, seed, data, kept={}):  # noqa: B006
        """A network of one arm; compiled once, and begun anew."""
        (x, y), held, _ = data
        keras.utils.set_random_seed(seed)
        fresh = self.network(arm)
        model = kept.setdefault((self, arm), fresh)
        model.set_weights(fresh.get_weights())
        for variable in model.optimizer.variables:
            if "learning_rate" not in variable.path:
                variable.assign(np.zeros(variable.shape))
        keras.utils.set_random_seed(seed)
        best = keras.callbacks.EarlyStopping("val_loss", patience=self.epochs, restore_best_weights=True)
        model.fit(x, y, batch_size=self.batch, epochs=self.epochs, validation_data=held, verbose=0, callbacks=[best])
        return model

    def judged(self, model, data):
        """Loss on the truth's examples."""
        found = model.evaluate(*data[2], batch_size=1000, verbose=0)
        return found[0] if isinstance(found, list) else found

    def advice(self, model, arm, data, **options):
        """Asked as a user does."""
        return addcat.advise(model, data[0], validation=data[1], **self.asked, **self.named(arm), **options)

    def __hash__(self):
        return id(self)


def moving(batch):
    """A batch of several inputs and a target."""
    *inputs, target = batch
    return tuple(inputs), target


ADAM = functools.partial(torch.optim.Adam, lr=2e-3)
ADAMW = functools.partial(torch.optim.AdamW, lr=3e-3, weight_decay=1e-2)


@dataclass(frozen=True)
class InTorch(Task):
    """Trained by a loop."""

    loss: Any = None
    optimizer: Any = ADAM
    scheduler: Any = None
    unpack: Any = moving
    wrap: Any = None
    autocast: Any = None

    def ready(self):
        """Loaders."""
        found = []
        for place, arrays in enumerate(self.parts()):
            tensors = [torch.from_numpy(array) for array in arrays]
            rows = self.wrap(arrays, training=place == 0) if self.wrap else TensorDataset(*tensors)
            found.append(DataLoader(rows, batch_size=self.batch if place == 0 else 500, shuffle=place == 0))
        return found

    def _run(self, model, batch):
        inputs, target = self.unpack(batch)
        with torch.autocast("cpu", self.autocast or torch.bfloat16, enabled=self.autocast is not None):
            output = model(**inputs) if isinstance(inputs, dict) else model(*inputs)
            return self.loss(output.float() if self.autocast else output, target)

    def trained(self, arm, seed, data):
        """A network of one arm."""
        torch.manual_seed(seed)
        model = self.network(arm)
        optimizer = self.optimizer(model.parameters())
        scheduler = self.scheduler(optimizer) if self.scheduler else None
        torch.manual_seed(seed)
        best, kept = np.inf, None
        by_pass = not isinstance(scheduler, torch.optim.lr_scheduler.OneCycleLR)
        for _ in range(self.epochs):
            model.train()
            for batch in data[0]:
                optimizer.zero_grad()
                self._run(model, batch).backward()
                optimizer.step()
                if scheduler is not None and not by_pass:
                    scheduler.step()
            held = self.judged(model, [data[1]])
            if isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
                scheduler.step(held)
            elif scheduler is not None and by_pass:
                scheduler.step()
            if held < best:
                best, kept = held, copy.deepcopy(model.state_dict())
        model.load_state_dict(kept)
        return model.eval()

    def judged(self, model, data):
        """Loss on the last loader's examples."""
        model.eval()
        with torch.no_grad():
            return float(np.mean([self._run(model, batch).item() for batch in data[-1]]))

    def advice(self, model, arm, data, **options):
        """Asked as a user does."""
        if self.unpack is not moving:
            options["unpack"] = self.unpack
        return addcat.advise(
            model, data[0], validation=data[1], loss=self.loss, optimizer=self.optimizer, scheduler=self.scheduler,
            epochs=self.epochs, autocast=self.autocast, **self.asked, **self.named(arm), **options,
        )  # fmt: skip


def one_cycle(optimizer):
    return torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=25 * 32)


def plateau(optimizer):
    return torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.3, patience=2)


def cosine(optimizer):
    return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 15)


TASKS = {
    "recommender": InKeras(in_keras.ratings, in_keras.recommender, 6, 64, {"batch_size": 64}, (12000, 3000, 8000)),
    "bidirectional": InKeras(in_keras.pulses, in_keras.bidirectional, 20, 32),
    "table": InKeras(in_keras.houses, in_keras.table, 40, 32),
    "tagger": InKeras(in_keras.labels, in_keras.tagger, 30, 64, {"epochs": 30, "batch_size": 64}),
    "two-heads": InKeras(in_keras.outcomes, in_keras.two_heads, 30, 32),
    "growing": InKeras(in_keras.waves, in_keras.growing, 20, 32),
    "autoencoder": InKeras(in_keras.signals, in_keras.autoencoder, 20, 32),
    "transformer": InKeras(in_keras.sentences, in_keras.transformer, 20, 64,
                           sites={"add": "position", "concat": "position"}),
    "series": InTorch(in_torch.series, in_torch.Forecast, 25, 64, loss=nn.L1Loss(), scheduler=one_cycle,
                      wrap=in_torch.Series, unpack=lambda batch: ({"window": batch["window"]}, batch["ahead"])),
    "resnet": InTorch(in_torch.gratings, in_torch.ResNet, 20, 64, loss=nn.CrossEntropyLoss(label_smoothing=0.05),
                      scheduler=plateau),
    "towers": InTorch(in_torch.matches, in_torch.Towers, 40, 64, sizes=(4000, 2000, 12000), optimizer=ADAMW,
                      loss=nn.BCEWithLogitsLoss(pos_weight=torch.tensor([5.0]))),
    "sentences": InTorch(in_torch.padded, in_torch.Sentences, 15, 64, loss=nn.CrossEntropyLoss(), optimizer=ADAMW,
                         scheduler=cosine, autocast=torch.bfloat16),
    "messages": InTorch(in_torch.graphs, in_torch.Messages, 40, 32, loss=nn.MSELoss()),
    "gated": InTorch(in_torch.known, in_torch.Gated, 30, 64, loss=nn.SmoothL1Loss(), optimizer=ADAMW,
                     sites={"add": "add", "concat": "cat#2"}),
    "both-ways": InTorch(in_torch.brackets, in_torch.BothWays, 25, 64, loss=nn.MSELoss()),
    "spots": InTorch(in_torch.spots, in_torch.Segment, 20, 64, optimizer=ADAMW,
                     loss=nn.BCEWithLogitsLoss(pos_weight=torch.tensor(3.0))),
}  # fmt: skip
COLUMNS = ("task", "network", "budget", "gain", "low", "high", "loss", "said", "certain", "probability", "regret",
           "trainings", "seconds", "warned")  # fmt: skip


def known():
    """What the table has."""
    if not TABLE.exists():
        return []
    with TABLE.open() as file:
        return list(csv.DictReader(file))


def noted(row):
    """One more row."""
    fresh = not TABLE.exists()
    with TABLE.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        if fresh:
            writer.writeheader()
        writer.writerow(row)
    print(*row.values(), flush=True)


def truth(name, task, data, pairs):
    """The gain of Concatenate, from pairs."""
    losses, seconds = [], []
    for seed in range(1, pairs + 1):
        pair = []
        for arm in ("add", "concat"):
            start = time.perf_counter()
            model = task.trained(arm, seed, data)
            seconds.append(time.perf_counter() - start)
            pair.append(task.judged(model, data))
        losses.append(pair)
    add, concat = np.array(losses).T
    gain, whole = t_interval(add - concat), add.mean()
    shares = {"gain": gain.estimate, "low": gain.low, "high": gain.high}
    shares = {end: f"{value / whole:.5f}" for end, value in shares.items()}
    noted({"task": name, "network": f"{pairs} pairs", "budget": TRUTH, **shares, "loss": f"{whole:.5g}",
           "seconds": f"{np.median(seconds):.2f}"})  # fmt: skip


def asked(name, task, model, arm, data, budget, pages):
    """One answer."""
    start = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        warnings.filterwarnings("ignore", "__array__ implementation doesn't accept a copy")  # of Keras itself
        advice = task.advice(model, arm, data, budget=None if budget == "default" else budget)
    seconds, one = time.perf_counter() - start, advice.verdicts[0]
    for warning in caught:
        print("   warned:", warning.category.__name__, str(warning.message)[:200], warning.filename)
    noted({"task": name, "network": arm, "budget": budget, "said": one.choice, "certain": int(one.certain),
           "probability": f"{one.probability:.4f}", "regret": f"{one.regret.share:.4f}",
           "trainings": f"{advice.trainings:.3f}", "seconds": f"{seconds:.1f}", "warned": len(caught)})  # fmt: skip
    if pages:
        pages.mkdir(parents=True, exist_ok=True)
        (pages / f"{name}-{arm}-{budget}.txt").write_text(str(advice))
        (pages / f"{name}-{arm}-{budget}.html").write_text(advice._repr_html_())


MARGIN = 0.02
ALLOWED = {"0.05x": ("trainings", 0.05), "1x": ("trainings", 1.0), "default": ("seconds", 60.0)}


def printed():
    """The table: what is true of each task, what was said from either arm, and what following it gives away."""
    rows = known()
    truths = {row["task"]: row for row in rows if row["budget"] == TRUTH}
    said = {(row["task"], row["network"], row["budget"]): row for row in rows if row["task"] in truths}
    print(f"{'task':14s} {'gain of Concatenate':26s} {'from Add':>26s} {'from Concatenate':>26s}")
    print(f"{'':14s} {'':26s} " + " ".join(f"{budget:>8s}" for budget in BUDGETS * 2))
    for name, row in truths.items():
        words = [word(said.get((name, arm, budget))) for arm in ("add", "concat") for budget in BUDGETS]
        gain, low, high = (float(row[key]) for key in ("gain", "low", "high"))
        shown = f"{gain:+.3f} [{low:+.3f}, {high:+.3f}]"
        print(f"{name:14s} {shown:26s} " + " ".join(f"{one:>8s}" for one in words))
    print(
        "\nbudget   answers  regret  always Concatenate  always Add  certain: right  wrong  said  right  over  seconds"
    )
    for budget in BUDGETS:
        mine = [row for key, row in said.items() if key[2] == budget]
        if mine:
            print(summary(budget, mine, truths))


def word(row):
    """An answer in a few letters."""
    return (
        ""
        if row is None
        else row["said"]
        + ("!" if row["certain"] == "1" else f" .{min(99, round(100 * float(row['probability']))):02d}")
    )


def summary(budget, mine, truths):
    """A line for all answers at a budget."""
    gains = np.array([float(truths[row["task"]]["gain"]) for row in mine])
    ends = np.array([[float(truths[row["task"]][end]) for end in ("low", "high")] for row in mine])
    concat = np.array([row["said"] == "concat" for row in mine])
    certain = np.array([row["certain"] == "1" for row in mine])
    wrong = np.where(concat, ends[:, 1] < 0, ends[:, 0] > MARGIN)  # an Add that is within the margin is right
    unit, most = ALLOWED[budget]
    return (
        f"{budget:8s} {len(mine):7d} {np.maximum(np.where(concat, -gains, gains), 0).mean():7.4f} "
        f"{np.maximum(-gains, 0).mean():19.4f} {np.maximum(gains, 0).mean():11.4f} {(certain & ~wrong).sum():15d} "
        f"{(certain & wrong).sum():6d} {np.mean([float(row['probability']) for row in mine]):5.2f} "
        f"{(concat == (gains > 0)).mean():6.2f} {sum(float(row[unit]) > most + 1e-3 for row in mine):5d} "
        f"{np.median([float(row['seconds']) for row in mine]):8.1f}"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--budgets", nargs="*", default=list(BUDGETS))
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--pages", type=Path, help="where to keep what is printed")
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in options.only:
        task, data = TASKS[name], TASKS[name].ready()
        done = {(row["task"], row["network"], row["budget"]) for row in known()}
        if not any(row[0] == name and row[2] == TRUTH for row in done) and options.pairs:
            truth(name, task, data, options.pairs)
        for arm in ("add", "concat"):
            wanted = [budget for budget in options.budgets if (name, arm, budget) not in done]
            model = task.trained(arm, 0, data) if wanted else None
            for budget in wanted:
                asked(name, task, model, arm, data, budget, options.pages)
        keras.utils.clear_session()
        jax.clear_caches()
        gc.collect()
    printed()


if __name__ == "__main__":
    main()
