"""At which learning rates a model was trained: its optimiser holds the last one, `fit` has recorded those before.

A callback such as ReduceLROnPlateau lowers the rate that the optimiser carries, and that is what a copy of its config
has. Trained anew at the last rate alone a network gets nowhere in as many steps. `fit` leaves its history on the model,
with the rate of each epoch where a callback minded it; a file keeps no history.
"""

from dataclasses import dataclass
from typing import Any

from addcat.frameworks import keras
from addcat.report import rows

MOST_PIECES = 40
"""A rate that changes more often is read at so many places: each is a comparison in every step."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Learning rates one after the other.

    Attributes:
        ends: Share of the steps up to which each holds but the last, rising.
        values: One more than there are ends.
    """

    ends: tuple[float, ...]
    values: tuple[float, ...]

    def schedule(self, steps: int) -> Any:
        """A Keras schedule that goes through them in a number of steps; a number where the rate never changes."""
        if not self.ends:
            return self.values[0]
        ends = [end * steps for end in self.ends]
        return keras().optimizers.schedules.PiecewiseConstantDecay(ends, list(self.values))

    @property
    def words(self) -> str:
        """What they are."""
        first, *_, last = (*self.values, self.values[-1])
        if not self.ends:
            return rate_words(first)
        return f"{rate_words(first)} to {rows.decimal(last)} as recorded by fit"


def rate_words(rate: float) -> str:
    """One learning rate."""
    return f"learning rate {rows.decimal(rate)}"


def recorded(model: Any, made: int) -> Rates | None:
    """The learning rates that the last `fit` of a model has recorded.

    Args:
        model: A Keras model.
        made: Steps that its optimiser has made. Those before the last `fit` are taken to be at its first rate.

    Returns:
        The rates; None where none were recorded, or the optimiser has made fewer steps than the record has.
    """
    history = getattr(model, "history", None)
    logs: dict[str, Any] = getattr(history, "history", None) or {}
    params: dict[str, Any] = getattr(history, "params", None) or {}
    values = [float(rate) for rate in logs.get("learning_rate", ())]
    each = int(params.get("steps") or 0)
    if not values or not each or each * len(values) > made:
        return None
    before = made - each * len(values)
    places = [(before + each * (place + 1), rate) for place, rate in enumerate(values)]
    if len(_changes(places)) > MOST_PIECES:
        step = len(places) / MOST_PIECES
        ends = [round(step * (piece + 1)) - 1 for piece in range(MOST_PIECES)]
        middles = [round(step * (piece + 0.5)) for piece in range(MOST_PIECES)]
        places = [(places[end][0], values[middle]) for end, middle in zip(ends, middles, strict=True)]
    changes = _changes(places)
    return Rates(tuple(end / made for end, _ in changes[:-1]), tuple(rate for _, rate in changes))


def _changes(places: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """Neighbours of one rate as one, with the end of the last."""
    following = [*(rate for _, rate in places[1:]), None]
    return [place for place, after in zip(places, following, strict=True) if place[1] != after]
