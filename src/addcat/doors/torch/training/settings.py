"""What a user says about training, in torch's own words."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from addcat.doors.recipe import Recipe, assumption
from addcat.doors.torch.raised import said
from addcat.doors.torch.stream import shown
from addcat.doors.torch.training.optimizers import require_optimizer
from addcat.doors.torch.training.schedule import NOTHING, After, interval, paced
from addcat.errors import ModelError, OptionError
from addcat.frameworks import torch
from addcat.report import rows

if TYPE_CHECKING:
    import torch as typed

_torch: Any = torch()
_nn: Any = _torch.nn
STEPS, BATCH, RATE, DECAY = 1500, 128, 2e-3, 1e-3
"""Where nothing is said: AdamW (Loshchilov and Hutter 2019) with cosine decay, as for Keras models."""


@dataclass(frozen=True, slots=True)
class Training:
    """See `addcat.advise`.

    Attributes:
        optimizer: Takes parameters; gives an optimiser.
        scheduler: Takes an optimiser; gives its schedule.
        epochs: Passes over the data of a whole training.
        unpack: Takes a batch of a loader; gives (inputs, target).
        device: Where to train; where the model lies if left out.
        autocast: A type for mixed precision.
        loader: The data, where they came as a loader.
        batch: Examples in a batch of it.
        per_pass: Batches of a pass over it, where it has no length.
    """

    optimizer: "Callable[[list[typed.nn.Parameter]], typed.optim.Optimizer] | None" = None
    scheduler: Callable[[Any], Any] | None = None
    epochs: int | None = None
    unpack: Callable[[Any], Any] | None = None
    device: "typed.device | None" = None
    autocast: "typed.dtype | None" = None
    loader: Any = None
    batch: int | None = None
    per_pass: int | None = None

    def recipe(self, *, batch: int | None, examples: int) -> Recipe:
        """The recipe of a run over so many examples."""
        if self.loader is not None:
            per_pass = self.per_pass or len(self.loader)
            size = self.batch or max(1, math.ceil(examples / per_pass))
        else:
            size = min(batch or BATCH, examples)
            per_pass = max(1, examples // size)
        steps = self.epochs * per_pass if self.epochs else STEPS
        made = "AdamW, cosine decay" if self.optimizer is None else "the optimiser given"
        schedule = ", with its schedule" if self.scheduler is not None else ""
        words = rows.counted(steps, "step")
        words = f"{rows.counted(self.epochs, 'epoch')}, {words}" if self.epochs else words
        unsaid = None if batch or self.loader is not None else size
        assumed = assumption(None if self.epochs else steps, unsaid)
        return Recipe(self, steps, size, f"{made}{schedule}, {words}", assumed=assumed)

    def require_made(self, model: "typed.nn.Module", steps: int) -> None:
        """Make an optimiser and a schedule once, of copies of a model's parameters, for what they raise.

        Raises:
            ModelError: if all parameters are frozen.
            OptionError: if they cannot be made.
        """
        frozen = [not parameter.requires_grad for parameter in model.parameters()]
        if frozen and all(frozen):
            raise ModelError(
                f"No weight of {type(model).__name__} is trained: requires_grad is False for all of them. Let those be "
                "trained that a training is to change: model.head.requires_grad_(True)."
            )
        if self.optimizer is None and self.scheduler is None:
            return
        copies = [_nn.Parameter(one.detach().clone()) for one in model.parameters() if one.requires_grad]
        self._made(copies, steps, steps)

    def made(self, model: "typed.nn.Module", steps: int, whole: int) -> tuple["typed.optim.Optimizer", After]:
        """An optimiser for a run, and what is to be called after each of its steps and looks.

        Args:
            model: The module.
            steps: Of the run; a schedule runs through in them.
            whole: Steps of the whole training that the schedule was made for.
        """
        return self._made([parameter for parameter in model.parameters() if parameter.requires_grad], steps, whole)

    def _made(
        self, parameters: "list[typed.nn.Parameter]", steps: int, whole: int
    ) -> tuple["typed.optim.Optimizer", After]:
        if self.optimizer is None:
            optimizer: typed.optim.Optimizer = _torch.optim.AdamW(parameters, RATE, weight_decay=DECAY)
        else:
            optimizer = require_optimizer(_called("optimizer", self.optimizer, parameters), parameters)
        if self.scheduler is not None:
            schedule, unit = interval(_called("scheduler", self.scheduler, optimizer), self.epochs or 1, whole)
            if not hasattr(schedule, "step"):
                raise OptionError(
                    f"scheduler= gave {shown(schedule)}. Expected one schedule, such as "
                    "torch.optim.lr_scheduler.StepLR(optimizer, 10)."
                )
            ticks = whole if unit == "step" else self.epochs or 1
        elif self.optimizer is None:
            schedule, ticks = _torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS), STEPS
        else:
            return optimizer, NOTHING
        return optimizer, paced(schedule, ticks, steps)


SUCH = {
    "optimizer": "lambda parameters: torch.optim.AdamW(parameters, 1e-3)",
    "scheduler": "lambda optimizer: torch.optim.lr_scheduler.StepLR(optimizer, 10)",
}
"""Every run has an optimiser of its own, and that a schedule of its own."""
TAKES = {"optimizer": "parameters, gives an optimiser", "scheduler": "an optimiser, gives its schedule"}


def _called(name: str, function: Callable[[Any], Any], given: object) -> Any:
    """What a user's function makes.

    Raises:
        OptionError: if it is none, or fails.
    """
    if not callable(function):
        raise OptionError(f"{name}= is {shown(function)}. Expected a function, such as {name}={SUCH[name]}.")
    try:
        return function(given)
    except Exception as error:
        raise OptionError(f"{name}= raised {said(error)}. Expected a function that takes {TAKES[name]}.") from error
