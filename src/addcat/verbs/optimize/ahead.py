"""Is there anything ahead that a search for less time could find? Where not, it is not begun."""

from addcat.report.rows import percent
from addcat.verbs.optimize.fitted import FITTED
from addcat.verbs.optimize.foresight import foretell
from addcat.verbs.optimize.openings import openings
from addcat.verbs.optimize.task import Task

SECONDS = 1.5
"""For which places are looked at; a model with more of them is searched."""


def nothing_ahead(task: Task) -> str:
    """Why a search for less time would find nothing; "" where it may find something.

    Args:
        task: Of any goal; only time that is measured in a runtime of ONNX is foretold.

    Returns:
        A sentence for the record.
    """
    if task.goal != "latency" or task.timer is None or task.bench.framework != "onnx":
        return ""
    found = openings(task.bench.sized, task.rules, task.bench.missing, seconds=SECONDS)
    if not found.sized or found.left:
        return ""
    if not found.steps and not found.places:
        return "No rewrite applies to it."
    if task.settings.thorough:
        return ""
    expected = foretell(found.features, FITTED)
    if expected.worthwhile:
        return ""
    return (
        f"At most {percent(expected.high)} of the time is expected to be saved, less than can be measured, so nothing "
        "was tried (--thorough, or thorough=True, tries it)."
    )
