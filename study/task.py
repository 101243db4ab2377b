"""One question of the study: examples, a network with a merge, and how it is trained."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from study.data import Data

Build = Callable[[Data], Any]
METRICS = ("accuracy", "mae", "psnr")


@dataclass(frozen=True, slots=True)
class Task:
    """A task.

    Attributes:
        name: Unique in the study; its family first.
        family: What kind of merge it is about.
        data: Loads the examples; nothing is read before it is called.
        build: Makes the compiled Keras network for such examples.
        site: The merge that is asked about, or the family of merges as `addcat inspect` names it.
        metric: What people of the field look at besides the loss.
        steps: Of a training.
        batch: Examples in a step.
    """

    name: str
    family: str
    data: Callable[[], Data]
    build: Build
    site: str = "merge"
    metric: str = "accuracy"
    steps: int = 200
    batch: int = 32
