"""Budgets in the user's words: trainings of the given network, or time."""

import math
import re
from dataclasses import dataclass

from addcat.errors import OptionError
from addcat.report import rows

UNITS = {"x": 1.0, "s": 1.0, "sec": 1.0, "min": 60.0, "h": 3600.0}
FORM = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(x|sec|s|min|h)\s*", re.ASCII)
LEAST_SECONDS, MOST_SECONDS, SHARE = 60.0, 600.0, 0.25
"""The default: a minute, or a quarter of a training where that is more, and never more than ten minutes."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be spent.

    Attributes:
        trainings: Of the given network, in arithmetic (see `addcat.evidence.meter`); infinite where seconds are meant.
        seconds: Of the clock, compilation included; infinite where trainings are meant.
        given: Whether the user asked for it; the default is as long as it has to be.
    """

    trainings: float = math.inf
    seconds: float = math.inf
    given: bool = True

    @property
    def words(self) -> str:
        """As people write it."""
        if math.isfinite(self.trainings):
            return f"{rows.decimal(self.trainings)}x"
        return rows.seconds_text(self.seconds) if math.isfinite(self.seconds) else "no limit"


def parse_budget(text: str) -> Budget:
    """Read a budget.

    Args:
        text: A number and a unit: "0.5x" trainings, "90s", "10min" or "2h".

    Raises:
        OptionError: if it is not of that form, or not above zero.

    Examples:
        >>> parse_budget("0.05x").trainings, parse_budget("10min").seconds
        (0.05, 600.0)
    """
    match = FORM.fullmatch(str(text))
    if match is None or float(match[1]) <= 0:
        raise OptionError(
            f"budget={text!r} is no budget. Expected a number above 0 with a unit: 0.5x (trainings of the given "
            "network), 90s, 10min or 2h."
        )
    amount = float(match[1]) * UNITS[match[2]]
    return Budget(trainings=amount) if match[2] == "x" else Budget(seconds=amount)


def default_budget(training_seconds: float) -> Budget:
    """A minute or a quarter of a training, whichever is more, ten minutes at most.

    Examples:
        >>> [default_budget(seconds).seconds for seconds in (1.0, 1000.0, 1e6)]
        [60.0, 250.0, 600.0]
    """
    return Budget(seconds=min(max(LEAST_SECONDS, SHARE * training_seconds), MOST_SECONDS), given=False)
