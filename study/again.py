"""What was measured a second time, beside what it gave at first.

The heads of regressions started as Keras starts them when all tasks were measured at first, and some networks fell
silent (see `study.starts`). Since then they start at the mean of the targets (`networks.at_the_mean`), and every
regression was measured again. What each gave at first is kept in first.json.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from study.analysis import BUDGETS, Figure, Outcome, outcomes, select
from study.findings import confirmed
from study.sayings import mean_share

FIRST, STARTS = (Path(__file__).with_name(name) for name in ("first.json", "starts.json"))
SILENT = 5
"""Times the median loss, from which on a network has fallen silent."""


@dataclass(frozen=True, slots=True)
class Again:
    """The first measurement and the second.

    Attributes:
        tasks: How many were measured twice.
        before: Their mean gain at first, by budget.
        now: Their mean gain now, by budget.
        answers: How many there are, one of each task at each budget: a win of a merge beyond the noise, or none.
        turned: How many of them are another one now.
        opposed: Those of them where one merge had won and now the other has.
        findings: Claims that the first measurement judged otherwise: the claim, and what it said on the other half.
    """

    tasks: int
    before: Mapping[str, Figure]
    now: Mapping[str, Figure]
    answers: int
    turned: int
    opposed: int
    findings: Sequence[tuple[str, str]]


def again(results: Mapping[str, Any], found: Sequence[Outcome]) -> Again:
    """Hold the second measurement against the first.

    Args:
        results: The study's.
        found: Their outcomes.
    """
    first = {record["name"]: record for record in json.loads(FIRST.read_text(encoding="utf-8"))["tasks"]}
    replaced = [first.get(record["name"], record) for record in results["tasks"]]
    earlier = outcomes({"tasks": replaced})
    was, now = ([one for one in which if one.task in first] for which in (earlier, found))
    signs = {(one.task, one.budget): one.sign for one in now}
    both = [(one.sign, signs[one.task, one.budget]) for one in was if (one.task, one.budget) in signs]
    judged = zip(confirmed(earlier), confirmed(found), strict=True)
    return Again(
        tasks=len({one.task for one in now}),
        before={budget: mean_share(select(was, budget=budget)) for budget in BUDGETS},
        now={budget: mean_share(select(now, budget=budget)) for budget in BUDGETS},
        answers=len(both),
        turned=sum(before != after for before, after in both),
        opposed=sum({before, after} == {"add", "concat"} for before, after in both),
        findings=[(before.claim, before.holds) for before, after in judged if before.holds != after.holds],
    )


def silent(losses: Mapping[str, float | None]) -> list[str]:
    """The seeds of starts that fell silent, or diverged and have no loss."""
    middle = float(np.median([loss for loss in losses.values() if loss is not None]))
    return [seed for seed, loss in losses.items() if loss is None or loss > SILENT * middle]


def silenced(path: Path = STARTS) -> Mapping[str, Any]:
    """What the guide says of them: the task, how many starts, and how many fell silent with each head."""
    held = json.loads(path.read_text(encoding="utf-8"))
    counts = {head.replace(" ", "_"): len(silent(losses)) for head, losses in held["losses"].items()}
    name = held["task"].split("/")[1].replace("-", " ")
    return {"task": name, "starts": len(held["losses"]["drawn"]), "rate": held["learning_rate"], **counts}
