"""A function that builds arms, and data: trained as a model and data are, all weights drawn anew."""

from collections.abc import Callable, Mapping
from typing import Any

from addcat.errors import ModelError, OptionError
from addcat.graph import Graph
from addcat.trials.model import ArmSpec
from addcat.verbs.compare.from_functions import contrast_of, name_of, question_words
from addcat.verbs.compare.from_model import Arms, Subject, over, ready, spec_of
from addcat.verbs.compare.options import Options
from addcat.verbs.compare.prepared import AGAIN, APART, Prepared, digest_of_graph, digest_of_settings


def from_build(build: Callable[[str], Any], models: Mapping[str, Any], subject: Subject, options: Options) -> Prepared:
    """Compare arms that the user's code builds, by our training.

    Args:
        build: The function.
        models: What it makes of each arm.
        subject: The first arm, whose loss and recipe serve all.
        options: Of the comparison.

    Returns:
        What is to run.

    Raises:
        OptionError: if what was asked for needs a model with merges.
        ModelError: if arms differ in their inputs or outputs.
    """
    if options.budgets != ("widths",):
        raise OptionError("budgets cannot be set for arms that a function builds: build them as large as they must be.")
    graphs = {arm: subject.door.read(model) for arm, model in models.items()}
    (first, *others) = options.arms
    for other in others:
        if _ends(graphs[first]) != _ends(graphs[other]):
            raise ModelError(
                f"build({first!r}) takes and gives {_words(graphs[first])}; build({other!r}) {_words(graphs[other])}. "
                "Arms that are trained on the same data must agree."
            )
    question = f"as {name_of(build)} builds them, trained anew on {over(options)}"
    if options.self_check:
        again = f"{first} {AGAIN}"
        specs = {first: ArmSpec({}, model=models[first]), again: ArmSpec({}, seeds_from=APART, model=models[first])}
        said = f"A self-check: {first} against itself, {question}."
    else:
        specs = {arm: ArmSpec({}, model=model) for arm, model in models.items()}
        said = question_words(options.arms, question)
    arms = Arms(specs, {name: name for name in specs}, tuple(contrast_of(first, name) for name in list(specs)[1:]))
    spec = {
        **spec_of(subject, (), options),
        "model": ", ".join(f"{arm} {digest_of_graph(graph)}" for arm, graph in graphs.items()),
        "settings of layers": ", ".join(f"{arm} {digest_of_settings(graph)}" for arm, graph in graphs.items()),
    }
    return ready(subject, arms, options, title=name_of(build), question=said, spec=spec)


def _ends(graph: Graph) -> tuple[Any, ...]:
    """Shapes of the inputs and of the outputs."""
    inputs = tuple(graph.nodes[name].shape for name in graph.inputs)
    return inputs, tuple(graph.nodes[edge.node].outputs[edge.output].shape for edge in graph.outputs)


def _words(graph: Graph) -> str:
    inputs, outputs = (", ".join(map(str, shapes)) for shapes in _ends(graph))
    return f"{inputs} -> {outputs}"
