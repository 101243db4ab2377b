"""What the three parts of an optimisation share: search, verification, confirmation."""

import time
from dataclasses import dataclass, field

from addcat.doors.bench import Bench, Timer
from addcat.rules import Goal, Rule
from addcat.verbs.optimize.rounds import Progress

SHARE = 0.25
"""Share of the seconds of a search that one comparison may take: on a busy machine, some are left for the others."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Options that all goals share; see `optimize`."""

    runtime: str
    threads: int
    precision: str
    tolerance: float
    measure: bool
    cache: bool
    thorough: bool
    seed: int
    progress: Progress


@dataclass(frozen=True, slots=True)
class Task:
    """One goal for one model.

    Attributes:
        bench: The model on its bench.
        goal: What is to improve.
        rules: The rewrites that may be used.
        settings: Options.
        limit: Seconds of the search.
        begun: When it begins, on `time.perf_counter`.
    """

    bench: Bench
    goal: Goal
    rules: tuple[Rule, ...]
    settings: Settings
    limit: float
    begun: float = field(default_factory=time.perf_counter)

    @property
    def until(self) -> float:
        """When the search ends, on `time.perf_counter`."""
        return self.begun + self.limit

    @property
    def patience(self) -> float:
        """Seconds that a comparison which begins now may take, however busy the machine is."""
        return min(SHARE * self.limit, self.until - time.perf_counter())

    @property
    def by_name(self) -> dict[str, Rule]:
        """The rules by name."""
        return {rule.name: rule for rule in self.rules}

    @property
    def timer(self) -> Timer | None:
        """Measures the model; None where nothing is measured."""
        return self.bench.timing if self.settings.measure else None
