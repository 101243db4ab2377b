"""`optimize`: the same outputs in less time, less memory or fewer parameters, by exact rewrites around merges.

Rewrites are proposed by rules (`addcat.rules`), each kept only if it improves the goal where it is measured, and the
result is verified before it is handed over: it is never slower than the input under the goal "latency", and never has a
higher peak of live activations under "memory".
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from addcat.doors.base import door_for
from addcat.doors.bench import Bench
from addcat.doors.inputs import Inputs, Shapes
from addcat.doors.open import load_subject
from addcat.errors import OptionError
from addcat.graph import Refusal
from addcat.rules import Goal, rules_for
from addcat.verbs.optimize.ahead import nothing_ahead
from addcat.verbs.optimize.candidates import find
from addcat.verbs.optimize.check import Checker
from addcat.verbs.optimize.confirm import Confirmed, confirm
from addcat.verbs.optimize.options import GOALS, check_options, more_threads
from addcat.verbs.optimize.precision import precision_of
from addcat.verbs.optimize.result import Attempt, Optimized, OptimizeRecord, Point
from addcat.verbs.optimize.rewrites import rewrites_of, writable
from addcat.verbs.optimize.rounds import Progress
from addcat.verbs.optimize.search import search
from addcat.verbs.optimize.settled import settled
from addcat.verbs.optimize.task import Settings, Task
from addcat.verbs.optimize.totals import totals
from addcat.verbs.optimize.verify import verify


def optimize(
    model: Any,
    *,
    goal: str = "latency",
    runtime: str = "onnxruntime",
    threads: int = 1,
    precision: str = "float32",
    shapes: Shapes = None,
    inputs: Inputs = None,
    tolerance: float = 1e-5,
    time_limit: float = 120.0,
    measure: bool = True,
    cache: bool = True,
    thorough: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
    unsafe: bool = False,
    custom: Sequence[str] = (),
    example_inputs: Any = None,
) -> Optimized:
    """Rewrite a model so that it computes the same with less.

    Args:
        model: The path of an .onnx or .keras file, `package.module:function`, an `onnx.ModelProto`, an `onnx_ir.Model`,
            a Keras model, or a PyTorch module, which is exported to ONNX under ONNX's runtimes; it is not touched.
        goal: "latency", "memory" (peak of live activations), "parameters", or "all" for the set of models of which none
            is better than another in everything.
        runtime: "onnxruntime" or "openvino": where an ONNX model is measured and verified. A PyTorch module stays one
            under "torch" (eager mode) and "torch.compile": what keeps its code is rewritten (batch norms and other
            affine maps are folded, readers of a Concatenate split), in a copy that is in eval mode as it is.
        threads: How many threads a run may use.
        precision: What OpenVINO computes in where a model is timed: "float32", or "default" for what it chooses on this
            processor, such as bfloat16. The rewrites are verified in float32 in any case.
        shapes: Shapes of the inputs, by name or in order, where the model leaves sizes open. An open batch is 1.
        inputs: Arrays by the names of inputs on which random ones will not do, such as sizes and indices; the model is
            measured and verified on them.
        tolerance: Largest difference of outputs in float32, relative to the largest value, beyond what the original
            itself shows between kernels.
        time_limit: Seconds for the search, and for finding what is to blame where the verification fails; the
            verification itself and the last measurement come on top.
        measure: Whether to measure; otherwise the cost model alone decides. Keras models are never measured.
        cache: Whether parts that were measured before on this machine, under the same runtime, are not measured again.
            They are kept in the user's cache folder; the whole model is measured anew in any case.
        thorough: Whether to search for less time even where `estimate` expects no gain that can be measured.
        seed: Seed of the random inputs.
        progress: Called with a few words on what is being done.
        unsafe: Whether a .keras file may run code that is stored in it.
        custom: Modules that define classes and functions of a .keras file.
        example_inputs: What a PyTorch module is called with: a tuple of arguments, or a dict of keyword arguments. It
            is measured and verified at their sizes.

    Returns:
        The new model, of the kind that was passed (a path gives an `onnx.ModelProto` or a Keras model, and a PyTorch
        module under ONNX's runtimes an `onnx.ModelProto`), and the record.
        Where nothing improves the goal it is the original.

    Raises:
        ModelError: if the model cannot be read, exported or run.
        MissingExtraError: if what that needs is not installed.
        OptionError: if an option is outside its choices, or a size of an input is not known.
    """
    check_options(goal, threads, tolerance, time_limit, seed)
    opened = model
    if isinstance(model, str | Path):
        opened, example_inputs = load_subject(model, example=example_inputs, unsafe=unsafe, custom=custom)
    door = door_for(opened, needs="bench", example_inputs=example_inputs)
    where: dict[str, Any] = {"runtime": runtime, "threads": threads, "precision": precision}
    bench = door.bench_of(opened, shapes=shapes, inputs=inputs, passed=model, **where)
    if bench.timing is None and measure and goal in ("latency", "all"):
        raise OptionError(
            f"A Keras model is not timed, so the goal {goal!r} needs measure=False (--no-measure). "
            "Export it to ONNX to have it measured, or take the goal 'memory' or 'parameters'."
        )
    settings = Settings(
        runtime,
        threads,
        precision,
        tolerance,
        measure and bench.timing is not None,
        cache,
        thorough,
        seed,
        progress or (lambda _: None),
    )
    wanted: list[Goal] = [one for one in GOALS if goal in (one, "all")]
    limit = time_limit / len(wanted)
    results = [
        _run(Task(bench, one, writable(rules_for(bench.framework, one), bench), settings, limit)) for one in wanted
    ]
    if goal != "all":
        return results[0]
    return replace(results[0], record=replace(results[0].record, goal="all"), pareto=_pareto(bench, results))


def _run(task: Task) -> Optimized:
    """Search, verify, and measure the whole; the original comes back where nothing can be verified or gains."""
    begun, progress, bench = time.perf_counter(), task.settings.progress, task.bench
    progress("reading")
    if why := nothing_ahead(task):
        return _untouched(task, why, begun)
    checker = Checker(bench, tolerance=task.settings.tolerance, seed=task.settings.seed)
    if checker.unverifiable:
        note = f"{checker.unverifiable}, so no rewrite can be verified, and the model is the original."
        return _untouched(task, note, begun)
    found = search(task)
    progress("verifying")
    verified = verify(task, [*found.tidied, *found.kept], checker)
    progress("measuring the whole")
    confirmed = confirm(task, verified, checker)
    elsewhere = (
        () if task.timer is None or not confirmed.kept else task.timer.elsewhere(bench.original, confirmed.model)
    )
    confirmed = replace(confirmed, notes=(*found.notes, *verified.notes, *confirmed.notes, *elsewhere))
    return _result(task, confirmed, settled(found, verified, confirmed), found.refusals, begun)


def _untouched(task: Task, why: str, begun: float) -> Optimized:
    """The original, and why."""
    refusals = tuple(find(task.bench.graph, task.rules)[1])
    return _result(task, Confirmed((), task.bench.original, None, None, (why,)), (), refusals, begun)


def _result(
    task: Task, end: Confirmed, attempts: Sequence[Attempt], refusals: Sequence[Refusal], begun: float
) -> Optimized:
    bench, settings = task.bench, task.settings
    process = task.goal == "memory" and settings.measure
    record = OptimizeRecord(
        goal=task.goal,
        runtime=settings.runtime if settings.measure else "",
        threads=settings.threads,
        shapes=bench.shapes,
        before=totals(bench, bench.original, process=process),
        after=totals(bench, end.model, process=process),
        ratio=end.ratio,
        steps=tuple(attempts),
        verification=end.verification,
        refusals=tuple(refusals),
        seconds=time.perf_counter() - begun,
        notes=(*end.notes, *more_threads(settings.threads), *bench.notes),
        rewrites=rewrites_of(end.kept) if bench.framework == "torch" else (),
        precision=precision_of(task, end.model),
    )
    return Optimized(bench.give(end.model), record, ())


def _pareto(bench: Bench, results: Sequence[Optimized]) -> tuple[Point, ...]:
    """The original and the results of which no other is at least as good in everything and better in something."""
    first = results[0].record.before
    points = [Point("original", None, first, bench.give(bench.original))]
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
