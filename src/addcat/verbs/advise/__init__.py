"""`advise`: add or concatenate, for each family of merges, from one trained model and some data."""

import math
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal, overload

from addcat.evidence.baseline import doubt
from addcat.merges import frozen_behind
from addcat.report import rows
from addcat.verbs.advise.answering import answer
from addcat.verbs.advise.budget import Budget
from addcat.verbs.advise.climb import EFFORTS
from addcat.verbs.advise.climbed import Climb
from addcat.verbs.advise.planning import Planned, planned
from addcat.verbs.advise.prepared import Asked, Prepared, prepare
from addcat.verbs.advise.result import Advice, Gain, Look, More, Odds, OtherBudget, Regret, Verdict
from addcat.verbs.advise.singles import FEWEST, answer_singles, leaves_something
from addcat.verbs.inspect import inspect_graph

__all__ = [
    "EFFORTS",
    "Advice",
    "Climb",
    "Gain",
    "Look",
    "More",
    "Odds",
    "OtherBudget",
    "Planned",
    "Regret",
    "Verdict",
    "advise",
]

PAST = 0.1
"""Log loss by which a network has to be behind its own best evaluation to be called overfitted."""
SHORT = 0.7
"""Log loss by which its own arm, trained anew, has to stay behind it for its recipe to be doubted. Seeds differ too."""
Progress = Callable[[str, float, float], None]


@overload
def advise(model: Any, data: Any, *, plan: Literal[True], **options: Any) -> Planned: ...
@overload
def advise(model: Any, data: Any, *, plan: Literal[False] = ..., **options: Any) -> Advice: ...
def advise(
    model: Any,
    data: Any,
    *,
    validation: Any = None,
    loss: Any = None,
    metric: Any = None,
    sites: Sequence[str] | str | None = None,
    effort: str = "auto",
    budget: str | None = None,
    match: str = "widths",
    regret: float = 0.005,
    margin: float = 0.02,
    resample: str = "",
    seed: int = 0,
    plan: bool = False,
    progress: Progress | None = None,
    example_inputs: Any = None,
    **training: Any,
) -> Advice | Planned:
    """Say whether to add or to concatenate in a trained model, and how sure that is.

    Args:
        model: A built Functional or Sequential Keras model, or a PyTorch module. It is not touched.
        data: What it was trained on: arrays `(x, y)` (lists or dicts for several inputs), batches, `tf.data`,
            `keras.utils.PyDataset` or a torch `DataLoader`.
        validation: Data to judge on; without, part of `data` is put aside.
        loss: A Keras loss, its name or a function; else the compiled model's, else the one that the targets suggest.
        metric: What to report of trained pairs beside the loss, which decides: a name such as "accuracy", "auc" or
            "dice", a Keras metric, a function of (y_true, y_pred), or several as a sequence or a dict.
        sites: Names of merges to advise on alone, or "each"; where left out, merges are asked about by families, all
            members of which switch together. Two or more share their pairs in a balanced design where the budget allows
            it; else each has a ladder of its own.
        effort: "auto" climbs from cheap methods to dear ones as far as the expected regret is worth it; the name of a
            method runs that one alone, merge by merge, and a budget limits 'retrain' alone.
        budget: What may be spent: "0.5x" trainings of the given network, in arithmetic, evaluations counted, and in
            time, compilation counted, but for two minutes a question that small networks take; or "90s", "10min", "2h"
            of the clock. A minute or a quarter of a training, whichever is more, ten minutes at most, where left out;
            no limit for a named method.
        match: "widths", where nothing but the merges differs; "parameters" or "multiply_adds", where the readers of
            Concatenate are made narrower until both arms have as many; or "both", widths first and, where Concatenate
            is recommended, parameters with the other half of the budget: is its gain its parameters'?
        regret: Expected loss given away, as a share of Add's loss, that is small enough to stop.
        margin: Share of Add's loss below which a gain does not count, because Add is cheaper.
        resample: "data" trains each pair on 90 % of the examples, drawn anew, so that the answer is about data of this
            kind, not about these; intervals then hold the draws.
        seed: Of everything drawn.
        plan: Train nothing, and give the rungs that would be climbed, what each costs and what it is expected to buy.
        progress: Called with what is being done, the seconds spent and the seconds allowed.
        example_inputs: What a PyTorch module is called with; taken from the data where left out.
        **training: How the model is trained: `epochs` and `batch_size`, where the model and the data do not say it (a
            Keras model keeps its optimiser and its steps, not its batch size), and `learning_rate` for a Keras model
            whose optimiser carries another rate than it was trained at. For a PyTorch module also `optimizer`, a
            function of its parameters; `scheduler`, a function of the optimiser, stepped after every pass, or after
            every batch where its length, or {"scheduler": ..., "interval": "step"}, says so (one that waits for a
            plateau is told the held-out loss at every look at a run, about one a pass); `unpack`, which takes a
            batch of a loader and gives (inputs, target); `factory`, which makes the model anew; `device`; `autocast`, a
            type. A `DataLoader` is iterated as it is.

    Returns:
        One verdict for each question, always with a recommendation, its odds and its evidence; the plan where `plan`.

    Raises:
        DataError: if the data do not fit, hold no labels, are too few, or give activations that are not finite.
        SiteError: if a site does not exist.
        OptionError: if an option is out of its range.
        ModelError: if the model cannot be read.
    """
    asked = Asked.of(
        effort=effort,
        budget=budget,
        match=match,
        regret=regret,
        margin=margin,
        seed=seed,
        resample=resample,
        named=sites is not None,
    )
    ready = prepare(
        model,
        data,
        asked,
        validation=validation,
        loss=loss,
        metric=metric,
        sites=sites,
        example_inputs=example_inputs,
        training=training,
    )
    return planned(ready) if plan else _advice(ready, progress)


