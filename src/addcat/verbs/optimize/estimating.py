"""`estimate`: the gain that `optimize` is expected to bring, in seconds and without measuring any rewrite.

What the rules would change is read from the graph alone (`openings`); how much of such an opening becomes a gain was
learnt from public networks on which it was measured (`foresight`, `fitted`).
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from addcat.doors.base import door_for
from addcat.doors.inputs import Inputs, Shapes
from addcat.doors.open import load_subject
from addcat.errors import OptionError
from addcat.report.page import Page
from addcat.report.printed import Printed
from addcat.rules import rules_for
from addcat.verbs.optimize.fitted import FITTED
from addcat.verbs.optimize.foresight import LEVEL, Foretold, expected, foretell
from addcat.verbs.optimize.openings import NAMING, TIDYING, Openings, openings
from addcat.verbs.optimize.options import check_options

RUNTIMES = ("onnxruntime", "openvino")
"""Those on which gains were measured to learn from."""


@dataclass(frozen=True, slots=True)
class Source:
    """What a gain is expected to come from.

    Attributes:
        site: The node where it begins; "" for what leaves less to do, at several places.
        rules: The rules, in order.
        gain: Its part of the expected gain, as a share of the time of the whole.
        touches: Share of the time of the whole that it changes, by the cost model.
    """

    site: str
    rules: tuple[str, ...]
    gain: float
    touches: float


@dataclass(frozen=True, slots=True)
class Estimate(Printed):
    """What to expect of `optimize`.

    Attributes:
        runtime: Where.
        threads: On how many threads it would run.
        shapes: At which input shapes.
        foretold: The gain, as a share of the time, and its interval.
        sources: What it would come from, most first; their gains add up to the expected one, unless that is cut.
        error: Median error on networks whose family the fit has not seen.
        covered: Share of such networks whose gain lay in the interval.
        networks: How many networks the fit is from.
        families: Of how many families.
        seconds: How long the estimate took.
        notes: What else there is to say.
    """

    runtime: str
    threads: int
    shapes: Mapping[str, tuple[int, ...]]
    foretold: Foretold
    sources: tuple[Source, ...]
    error: float
    covered: float
    networks: int
    families: int
    seconds: float
    notes: tuple[str, ...] = ()

    @property
    def worthwhile(self) -> bool:
        """Whether a gain that can be measured lies in the interval."""
        return self.foretold.worthwhile

    def page(self) -> Page:
        """The estimate for people."""
        from addcat.verbs.optimize.estimate_page import page_of  # noqa: PLC0415  (the page is wanted only when printed)

        return page_of(self)

    def to_dict(self) -> dict[str, Any]:
        """The estimate as JSON has it."""
        found = asdict(self)
        found["shapes"] = {name: list(shape) for name, shape in self.shapes.items()}
        return {**found, "level": LEVEL, "worthwhile": self.worthwhile}


def estimate(
    model: Any,
    *,
    runtime: str = "onnxruntime",
    threads: int = 1,
    shapes: Shapes = None,
    inputs: Inputs = None,
    unsafe: bool = False,
    custom: Sequence[str] = (),
    example_inputs: Any = None,
) -> Estimate:
    """Say how much time `optimize` is expected to save, and where, without measuring any rewrite.

    Args:
        model: As for `optimize`, but no Keras model, which is not timed. It is run once, to see that it runs.
        runtime: "onnxruntime" or "openvino".
        threads: How many threads a run may use.
        shapes: Shapes of the inputs, by name or in order, where the model leaves sizes open. An open batch is 1.
        inputs: Arrays by the names of inputs on which random ones will not do.
        unsafe: Whether a .keras file may run code that is stored in it.
        custom: Modules that define classes and functions of a .keras file.
        example_inputs: What a PyTorch module is called with.

    Returns:
        The expected gain, an interval in which it lies for four networks of five, and what it would come from.

    Raises:
        ModelError: if the model cannot be read, exported or run.
        MissingExtraError: if what that needs is not installed.
        OptionError: if an option is outside its choices, or the model is one that is not timed.
    """
    begun = time.perf_counter()
    check_options(threads=threads)
    if runtime not in RUNTIMES:
        raise OptionError(f"runtime must be one of {', '.join(map(repr, RUNTIMES))}. Got {runtime!r}.")
    opened = model
    if isinstance(model, str | Path):
        opened, example_inputs = load_subject(model, example=example_inputs, unsafe=unsafe, custom=custom)
    door = door_for(opened, needs="bench", example_inputs=example_inputs)
    bench = door.bench_of(opened, runtime=runtime, threads=threads, shapes=shapes, inputs=inputs, passed=model)
    if bench.timing is None:
        raise OptionError(
            "A Keras model is not timed, so no gain of time can be expected. Export it to ONNX, or take the goal "
            "'memory' or 'parameters', which are counted."
        )
    found = openings(bench.sized, rules_for(bench.framework, "latency"), bench.missing)
    fit = FITTED
    return Estimate(
        runtime=runtime,
        threads=threads,
        shapes=bench.shapes,
        foretold=foretell(found.features, fit),
        sources=_sources(found, fit.weights),
        error=fit.error,
        covered=fit.covered,
        networks=fit.networks,
        families=fit.families,
        seconds=time.perf_counter() - begun,
        notes=(*_notes(found, threads), *bench.notes),
    )


def _sources(found: Openings, weights: Mapping[str, float]) -> tuple[Source, ...]:
    """What the expected gain comes from, place by place."""
    gain = expected({name: found.features[name] for name in (TIDYING, NAMING)}, weights)
    sources = [Source("", tuple(found.steps), gain, found.tidied)]
    for place in found.places:
        role = place.role.lower()
        saved = weights.get(f"{role} saves", 0.0) * max(place.saves, 0.0)
        gain = saved + weights.get(f"{role} touches", 0.0) * place.touches
        sources.append(Source(place.site, place.rules, gain, place.touches))
    ordered = sorted(sources, key=lambda source: -source.gain)
    return tuple(source for source in ordered if source.gain > 0)


def _notes(found: Openings, threads: int) -> list[str]:
    notes: list[str] = []
    if not found.sized:
        notes.append("A size is unknown, so nothing can be expected. Give the shapes of the inputs.")
    if found.left:
        notes.append(f"Time was too short for {found.left} of the places where a rule applies; they are left out.")
    if threads > 1:
        notes.append("The networks it was learnt from ran on one thread.")
    return notes
