"""What a comparison was set to do: everything that is needed to read its trials, as plain data that a store keeps."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from addcat.trials.trial import Key

STOPS = ("fixed", "sequential")
FEWEST = 4
"""Pairs below which nothing is decided."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One of the networks, and what it costs for a batch of one; None where that is not known.

    Attributes:
        name: As trials have it.
        words: What it is.
        parameters: All of them.
        multiply_adds: Of one example.
        bytes: Of the weights.
        peak: Bytes of live activations at most.
        step_seconds: Time of one training step, measured; a trial's where steps are not ours.
    """

    name: str
    words: str
    parameters: int | None = None
    multiply_adds: int | None = None
    bytes: int | None = None
    peak: int | None = None
    step_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Contrast:
    """A question that pairs of trials answer: what the other arm gains over the base.

    Attributes:
        name: Unique in the comparison.
        base: Name of an arm.
        other: Name of an arm.
        choices: What a verdict calls the two.
        budget: "widths", "parameters" or "multiply_adds".
        mismatch: How far the other arm's total is from the base's under that budget, as a share of it.
    """

    name: str
    base: str
    other: str
    choices: tuple[str, str]
    budget: str = "widths"
    mismatch: float = 0.0


@dataclass(frozen=True, slots=True)
class Factorial:
    """Many questions from the same trials (see `addcat.statistics.factorial`).

    Attributes:
        names: One question each.
        rows: Signs of each pair, +1 for the second arm; pair i runs `rows[i % len(rows)]` and its mirror.
        choices: What -1 and +1 mean.
    """

    names: tuple[str, ...]
    rows: tuple[tuple[int, ...], ...]
    choices: tuple[str, str]

    def arm(self, row: tuple[int, ...]) -> str:
        """The name of the arm that a row of signs is."""
        return " ".join(f"{name}={self.choices[sign > 0]}" for name, sign in zip(self.names, row, strict=True))

    def pair(self, place: int) -> tuple[str, str]:
        """The arms of one pair: the mirror, and the row."""
        row = self.rows[place % len(self.rows)]
        return self.arm(tuple(-sign for sign in row)), self.arm(row)


@dataclass(frozen=True, slots=True)
class Settings:
    """A comparison before its first trial.

    Attributes:
        title: The model, the function or the command.
        way: "model", "functions" or "command".
        question: What is asked, in one sentence.
        arms: The networks.
        contrasts: What is asked of pairs of arms; empty for a factorial design.
        factorial: The design, where several questions share their trials.
        seeds: One a pair, in order.
        margin: Share of the base's loss below which a gain does not count.
        stop: "fixed" or "sequential".
        unit: Name of what decides, such as "loss" or "val_accuracy".
        lower: Whether less of it is better.
        redrawn: Share of the training examples that each pair draws; 0 where all pairs train on the same.
        notes: What the user should know.
        command: How to ask again on the command line; "" where it was asked in Python.
        self_check: Whether an arm is compared with itself.
    """

    title: str
    way: str
    question: str
    arms: tuple[Arm, ...]
    contrasts: tuple[Contrast, ...]
    factorial: Factorial | None
    seeds: tuple[int, ...]
    margin: float
    stop: str
    unit: str = "loss"
    lower: bool = True
    redrawn: float = 0.0
    notes: tuple[str, ...] = ()
    command: str = ""
    self_check: bool = False

    def arms_of(self, place: int) -> tuple[str, ...]:
        """The arms that one pair trains."""
        if self.factorial is not None:
            return self.factorial.pair(place)
        return tuple(arm.name for arm in self.arms)

    def keys(self) -> list[Key]:
        """Every trial, pair by pair."""
        return [Key(arm, seed) for place, seed in enumerate(self.seeds) for arm in self.arms_of(place)]

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON has them."""
        return asdict(self)

    @staticmethod
    def from_dict(held: dict[str, Any]) -> "Settings":
        """The settings that `to_dict` gave, read back from JSON."""
        read: dict[str, Any] = {
            "arms": tuple(Arm(**arm) for arm in held["arms"]),
            "contrasts": tuple(_contrast(contrast) for contrast in held["contrasts"]),
            "seeds": tuple(held["seeds"]),
            "notes": tuple(held["notes"]),
        }
        if (design := held["factorial"]) is not None:
            rows = tuple(tuple(row) for row in design["rows"])
            read["factorial"] = Factorial(tuple(design["names"]), rows, tuple(design["choices"]))
        return Settings(**{**held, **read})


def _contrast(held: dict[str, Any]) -> Contrast:
    first, second = held["choices"]
    return replace(Contrast(**held), choices=(first, second))