def _advice(ready: Prepared, progress: Progress | None) -> Advice:
    """Climb for every question."""
    verdicts: list[Verdict] = []
    tell = _teller(progress, ready.meter.started, ready.allowed)
    designed, said = _designed(ready, tell)
    verdicts.extend(designed)
    for place, (name, merges) in enumerate(() if designed else ready.questions):
        share = ready.share(len(ready.questions) - place)
        verdicts.append(answer(ready, name, merges, share, tell))
        ready.meter.spent = share.spent
        if leaves_something(ready, verdicts[-1]):
            singles = answer_singles(ready, merges, share, tell)
            ready.meter.spent = share.spent
            verdicts.extend(() if isinstance(singles, str) else singles)
    return Advice(
        model=ready.graph.name,
        verdicts=tuple(verdicts),
        inspection=inspect_graph(ready.graph),
        notes=(*_notes(verdicts, ready), *said),
        loss=ready.loss_words,
        examples=(ready.fit.count, ready.held.count),
        seconds=ready.meter.seconds,
        trainings=ready.meter.spent,
        budget=ready.allowed.words,
        resample=ready.asked.resample,
    )


def _designed(ready: Prepared, tell: Callable[[str], None]) -> tuple[tuple[Verdict, ...], tuple[str, ...]]:
    """Verdicts on the merges that were named, from one design; or a note on why each has a ladder of its own."""
    asked = ready.asked
    if not asked.named or asked.effort != "auto" or len(ready.questions) < FEWEST:
        return (), ()
    share = ready.share(1)
    found = answer_singles(ready, [merges[0] for _, merges in ready.questions], share, tell)
    ready.meter.spent = share.spent
    if isinstance(found, str):
        return (), (f"Each merge was asked about by itself. {found}",)
    return found, ()


def _teller(progress: Progress | None, start: float, allowed: Budget) -> Callable[[str], None]:
    """Tells what is being done, with the seconds spent and allowed."""

    def tell(words: str) -> None:
        if progress is not None:
            progress(words, time.monotonic() - start, allowed.seconds)

    return tell


def _beside_its_own(verdicts: Sequence[Verdict], given: float) -> list[str]:
    """What it says of the network that it differs from its own arm, trained anew in full."""
    ways = [float(e.facts.get("way", 0.0)) for v in verdicts for e in v.evidence if e.method == "retrain"]
    own = f"held-out loss is {rows.decimal(given)}, and trained anew by its recipe it reaches"
    notes: list[str] = []
    if past := [way for way in ways if way < -PAST]:
        notes.append(
            f"The network is past its best: its {own} {rows.decimal(given * math.exp(past[0]))} at its best "
            "evaluation, where pairs are judged. What is measured on the network as it is speaks of one that has "
            "overfitted."
        )
    if short := [way for way in ways if way > SHORT]:
        notes.append(
            f"The recipe hardly leads to this network: its {own} {rows.decimal(given * math.exp(short[0]))}. Was it "
            "trained from other weights, for longer, on more data, or at a learning rate that a callback has lowered "
            "since? Pairs speak of the recipe: say how it was trained with epochs=, batch_size= "
            "and learning_rate= (--epochs, --batch-size, --learning-rate)."
        )
    return notes


def _notes(verdicts: Sequence[Verdict], ready: Prepared) -> list[str]:
    notes = [f"Training recipe: {ready.recipe.words}"]
    if ready.was_split:
        notes.append(
            f"No validation data were given: {ready.held.count} examples of the data were put aside to judge on."
        )
    if ready.metrics and not any(verdict.metrics for verdict in verdicts):
        names = " and ".join(metric.name for metric in ready.metrics)
        are = "is" if len(ready.metrics) == 1 else "are"
        notes.append(f"{names} {are} measured on trained pairs, and none were trained.")
    notes.extend(_beside_its_own(verdicts, ready.first.loss))
    if stays := [name for name, merges in ready.questions if all(frozen_behind(ready.graph, one) for one in merges)]:
        notes.append(
            f"What reads {' and '.join(map(repr, stays))} is frozen: it stays as it is in every arm, and only layers "
            "that a switch adds are trained."
        )
    if ready.asked.resample:
        notes.append(
            "The answer is about data of this kind: each pair is trained on 90 % of the examples, drawn anew, and "
            "intervals are as wide as another data set asks for. What is measured on the network as it is speaks of "
            "these data."
        )
    if not ready.first.trained:
        blind = next((v.site for v in verdicts if v.now == "add" and v.evidence[0].shared_branches), "")
        notes.append(doubt(ready.first.loss, [found for v in verdicts for found in v.evidence], blind))
    return notes
