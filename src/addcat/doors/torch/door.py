"""The torch door: one object, because a plain `nn.Module` needs to be told what it is called with."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from addcat.data.dataset import Outputs
from addcat.data.examples import Arrays, Examples
from addcat.data.scores import Form
from addcat.doors.bench import Bench
from addcat.doors.inputs import Inputs, Shapes
from addcat.doors.recipe import ArmTrainer, Plan, Recipe
from addcat.doors.torch import losses as judging
from addcat.doors.torch import measure as measuring
from addcat.doors.torch import read as reading
from addcat.doors.torch import run as running
from addcat.doors.torch import write as writing
from addcat.doors.torch.constants import constant_losses
from addcat.doors.torch.devices import drawn_alike
from addcat.doors.torch.examples import Example, device_of, example_of
from addcat.doors.torch.losses import TorchLoss
from addcat.doors.torch.raised import named
from addcat.doors.torch.run import Probed, Run
from addcat.doors.torch.tensors import is_tensor
from addcat.doors.torch.training import TorchTrainer, Training
from addcat.doors.torch.training.frozen import freeze
from addcat.doors.torch.trees import tree_map
from addcat.doors.torch.watching import in_mode
from addcat.errors import DataError, OptionError
from addcat.frameworks import torch
from addcat.graph import Array, Edge, Graph, Node, Shape

if TYPE_CHECKING:
    import torch as typed

_torch: Any = torch()
Losses = tuple[TorchLoss, ...]
"""The one loss of a module, once for each of its outputs."""


@dataclass(frozen=True, slots=True)
class TorchDoor:
    """See the protocols of `addcat.doors.base`.

    Attributes:
        example: What the model is called with.
        factory: Makes the user's model anew, where weights are drawn anew.
        training: How it is trained.
    """

    SUFFIX: ClassVar[str] = ".pt"

    example: Example
    factory: writing.Factory | None = None
    training: Training = field(default_factory=Training)

    def read(self, model: "typed.nn.Module") -> Graph:
        """See `addcat.doors.torch.read.read`."""
        return reading.read(model, self.example)

    def reshape_inputs(self, graph: Graph, shapes: tuple[Shape, ...]) -> Graph:
        """See `addcat.doors.torch.read.reshape_inputs`."""
        return reading.reshape_inputs(graph, shapes)

    def write(self, graph: Graph, *, weights: bool = True, seed: int | None = None) -> "typed.nn.Module":
        """See `addcat.doors.torch.write.write`."""
        _require_whole(graph)
        made = writing.write(graph, weights=weights, seed=seed, factory=self.factory)
        measuring.remember(made, graph)
        return made

    def predictor(self, model: "typed.nn.Module", edges: Sequence[Edge] = ()) -> Run:
        """See `addcat.doors.torch.run.predictor`."""
        return running.predictor(model, self.example, edges)

    def random_inputs(self, graph: Graph, *, examples: int, seed: int) -> list[Array]:
        """See `addcat.doors.torch.run.random_inputs`."""
        return running.random_inputs(graph, examples=examples, seed=seed)

    def probe(self, graph: Graph, edges: list[Edge]) -> Probed:
        """See `addcat.doors.torch.run.probe`."""
        _require_whole(graph)
        return running.probe(graph, edges, self.example)

    def outputs_of(self, model: "typed.nn.Module") -> Outputs:
        """Targets go by their order: a module's outputs have no names."""
        return Outputs()

    def resolve_loss(self, model: "typed.nn.Module", loss: Any, targets: tuple[Array, ...]) -> tuple[Losses, str]:
        """See `addcat.doors.torch.losses.resolve`."""
        call = example_of(self.example, [measuring.array_of(t) for t in self.example.tensors], model)
        with named(model, *call.trouble), drawn_alike(), in_mode(model, training=False), _torch.no_grad():
            output = model(*call.args, **call.kwargs)
        rows = next((len(tensor) for tensor in call.tensors if tensor.ndim), 1)
        if rows == 1:  # of two it shows whether an output is held against its own target
            output, rows = tree_map(_twice, output), 2
        some = [_torch.from_numpy(np.resize(array, (rows, *array.shape[1:]))) for array in targets if array.size]
        aim = self.example.target_of([tensor.to(device_of(model)) for tensor in some])
        found, words = judging.resolve(loss, output, targets, aim)
        outputs = max(1, sum(1 for _ in running.tensors_in(output)))
        return (found,) * outputs, words

    def recipe_of(
        self,
        model: "typed.nn.Module",
        *,
        batch: int | None,
        examples: int,
        epochs: int | None = None,
        learning_rate: float | None = None,
    ) -> Recipe:
        """See `addcat.doors.torch.training.settings.Training.recipe`."""
        recipe = self.training.recipe(batch=batch, examples=examples)
        self.training.require_made(model, recipe.steps)
        return recipe

    def state(self, model: "typed.nn.Module") -> Arrays:
        """See `addcat.doors.torch.measure.state`."""
        return measuring.state(model)

    def losses_of(self, model: "typed.nn.Module", losses: Losses, examples: Examples) -> NDArray[np.float64]:
        """See `addcat.doors.torch.measure.losses_of`."""
        return measuring.losses_of(model, losses[0], examples, self.example)

    def constant_losses(
        self, model: "typed.nn.Module", losses: Losses, data: Examples, held: Examples
    ) -> NDArray[np.float64]:
        """See `addcat.doors.torch.constants.constant_losses`."""
        return constant_losses(model, losses[0], data, held, self.example)

    def couples(self, losses: Losses) -> bool:
        """Whether the loss has one value for a batch and none for an example."""
        return losses[0].coupled

    def lowest_loss(self, losses: Losses) -> float:
        """See `addcat.doors.torch.losses.lowest`."""
        return judging.lowest(losses[0])

    def predictions(self, model: "typed.nn.Module", examples: Examples) -> Arrays:
        """See `addcat.doors.torch.measure.predictions`."""
        return measuring.predictions(model, examples, self.example)

    def forms(self, losses: Losses) -> tuple[Form, ...]:
        """See `addcat.doors.torch.losses.TorchLoss.form`."""
        return tuple(one.form for one in losses)

    def metric_named(self, name: str) -> None:
        """PyTorch has no metrics."""
        return None

    def gradient(
        self, model: "typed.nn.Module", losses: Losses, examples: Examples, paths: Sequence[str]
    ) -> dict[tuple[str, str], Array]:
        """See `addcat.doors.torch.measure.gradient`."""
        return measuring.gradient(model, losses[0], examples, paths, self.example)

    def assign(self, model: "typed.nn.Module", path: str, node: Node) -> None:
        """See `addcat.doors.torch.measure.assign`."""
        measuring.assign(model, path, node)

    def freeze(self, model: "typed.nn.Module", graph: Graph, names: Collection[str]) -> int:
        """See `addcat.doors.torch.training.frozen.freeze`."""
        return freeze(model, graph, names)

    def trainer(
        self, model: "typed.nn.Module", losses: Losses, recipe: Recipe, plan: Plan, data: Examples, held: Examples
    ) -> ArmTrainer:
        """See `addcat.doors.torch.training.trainer.TorchTrainer`."""
        return TorchTrainer(model, self.example, losses[0], recipe, plan, data, held)

    def bench_of(
        self,
        model: "typed.nn.Module",
        *,
        runtime: str = "onnxruntime",
        threads: int = 1,
        shapes: Shapes = None,
        inputs: Inputs = None,
        passed: Any = None,
        precision: str = "float32",
    ) -> Bench:
        """See `addcat.doors.torch.bench.bench_of`; under torch's own runtimes `addcat.doors.torch.eager.bench_of`."""
        if runtime in ("torch", "torch.compile"):
            from addcat.doors.torch import eager  # noqa: PLC0415  (wanted by `optimize` alone)

            if precision != "float32":
                raise OptionError(
                    f"precision {precision!r} is for the runtime 'openvino'. Leave it out for {runtime!r}."
                )
            options: Any = {"runtime": runtime, "threads": threads, "shapes": shapes, "inputs": inputs}
            return eager.bench_of(model, self.example, **options)
        from addcat.doors.torch.bench import bench_of  # noqa: PLC0415  (loads onnx)

        where: dict[str, Any] = {"runtime": runtime, "threads": threads, "precision": precision}
        return bench_of(model, self.example, shapes=shapes, inputs=inputs, **where)


def _require_whole(graph: Graph) -> None:
    if graph.native is None:
        raise DataError(f"{graph.name!r} is a part of a network, and a PyTorch module is not cut into parts.")


def _twice(value: Any) -> Any:
    """An output of one example as one of two."""
    return _torch.cat([value, value]) if is_tensor(value) and value.ndim and len(value) == 1 else value
