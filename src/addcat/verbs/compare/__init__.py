"""`compare`: train both, in pairs, anywhere, and say which is better, how surely, and what to choose meanwhile."""

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from addcat.trials.workers import Place
from addcat.verbs.compare.planning import Planned
from addcat.verbs.compare.result import Comparison, Finding
from addcat.verbs.compare.running import Progress
from addcat.verbs.compare.settings import Settings
from addcat.verbs.compare.ways import comparison

__all__ = ["Comparison", "Finding", "Planned", "Progress", "Settings", "compare", "plan"]


def compare(
    model: Any = None,
    data: Any = None,
    *,
    validation: Any = None,
    train: Callable[[Any, int], Any] | None = None,
    command: str | None = None,
    loss: Any = None,
    metric: Any = None,
    lower_is_better: bool = True,
    sites: Sequence[str] | str | None = None,
    arms: Sequence[str] = ("add", "concat"),
    pairs: int = 8,
    margin: float = 0.02,
    stop: str = "fixed",
    budgets: Sequence[str] | str = "widths",
    resample: str = "",
    design: str = "factorial",
    learning_rates: Sequence[float] = (),
    steps: int | None = None,
    seed: int = 0,
    self_check: bool = False,
    store: str | Path | None = None,
    workers: int = 1,
    on: Place = "processes",
    address: str = "",
    gpus: int = 0,
    trial_time_limit: float | None = None,
    folders: str | Path | None = None,
    example_inputs: Any = None,
    command_line: str = "",
    progress: Progress | None = None,
    **training: Any,
) -> Comparison:
    """Train arms against each other, in pairs of one seed, and say which is better and how surely.

    Three ways in: a model and data; the user's own `build(arm)` (or a model) and `train(model, seed)`; a command.

    Args:
        model: A built model; or a function that builds the model of an arm, with `train`, or with data: then arms are
            trained as the first of them was compiled.
        data: What it was trained on, as `advise` takes it.
        validation: Data to judge on; without, part of `data` is put aside. With `train`, data for `metric`.
        train: Trains a model from a seed; gives a number, one loss for each held-out example, or a dict of numbers.
        command: Run once a trial, with {arm}, {seed} and, where wanted, {folder} in it; its result is the last line of
            its output that is JSON, or {folder}/metrics.json.
        loss: A loss as the model's framework knows it; else the compiled one, else the one that the targets suggest.
        metric: Reported beside the loss, which decides: "accuracy", "auc", "dice", "f1", "iou", "mae", "mse",
            "precision", "r2", "recall" or "rmse", another name of `keras.metrics`, a Keras metric, a function of
            (y_true, y_pred) on numpy arrays, or several, as a list or a dict that names them. With `train`, of the
            trained model on `validation`. Without that, and for a command: the entry of what it gives that decides.
        lower_is_better: Whether less of it is better.
        sites: A merge, a family, or several, one question each; every family where left out. The members of a family
            switch together. Several questions share their trials in a balanced design.
        arms: What is compared: rungs of the ladder for a model, any names for functions and commands. The first is kept
            unless another gains more than the margin.
        pairs: How many; at most so many where `stop` is "sequential".
        margin: Share of the first arm's loss below which a gain does not count.
        stop: "fixed", or "sequential": after every pair a sequence is read that stays valid however often one looks.
        budgets: "widths" (nothing else changes), "parameters" or "multiply_adds" (readers of the merges are made
            narrower in the larger arm until the totals match), or several.
        resample: "data" draws 90 % of the training examples anew for each pair, so that the answer is about data of
            this kind.
        design: "factorial" or "one-at-a-time", where several questions are asked.
        learning_rates: Factors of the learning rate among which every arm is tuned alike; none where left out.
        steps: Of a training; as the model was trained where left out.
        seed: Of everything drawn.
        self_check: Compare the first arm with itself.
        store: A file that keeps every trial as it ends; the same call goes on where it was.
        workers: Trials at a time.
        on: "processes" of this machine, "ray" or "dask".
        address: Of a running cluster.
        gpus: GPUs to hand out, one a worker.
        trial_time_limit: Seconds after which a command is ended.
        folders: Where each trial of a command has its own folder; temporary where left out.
        example_inputs: What a PyTorch module is called with; taken from the data where left out.
        command_line: The words of the command line, for the report.
        progress: Called after every trial with the comparison so far.
        **training: How the model is trained, as for `advise`: `epochs`, `batch_size`, and more for PyTorch modules.

    Returns:
        The comparison: for each question a gain with its interval, odds, a verdict, and always a lean.

    Raises:
        OptionError: if an option is out of range or does not fit the way in.
        DataError: if the data do not fit, or the store holds another comparison.
        ModelError: if the model cannot be read or an arm cannot be built.
        SiteError: if a site does not exist.
        RefusedError: if a merge has no such rung.
    """
    found = comparison(**locals(), plan=False)
    assert isinstance(found, Comparison)  # noqa: S101  (no plan was asked for)
    return found


def plan(model: Any = None, data: Any = None, **options: Any) -> Planned:
    """What `compare` would run, what it would cost, and how wide an interval to expect; nothing is trained.

    Args:
        model: As for `compare`.
        data: As for `compare`.
        **options: As for `compare`.

    Returns:
        The plan.
    """
    asked = inspect.signature(compare).bind(model, data, **options)
    asked.apply_defaults()
    found = comparison(**asked.arguments, plan=True)
    assert isinstance(found, Planned)  # noqa: S101  (a plan was asked for)
    return found
