"""What a runtime computes in where it is left to choose, and how far that is from float32."""

from typing import Any

from addcat.verbs.optimize.difference import difference
from addcat.verbs.optimize.result import Precision
from addcat.verbs.optimize.task import Task


def precision_of(task: Task, model: Any) -> Precision | None:
    """Hold a model, and the original, as they are timed against the original in float32.

    Args:
        task: What was asked for.
        model: The result.

    Returns:
        The type that is computed in, and what it costs; None where float32 was asked for or nothing was timed.
    """
    if task.timer is None or task.settings.precision == "float32":
        return None
    bench, feeds = task.bench, task.bench.feeds(task.settings.seed)
    exact = [output.copy() for output in bench.runner(bench.original)(feeds)]
    (run, used), (original, _) = bench.as_timed(model), bench.as_timed(bench.original)
    return Precision(used, difference(exact, run(feeds)), difference(exact, original(feeds)))
