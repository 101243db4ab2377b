"""`optimize`: the same outputs in less time, less memory or fewer parameters, by exact rewrites around merges.

Rewrites are proposed by rules (`addcat.rules`), each kept only if it improves the goal where it is measured, and the
result is verified before it is handed over: it is never slower than the input under the goal "latency", and never has a
higher peak of live activations under "memory".
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from addcat.doors.base import door_for
from addcat.doors.bench import Bench, Shapes, Timer
from addcat.doors.open import load_model
from addcat.doors.timing import Ratio
from addcat.errors import OptionError, RefusedError, check_seed
from addcat.graph import Graph, Refusal
from addcat.graph.cost import parameters, total_multiply_adds
from addcat.graph.peak import Memory, memory, near_peak
from addcat.rules import Goal, Role, Rule, rules_for
from addcat.verbs.optimize.candidates import find, memory_slack, replay, tidy
from addcat.verbs.optimize.check import Checker
from addcat.verbs.optimize.objectives import (
    ByMemory,
    ByTime,
    Judge,
    by_expected_time,
    by_parameters,
    by_time_at_no_memory,
)
from addcat.verbs.optimize.result import KEPT, REFUSED, WRONG, Optimized, Point, Price, Record, Step, Verification
from addcat.verbs.optimize.search import Kept, Progress, Search
from addcat.verbs.optimize.trimming import worthwhile

GOALS: tuple[Goal, ...] = ("latency", "memory", "parameters")
CLOSE_SECONDS = 4.0
"""Seconds that a measurement may take where the first one left a doubt."""
FINAL_SECONDS = 10.0
"""Seconds that the last measurement, of the whole model, may take."""
PROCESS_NOISE = 0.05
"""By how much the memory of a process differs from run to run."""


def optimize(
    model: Any,
    *,
    goal: str = "latency",
    runtime: str = "onnxruntime",
    threads: int = 1,
    shapes: Shapes = None,
    tolerance: float = 1e-5,
    time_limit: float = 120.0,
    measure: bool = True,
    seed: int = 0,
    progress: Progress | None = None,
) -> Optimized:
    """Rewrite a model so that it computes the same with less.

    Args:
        model: The path of an .onnx or .keras file, an `onnx.ModelProto`, an `onnx_ir.Model` or a Keras model; it is
            not touched.
        goal: "latency", "memory" (peak of live activations), "parameters", or "all" for the set of models of which none
            is better than another in everything.
        runtime: "onnxruntime" or "openvino": where an ONNX model is measured and verified.
        threads: How many threads a run may use.
        shapes: Shapes of the inputs, by name or in order, where the model leaves sizes open. An open batch is 1.
        tolerance: Largest difference of outputs in float32, relative to the largest value, beyond what the original
            itself shows between kernels.
        time_limit: Seconds for the search; the last measurement and the verification come on top.
        measure: Whether to measure; otherwise the cost model alone decides. Keras models are never measured.
        seed: Seed of the random inputs.
        progress: Called with a few words on what is being done.

    Returns:
        The new model, of the kind that was passed (a path gives an `onnx.ModelProto` or a Keras model), and the record.
        Where nothing improves the goal it is the original.

    Raises:
        ModelError: if the model cannot be read or run.
        OptionError: if an option is outside its choices, or a size of an input is not known.
    """
    _check_options(goal, threads, tolerance, time_limit)
    check_seed(seed)
    opened = load_model(str(model)) if isinstance(model, str | Path) else model
    door = door_for(opened, needs="bench")
    subject = door.bench_of(opened, runtime=runtime, threads=threads, shapes=shapes, passed=model)
    if subject.timing is None and measure and goal in ("latency", "all"):
        raise OptionError(
            f"A Keras model is not timed, so the goal {goal!r} needs measure=False (--no-measure). "
            "Export it to ONNX to have it measured, or take the goal 'memory' or 'parameters'."
        )
    settings = Settings(
        runtime, threads, tolerance, measure and subject.timing is not None, seed, progress or (lambda _: None)
    )
    wanted: list[Goal] = [one for one in GOALS if goal in (one, "all")]
    limit = time_limit / len(wanted)
    results = [_Task(subject, one, settings, rules_for(subject.framework, one), limit).run() for one in wanted]
    if goal != "all":
        return results[0]
    return replace(results[0], record=replace(results[0].record, goal="all"), pareto=_pareto(subject, results))


def _check_options(goal: str, threads: int, tolerance: float, time_limit: float) -> None:
    if goal not in (*GOALS, "all"):
        raise OptionError(f"goal must be one of {', '.join(map(repr, (*GOALS, 'all')))}. Got {goal!r}.")
    for name, value, least in (("threads", threads, 1), ("tolerance", tolerance, 0), ("time_limit", time_limit, 0)):
        if not value >= least:
            raise OptionError(f"{name} must be {least} or more. Got {value}.")


@dataclass(frozen=True, slots=True)
class Settings:
    """Options that all goals share; see `optimize`."""

    runtime: str
    threads: int
    tolerance: float
    measure: bool
    seed: int
    progress: Progress


class _Task:
    """One goal, from reading to the verified result."""

    def __init__(
        self, subject: Bench, goal: Goal, settings: Settings, rules: Sequence[Rule], time_limit: float
    ) -> None:
        self.begun = time.perf_counter()
        self.until = self.begun + time_limit
        self.subject = subject
        self.goal = goal
        self.settings = settings
        self.rules = rules
        self.by_name = {rule.name: rule for rule in self.rules}
        self.judge = self._judge()
        self.steps: list[Step] = []
        self.notes: list[str] = []
        self.process_grew = False

    def _judge(self) -> Judge:
        if self.goal == "memory":
            return ByMemory()
        if self.goal == "parameters":
            return by_parameters
        if self.settings.measure and (timing := self.subject.timing) is not None:
            return ByTime(timing.compare, partial(timing.compare, limit=CLOSE_SECONDS), timing.signature)
        return by_expected_time

    def run(self) -> Optimized:
        """Search, verify, and measure the whole."""
        self.settings.progress("reading")
        start, sized = self.subject.graph, self.subject.sized
        refusals = find(start, self.rules)[1]
        first = self._tidied(sized)
        found = self._searched(first[-1].graph if first else sized)
        if sized is not start:  # what holds for the sizes of the run need not hold for all
            wanted = len(first) + len(found)
            first = self._again(start, first)
            found = self._again(first[-1].graph if first else start, found)
            if len(first) + len(found) < wanted:
                lost = wanted - len(first) - len(found)
                self.notes.append(f"{lost} of {wanted} rewrites hold only at the sizes of the run and were left out.")
        self.settings.progress("verifying")
        checker = Checker(self.subject, tolerance=self.settings.tolerance, seed=self.settings.seed)
        kept, model, verification = self._verified(start, [*first, *found], checker)
        self.settings.progress("measuring the whole")
        ratio = None
        if kept:
            model, verification, ratio = self._confirmed(start, kept, len(first), (model, verification), checker)
        return self._result(start, model, verification, ratio, refusals)

    def _searched(self, graph: Graph) -> list[Kept]:
        """What the search keeps. For memory, what saves time at no cost of memory comes first, and opens the way."""
        progress = self.settings.progress
        if self.goal != "memory":
            searches = [Search(self.rules, self.judge, self.until, progress=progress)]
        else:
            saving = [rule for rule in self.rules if rule.role is Role.SAVING]
            searches = [
                Search(saving, by_time_at_no_memory, self.until, progress=progress),
                Search(
                    self.rules,
                    self.judge,
                    self.until,
                    progress=progress,
                    slack=memory_slack,
                    local=False,
                    focus=near_peak,
                ),
            ]
        found: list[Kept] = []
        for search in searches:
            graph = search.run(graph)
            kept = worthwhile(search) if search.focus is near_peak else search.kept
            self.steps += search.steps
            found += kept
        return found

    def _tidied(self, graph: Graph) -> list[Kept]:
        """Rewrites that leave less to do, as a whole: kept unless the judge finds them to lose."""
        steps, result = tidy(graph, self.rules)
        if not steps:
            return []
        judgement = self.judge(graph, result)
        lost = judgement.ratio is not None and judgement.ratio.slower
        outcome = REFUSED if lost else KEPT
        words = tuple(step.words for step in steps)
        names = tuple(dict.fromkeys(step.rule for step in steps))
        reason = "slower" if lost else "leaves less to do"
        self.steps.append(Step(f"{len(steps)} places", names, words, outcome, judgement.ratio, reason))
        if lost:
            return []
        kept: list[Kept] = []
        for step in steps:
            graph = replay(graph, [step], self.by_name)
            kept.append(Kept((step,), graph, 0.0))
        return kept

    def _verified(
        self, start: Graph, kept: list[Kept], checker: Checker
    ) -> tuple[list[Kept], Any, Verification | None]:
        """Check the result; take out what changes the outputs until it passes."""
        while kept:
            model, verification = checker.written(kept[-1].graph)
            if verification is not None and verification.passed:
                return kept, model, verification
            position = checker.guilty(kept)
            wrong = kept[position].steps
            names, words = tuple(dict.fromkeys(s.rule for s in wrong)), tuple(s.words for s in wrong)
            reason = "the outputs are not the original's"
            self.steps.append(Step(wrong[0].site, names, words, WRONG, None, reason))
            self.notes.append(f"{names[0]} at {wrong[0].site!r} changed the outputs and was dropped.")
            kept = [
                *kept[:position],
                *self._again(kept[position - 1].graph if position else start, kept[position + 1 :]),
            ]
        return [], self.subject.original, None

    def _again(self, graph: Graph, kept: Sequence[Kept]) -> list[Kept]:
        """Apply candidates to another graph, leaving out those that do not hold there."""
        found: list[Kept] = []
        for one in kept:
            try:
                graph = replay(graph, one.steps, self.by_name)
            except RefusedError:
                continue
            found.append(Kept(one.steps, graph, one.gain))
        return found

    def _confirmed(
        self, start: Graph, kept: list[Kept], tidying: int, whole: tuple[Any, Verification | None], checker: Checker
    ) -> tuple[Any, Verification | None, Ratio | None]:
        """Hold the whole against the original; fall back on less where it does not gain."""
        ratio = None
        for number, (model, verification) in enumerate(self._options(start, kept, tidying, whole, checker)):
            holds, measured = self._holds(model)
            ratio = ratio or measured
            if holds:
                if number:
                    self.notes.append("The parts alone promised more than the whole kept; only some of them are in.")
                return model, verification, measured
        self.notes.append(f"{self._why_not()}, so the model is the original.")
        return self.subject.original, None, ratio

    def _why_not(self) -> str:
        if self.goal == "latency":
            return "The whole is not faster beyond the noise"
        if memory(self.subject.sized) is None:
            return "No peak can be counted where sizes are unknown"
        return "Whatever lowers the peak makes the process grow" if self.process_grew else "Nothing lowers the peak"

    def _options(
        self, start: Graph, kept: list[Kept], tidying: int, whole: tuple[Any, Verification | None], checker: Checker
    ) -> Iterator[tuple[Any, Verification | None]]:
        yield whole
        for fewer in self._fewer(start, kept, tidying):
            model = self.subject.write(fewer)
            verification = checker.check(model)
            if verification.passed:
                yield model, verification

    def _holds(self, model: Any) -> tuple[bool, Ratio | None]:
        """Whether a model keeps what the goal promises, and its time as a share of the original's."""
        subject, ratio = self.subject, None
        if self.goal == "memory":
            before, after = (_memory(subject, one) for one in (subject.original, model))
            if before is None or after is None or not after.lower_than(before):
                return False, None
        if self.settings.measure and (timing := subject.timing) is not None:
            if self.goal == "memory" and self._process_grows(timing, model):
                return False, None
            ratio = timing.compare_whole(subject.original, model, limit=FINAL_SECONDS)
        return self.goal != "latency" or ratio is None or ratio.faster, ratio

    def _process_grows(self, timing: Timer, model: Any) -> bool:
        """Whether a process that runs the model needs more than with the original, beyond the noise."""
        before = timing.known_peak(self.subject.original)
        most = None if before is None else (1 + PROCESS_NOISE) * before
        peaks = (timing.process_peak(model) for _ in range(2))
        grows = most is not None and all(peak is not None and peak > most for peak in peaks)
        self.process_grew |= grows
        return grows

    def _fewer(self, start: Graph, kept: list[Kept], tidying: int) -> list[Graph]:
        """Graphs with the more promising half of what was kept, and with the tidying alone."""
        first = kept[:tidying]
        ranked = sorted(kept[tidying:], key=lambda one: -one.gain)[: (len(kept) - tidying) // 2]
        chosen = self._again(first[-1].graph if first else start, [one for one in kept[tidying:] if one in ranked])
        found = [chosen[-1].graph] if chosen else []
        return [*found, *([first[-1].graph] if first else [])]

    def _result(
        self,
        start: Graph,
        model: Any,
        verification: Verification | None,
        ratio: Ratio | None,
        refusals: Sequence[Refusal],
    ) -> Optimized:
        subject, settings = self.subject, self.settings
        given_back = model is subject.original
        process = self.goal == "memory" and settings.measure
        record = Record(
            goal=self.goal,
            runtime=settings.runtime if settings.measure else "",
            threads=settings.threads,
            shapes=subject.shapes,
            before=price(subject, subject.original, process=process),
            after=price(subject, model, process=process),
            ratio=None if given_back else ratio,
            steps=tuple(self.steps),
            verification=verification,
            refusals=tuple(refusals),
            seconds=time.perf_counter() - self.begun,
            notes=tuple(self.notes),
        )
        return Optimized(subject.give(model), record, ())


def _memory(subject: Bench, model: Any) -> Memory | None:
    """The memory of a model; of the original, where it leaves sizes open, that of its simplified form."""
    found = memory(subject.read(model))
    return memory(subject.sized) if found is None and model is subject.original else found


def price(subject: Bench, model: Any, *, process: bool = False) -> Price:
    """What a model costs, at the shapes of the subject."""
    graph = subject.read(model)
    alive = _memory(subject, model)
    grown = subject.timing.known_peak(model) if process and subject.timing is not None else None
    operations = sum(node.op != "input" for node in graph.nodes.values())
    return Price(operations, parameters(graph), total_multiply_adds(graph)[0], alive and alive.peak, grown)


def _pareto(subject: Bench, results: Sequence[Optimized]) -> tuple[Point, ...]:
    """The original and the results of which no other is at least as good in everything and better in something."""
    first = results[0].record.before
    points = [Point("original", None, first, subject.give(subject.original))]
    points += [Point(r.record.goal, r.record.ratio, r.record.after, r.model) for r in results]

    def scores(point: Point) -> tuple[float, float, float]:
        time_ = 1.0 if point.ratio is None else point.ratio.estimate
        return time_, float(point.price.peak or 0), float(point.price.parameters)

    kept: list[Point] = []
    for point in points:
        mine = scores(point)
        beaten = any(
            all(a <= b for a, b in zip(scores(other), mine, strict=True)) and scores(other) != mine for other in points
        )
        if not beaten and mine not in [scores(other) for other in kept]:
            kept.append(point)
    return tuple(kept)
