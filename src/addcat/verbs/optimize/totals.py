"""What a model on the bench costs in all."""

from typing import Any

from addcat.doors.bench import Bench
from addcat.graph.cost import parameters, total_multiply_adds
from addcat.graph.peak import Memory, memory
from addcat.verbs.optimize.result import Totals


def memory_of(bench: Bench, model: Any) -> Memory | None:
    """The memory of a model; of the original, where it leaves sizes open, that of its simplified form."""
    found = memory(bench.read(model))
    return memory(bench.sized) if found is None and model is bench.original else found


def totals(bench: Bench, model: Any, *, process: bool = False) -> Totals:
    """What a model costs, at the shapes of the bench; `process` asks for the growth of a process too."""
    graph, alive = bench.read(model), memory_of(bench, model)
    grown = bench.timing.known_peak(model) if process and bench.timing is not None else None
    operations = sum(node.op != "input" for node in graph.nodes.values())
    return Totals(operations, parameters(graph), total_multiply_adds(graph)[0], alive and alive.peak, grown)
