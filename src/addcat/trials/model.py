"""The first way in: a model and data. Its arms are its own architecture with some merges changed, all drawn anew."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from addcat.data.examples import Examples
from addcat.data.metrics import Metric, measured
from addcat.doors.base import Laboratory
from addcat.doors.judged import Judged
from addcat.doors.recipe import ArmTrainer, Plan, Rated, Recipe
from addcat.graph import Graph
from addcat.trials.arms import Rungs, arm_graph
from addcat.trials.execute import Unit
from addcat.trials.race import AT_ONCE, Race, race
from addcat.trials.trial import Key, Trial, of_curve


@dataclass(frozen=True, slots=True)
class ArmSpec:
    """What an arm of a model is.

    Attributes:
        rungs: The rung of each site that differs.
        widths: Outputs of consumers that were narrowed, by name, to match a budget.
        model: The user's own model of this arm; None for the one that all arms are made of.
        seeds_from: Added to every seed: an arm that is compared with itself starts elsewhere.
    """

    rungs: Rungs
    widths: Mapping[str, int] = field(default_factory=dict[str, int])
    seeds_from: int = 0
    model: Any = None

    @property
    def architecture(self) -> str:
        """What its network depends on, as words that can be compared within a process."""
        return f"{id(self.model)} {sorted(self.rungs.items())} {sorted(self.widths.items())}"


STATE = ("door", "model", "arms", "loss", "recipe", "plan", "data", "held", "metrics")
"""What is sent to another process; what was made of it is made anew there."""


@dataclass(slots=True)
class ModelTrial:
    """Trains arms of a model; see `addcat.trials.execute.Execute`.

    Attributes:
        door: Reads, writes and trains.
        model: The user's model; it is only read.
        arms: By name.
        loss: As the user gave it.
        recipe: How arms are trained; one for each where they differ.
        plan: Steps and evaluations.
        data: To train on.
        held: To judge on.
        metrics: Reported beside the loss.
        threads: Frameworks keep global state: one unit at a time in a process. The arms of one seed train at once.
    """

    door: Laboratory
    model: Any
    arms: Mapping[str, ArmSpec]
    loss: Any
    recipe: Recipe | Mapping[str, Recipe]
    plan: Plan
    data: Examples
    held: Examples
    metrics: tuple[Metric, ...] = ()
    threads: bool = False
    _races: dict[str, Race] = field(default_factory=dict[str, Race], repr=False, compare=False)
    _made: dict[str, tuple[Recipe, Race]] = field(default_factory=dict[str, Any], repr=False, compare=False)

    def __getstate__(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in STATE)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        for name, value in zip(STATE, state, strict=True):
            setattr(self, name, value)
        self.threads, self._races, self._made = False, {}, {}

    def units(self, keys: Sequence[Key], workers: int) -> list[Unit]:
        """As many seeds together as one program trains; all arms with them where there is one worker."""
        if not keys:
            return []
        size = self._trainer(keys[0].arm).at_once
        seeds = list(dict.fromkeys(key.seed for key in keys))
        place = {seed: index // size for index, seed in enumerate(seeds)}
        groups: dict[tuple[int, str], list[Key]] = {}
        for key in keys:
            groups.setdefault((place[key.seed], key.arm if workers > 1 else ""), []).append(key)
        return [tuple(group) for group in groups.values()]

    def __call__(self, unit: Unit) -> list[Trial]:
        """Train every arm of a unit, two at once: compiled code runs outside of Python's lock.

        Arms of one architecture, at several learning rates, share a network and its programs: they take turns.
        """
        seeds: dict[str, list[int]] = {}
        for key in unit:
            seeds.setdefault(key.arm, []).append(key.seed)
        # networks are built in this thread: frameworks keep names and seeds in global state
        runs = {arm: self._ready(arm, mine) for arm, mine in seeds.items()}
        turns: dict[str, list[str]] = {}
        for arm in runs:
            turns.setdefault(self.arms[arm].architecture, []).append(arm)

        def train(arms: Sequence[str]) -> dict[str, dict[int, Judged]]:
            return {arm: dict(zip(seeds[arm], runs[arm](), strict=False)) for arm in arms}

        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = {arm: run for part in pool.map(train, turns.values()) for arm, run in part.items()}
        return [self._trial(key, found[key.arm][key.seed]) for key in unit]

    def stop(self) -> None:
        """Nothing runs outside."""

    def _trial(self, key: Key, run: Judged) -> Trial:
        trial = of_curve(key, run.curve)
        if not self.metrics or trial.status != "done":
            return trial
        forms = self.door.forms(self.losses())
        values, why = measured(self.metrics, self.held.targets, run.outputs, forms)
        return replace(trial, metrics=values, detail=why)

    def _ready(self, arm: str, seeds: Sequence[int]) -> Callable[[], list[Judged]]:
        """A run of some seeds of an arm; always by the same program, so filled up to as many as that trains."""
        race = self.race(arm)
        size = self._trainer(arm).at_once
        filled = [*seeds, *[seeds[-1]] * (-len(seeds) % size)]
        actual = [seed + self.arms[arm].seeds_from for seed in filled]
        drawn = {seed: race.start(arm, seed) for seed in dict.fromkeys(actual)}
        starts = [drawn[seed] for seed in actual]
        if self.metrics:
            return lambda: race.run_judged(actual, {arm: starts})[arm]
        return lambda: [Judged(curve, ()) for curve in race.run_many(actual, {arm: starts})[arm]]

    def trained_by(self, recipes: Mapping[str, Recipe], **changes: Any) -> "ModelTrial":
        """The same trials, each arm trained by a recipe of its own; on the same data its programs are shared."""
        made = {} if changes.keys() & {"data", "held", "plan"} else self._made
        return replace(self, recipe=recipes, _races={}, _made=made, **changes)

    def race(self, arm: str) -> Race:
        """An arm, ready to train; made when it is first asked for, once a process."""
        if arm not in self._races:
            recipe = self.recipe if isinstance(self.recipe, Recipe) else self.recipe[arm]
            self._races[arm] = self._shared(arm, recipe) or self._race(arm, recipe)
            self._made.setdefault(self.arms[arm].architecture, (recipe, self._races[arm]))
        return self._races[arm]

    def _shared(self, arm: str, recipe: Recipe) -> Race | None:
        """A race of the same architecture at another learning rate, where one was made and can change it."""
        made = self._made.get(self.arms[arm].architecture)
        if made is None or replace(made[0], rate=recipe.rate, source=recipe.source) != recipe:
            return None
        ((_, graph),), ((_, trainer),) = made[1].arms.items(), made[1].trainers.items()
        if not isinstance(trainer, Rated):
            return None
        return replace(made[1], arms={arm: graph}, trainers={arm: trainer.at_rate(recipe)})

    def _race(self, arm: str, recipe: Recipe) -> Race:
        return race(self.door, {arm: self.graph(arm)}, recipe, self.plan, self.data, self.held, self.losses())

    def losses(self) -> Any:
        """Of the outputs, as the door understands them."""
        return self.door.resolve_loss(self.model, self.loss, self.data.targets)[0]

    def graph(self, arm: str) -> Graph:
        """The architecture of an arm."""
        spec = self.arms[arm]
        model = self.model if spec.model is None else spec.model
        return arm_graph(self.door, self.door.read(model), spec.rungs, widths=spec.widths)

    def _trainer(self, arm: str) -> ArmTrainer:
        return self.race(arm).trainers[arm]
