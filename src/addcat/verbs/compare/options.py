"""Every option of a comparison, checked once, before any work."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from addcat.errors import OptionError
from addcat.trials.budgets import check_budget
from addcat.verbs.compare.settings import FEWEST, STOPS

DESIGNS = ("factorial", "one-at-a-time")


@dataclass(frozen=True, slots=True)
class Options:
    """What all three ways in share.

    Attributes:
        arms: Names of the arms, two or more; the first is kept unless another gains more than the margin.
        pairs: How many, or how many at most where a sequence may stop earlier.
        margin: Share of the first arm's loss below which a gain does not count.
        stop: "fixed" or "sequential".
        budgets: Of "widths", "parameters", "multiply_adds".
        metric: The entry of what a trial gives that decides; "" for the loss.
        lower: Whether less of it is better.
        resample: "" or "data".
        design: "factorial" or "one-at-a-time", where several questions are asked.
        rates: Factors of the learning rate among which every arm is tuned; empty for none.
        steps: Of a training; None for the recipe's.
        seed: Of everything drawn.
        self_check: Whether the first arm is compared with itself.
        command: The words of the command line, where there are any.
    """

    arms: tuple[str, ...]
    pairs: int
    margin: float
    stop: str
    budgets: tuple[str, ...]
    lower: bool
    resample: str
    design: str
    rates: tuple[float, ...]
    steps: int | None
    seed: int
    self_check: bool
    command: str
    metric: str = ""

    def __post_init__(self) -> None:
        if len(self.arms) < 2 or len(set(self.arms)) < len(self.arms) or not all(self.arms):
            raise OptionError(f"arms={list(self.arms)} will not do. Expected two or more names, each once.")
        if self.pairs < 2:
            raise OptionError(
                f"pairs={self.pairs} is out of range. Expected 2 or more; fewer than {FEWEST} decide nothing."
            )
        if not 0 <= self.margin < 1:
            raise OptionError(
                f"margin={self.margin} is out of range. Expected a share of the loss, at least 0 and below 1."
            )
        one_of("stop", self.stop, STOPS)
        one_of("design", self.design, DESIGNS)
        if self.resample:
            one_of("resample", self.resample, ("data",))
        for budget in self.budgets:
            check_budget(budget)
        if not self.budgets or len(set(self.budgets)) < len(self.budgets):
            raise OptionError(f"budgets={list(self.budgets)} will not do. Expected one or more names, each once.")
        if any(not rate > 0 for rate in self.rates):
            raise OptionError(f"learning_rates={list(self.rates)} will not do. Expected factors above 0, such as 0.5.")
        if self.steps is not None and self.steps < 1:
            raise OptionError(f"steps={self.steps} is out of range. Expected 1 or more.")
        if self.seed < 0:
            raise OptionError(f"seed={self.seed} is out of range. Expected 0 or more.")

    @staticmethod
    def of(
        *,
        arms: Sequence[str],
        budgets: Sequence[str] | str,
        lower_is_better: bool,
        learning_rates: Sequence[float],
        command_line: str,
        **rest: Any,
    ) -> "Options":
        """The options as `addcat.compare` has them."""
        return Options(
            arms=tuple(arms),
            budgets=words_of(budgets),
            lower=lower_is_better,
            rates=tuple(learning_rates),
            command=command_line,
            **rest,
        )

    @property
    def seeds(self) -> tuple[int, ...]:
        """One a pair; more pairs later go on where these end."""
        first = self.seed * 100_000 + 1
        return tuple(range(first, first + self.pairs))


def one_of(name: str, value: str, choices: Sequence[str]) -> None:
    """Refuse a word that is not among the choices.

    Raises:
        OptionError: if it is not.
    """
    if value not in choices:
        raise OptionError(f"{name}={value!r} does not exist. Expected one of {', '.join(choices)}.")


def words_of(value: Any) -> tuple[str, ...]:
    """One word, or several, as a tuple."""
    return (value,) if isinstance(value, str) else tuple(value)
