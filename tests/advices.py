"""Advice made by hand, with figures as `advise` gives them, for a small graph of its own or for any other."""

import math
from itertools import cycle

from graphs import Sketch

from addcat.evidence.result import DECIDING, Evidence
from addcat.graph import Graph
from addcat.merges.price import Price
from addcat.verbs.advise.result import Advice, Gain, Look, More, Odds, Regret, Verdict
from addcat.verbs.inspect import inspect_graph


def evidence(method, question, estimate, low, high, *, unit="loss", n=899, seconds=2.4, words="", **facts):
    said = words or f"{method} says {estimate}."
    known = {name: facts.pop(name) for name in list(facts) if name in DECIDING}
    return Evidence(method, question, estimate, low, high, 0.95, unit, n, seconds, said, **known, facts=facts)


STRUCTURE = evidence(
    "structure",
    "fact",
    None,
    None,
    None,
    unit="",
    n=0,
    seconds=0.0004,
    words="Concatenate can represent functions that Add cannot.",
    equal_power=False,
    shared_branches=False,
    disguised=False,
)
FORWARD = evidence(
    "forward",
    "fact",
    0.472,
    0.455,
    0.489,
    unit="share of variance",
    n=57_600,
    seconds=0.31,
    words="Add forgets 47 % of the branches' variance; channels correlate by 0.11 as they are, 0.38 after reordering.",
    alignment_as_is=0.11,
    alignment_permuted=0.38,
    linear_cka=0.62,
    scale_ratio=1.7,
)
SWITCH = (
    STRUCTURE,
    FORWARD,
    evidence(
        "score", "from here", 0.0121, 0.0046, 0.0196, seconds=0.92,
        words="The untying score is not zero (p = 0.001); the gain it predicts on the held-out half is +0.0121.",
        p_value=0.001, predicted_on=450,
    ),
    evidence(
        "refit", "from here", 0.0312, 0.0187, 0.0437, seconds=3.8,
        words="Branches frozen, 540 steps from here: a gain of +0.0312 [+0.0187, +0.0437].",
        reference_loss=0.214, steps=540, start="project",
    ),
    evidence(
        "retrain", "trained anew", 0.0588, 0.0341, 0.0835, n=4, seconds=27.0,
        words="Trained anew, 4 pairs of 900 steps: Add 0.231, Concatenate 0.172, a gain of +0.0588 [+0.0341, +0.0835].",
        reference_loss=0.231, pairs=4, steps=900, share_of_steps=1 / 3,
    ),
)  # fmt: skip
KEEP = (
    STRUCTURE,
    evidence(
        "retrain", "trained anew", -0.0031, -0.0074, 0.0012, n=8, seconds=51.2,
        words="Trained anew, 8 pairs of 900 steps: Add 0.198, Concatenate 0.201, a gain of -0.0031 [-0.0074, +0.0012].",
    ),
)  # fmt: skip
OPEN = (
    STRUCTURE,
    evidence("finetune", "from here", 0.0014, -0.012, 0.0151, seconds=5.5),
    evidence("retrain", "trained anew", 0.009, -0.41, math.inf, n=2, seconds=14.0),
)
LOOKS = {
    "concat": (
        Look("structure", 0.01, 0.4, "concat", 0.58, 0.033),
        Look("score", 0.03, 1.3, "concat", 0.81, 0.0124),
        Look("retrain", 8.2, 27.0, "concat", 0.999, 0.00001),
    ),
    "add": (Look("structure", 0.01, 0.4, "concat", 0.58, 0.033), Look("retrain", 16.4, 51.0, "add", 0.93, 0.00042)),
    "open": (Look("structure", 0.01, 0.4, "concat", 0.58, 0.033),),
}
ODDS = {"concat": Odds(0.0, 0.001, 0.999), "add": Odds(0.04, 0.9595, 0.0005), "open": Odds(0.22, 0.37, 0.41)}


def verdict(site: str, now: str, kind: str, price: Price) -> Verdict:
    """A verdict with the evidence that goes with it; "open" recommends Concatenate without proof."""
    found = {"open": OPEN, "concat": SWITCH, "add": KEEP}[kind]
    last, look, choice = found[-1], LOOKS[kind][-1], "add" if kind == "add" else "concat"
    command = f"addcat switch MODEL --set {site}={choice} -o switched.keras"
    return Verdict(
        site=site,
        sites=(site,),
        question=f"merge {site!r}",
        now=now,
        choice=choice,
        certain=kind == "concat",
        probability=look.probability,
        odds=ODDS[kind],
        regret=Regret(0.231 * look.regret, look.regret),
        more=More(6, 12.4, 38.0) if kind == "open" else None,
        gain=None if kind == "open" else Gain(last.estimate, last.low, last.high),
        margin=0.00462,
        loss=0.231,
        price=price,
        evidence=found,
        looks=LOOKS[kind],
        reason=REASONS[kind],
        path=(
            "`structure` came first: it costs nothing.",
            "`refit` ran because what Add forgets does not say whether the loss wants it.",
            "`retrain` ran because evidence from here understates what other branches could reach.",
        ),
        command=command if choice != now else "",
    )


REASONS = {
    "concat": "Trained anew, Concatenate reaches a held-out loss of 0.172 where Add reaches 0.231: the classes need "
    "what the two branches disagree on, and Add forgets 47 % of it.",
    "add": "Add reaches the same held-out loss to within 0.0046 and needs half the parameters in what reads it.",
    "open": "Take Concatenate, with a probability of 58 %: nothing was measured, this is what other networks did.",
}


def sketch(first: str = "codes", second: str = "skip", third: str = "late") -> Graph:
    """Two towers added, a skip that is concatenated, and a residual Add at the end."""
    made = Sketch(known=True, dtype="float32")
    left, right = made.input(3, (8, 8), name="left"), made.input(3, (8, 8), name="right")
    codes = [made.relu(made.norm(made.conv(made.relu(made.conv(x, 8)), 8))) for x in (left, right)]
    both = made.add(*codes, name=first)
    deep = made.resize(made.relu(made.conv(made.relu(made.conv(made.pool(both), 16)), 8)))
    wide = made.concat(both, deep, name=second)
    stem = made.relu(made.conv(wide, 8))
    end = made.add(stem, made.norm(made.conv(made.relu(made.conv(stem, 8)), 8)), name=third)
    pooled = made.node("global_pool", made.relu(end), kind_of_pool="average", keepdims=False, channel_axis=1)
    return made.graph(made.dense(pooled, 10))


def advice(graph: Graph, kinds=("concat", "concat", "open"), *, most: int = 10_000) -> Advice:
    """Verdicts for every Add and Concatenate of a graph, the kinds in turn."""
    found = inspect_graph(graph)
    asked = [m for m in found.merges if m.merge.op in ("add", "concat")][:most]
    verdicts = tuple(verdict(m.site, m.merge.op, kind, m.price) for m, kind in zip(asked, cycle(kinds), strict=False))
    return Advice(
        model=graph.name,
        verdicts=verdicts,
        inspection=found,
        notes=("The model has no loss of its own; `sparse_categorical_crossentropy` was inferred from its softmax.",),
        loss="sparse categorical crossentropy (inferred)",
        examples=(898, 899),
        seconds=91.3,
        trainings=16.4,
        budget="10 min",
    )
