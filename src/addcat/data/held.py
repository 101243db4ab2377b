"""Data to fit on and data to judge on: read once, the second put aside from the first where they were not given."""

from typing import Any

from addcat.data.dataset import Inputs, Outputs
from addcat.data.examples import Examples
from addcat.data.sources import as_dataset
from addcat.data.stored import materialise, split
from addcat.errors import DataError
from addcat.report.rows import counted

HELD_SHARE = 0.3
FEWEST_FIT, FEWEST_HELD = 20, 10
"""Examples below which no interval would mean anything."""


def fit_and_held(
    data: Any, validation: Any, *, inputs: Inputs, outputs: Outputs, seed: int
) -> tuple[Examples, Examples]:
    """Read both.

    Args:
        data: What a model was trained on, as `as_dataset` takes it.
        validation: To judge on; None puts three examples in ten of the data aside.
        inputs: Of the model.
        outputs: Of the model.
        seed: Of the split.

    Returns:
        Examples to fit on, and others to judge on.

    Raises:
        DataError: if the data do not fit the model, have no labels, or are too few.
    """
    fit = materialise(as_dataset(data, inputs=inputs, outputs=outputs))
    _require_labels(fit, "data")
    if validation is None:
        fit, held = split(fit, HELD_SHARE, seed)
        require_enough(held, "to judge on", FEWEST_HELD)
    else:
        held = to_judge_on(validation, inputs=inputs, outputs=outputs)
    require_enough(fit, "to fit on", FEWEST_FIT)
    return fit, held


def to_judge_on(validation: Any, *, inputs: Inputs, outputs: Outputs) -> Examples:
    """Read data to judge on alone; see `fit_and_held`."""
    held = materialise(as_dataset(validation, inputs=inputs, outputs=outputs))
    _require_labels(held, "validation data")
    require_enough(held, "to judge on", FEWEST_HELD)
    return held


def _require_labels(examples: Examples, what: str) -> None:
    if not examples.targets:
        raise DataError(f"The {what} have no labels, and a verdict needs a loss. Pass (x, y).")


def require_enough(examples: Examples, words: str, fewest: int) -> None:
    """Refuse examples that are too few.

    Raises:
        DataError: if they are.
    """
    if examples.count < fewest:
        these, few = counted(examples.count, "example"), "is too few" if examples.count == 1 else "are too few"
        raise DataError(
            f"{these} {words} {few}; {fewest} are needed at least, and some hundred to decide anything but large gains."
        )
