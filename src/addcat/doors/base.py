"""What doors can do, each capability a small protocol, and which door a model goes through.

A framework offers as much as it can: Keras reads, writes, runs, probes and trains; ONNX reads; both put a model on the
bench. A verb names the capability that it needs, and gets a door that has it or one error that says what the framework
cannot do.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, overload, runtime_checkable

from numpy.typing import NDArray

from addcat.data.dataset import Outputs
from addcat.data.examples import Arrays, Examples
from addcat.data.scores import Form
from addcat.data.sources import batch_size_of
from addcat.doors.bench import Bench
from addcat.doors.inputs import Inputs, Shapes
from addcat.doors.recipe import ArmTrainer, Plan, Recipe, require_known
from addcat.errors import ModelError, OptionError
from addcat.graph import Array, Edge, Graph, Node, Shape

Run = Callable[[list[Array]], list[Array]]
"""Takes a list of arrays, one for each input; gives one for each output."""


class Probed(Protocol):
    """Gives tensors inside a network: a `Run` whose weights can be changed."""

    def __call__(self, inputs: list[Array], /) -> list[Array]:
        """The tensors for some model inputs."""
        ...

    def put(self, name: str, node: Node) -> None:
        """Put the weights of a node in the place of those of the node of a name; shapes stay."""
        ...


@runtime_checkable
class Reader(Protocol):
    """Sees a model as a graph."""

    def read(self, model: Any) -> Graph:
        """The graph of a model; the model is not touched."""
        ...

    def reshape_inputs(self, graph: Graph, shapes: tuple[Shape, ...]) -> Graph:
        """The graph with every shape inferred anew from these input shapes, batch first."""
        ...


@runtime_checkable
class Writer(Protocol):
    """Makes a model of a graph.

    Attributes:
        SUFFIX: What the name of a file ends in to which such a model is written.
    """

    SUFFIX: ClassVar[str]

    def write(self, graph: Graph, *, weights: bool = True, seed: int | None = None) -> Any:
        """A new model that computes what the graph says and shares nothing with the one it was read from."""
        ...


@runtime_checkable
class Runner(Protocol):
    """Runs a model at inference."""

    def predictor(self, model: Any, edges: Sequence[Edge] = ()) -> Run:
        """A compiled function that runs a model; the tensors on `edges` of its outermost graph follow its outputs.

        Raises:
            ModelError: by the function, where the model does not run.
        """
        ...

    def random_inputs(self, graph: Graph, *, examples: int, seed: int) -> list[Array]:
        """Inputs that a model takes, drawn at random."""
        ...


@runtime_checkable
class Prober(Protocol):
    """Looks at tensors inside a model."""

    def probe(self, graph: Graph, edges: list[Edge]) -> Probed:
        """A compiled function from model inputs to the tensors on some edges of `flatten(graph)`.

        Where the graph was edited, it shares nothing with the model that the graph was read from.
        """
        ...


@runtime_checkable
class Trainer(Protocol):
    """Trains a model, and measures its loss."""

    def outputs_of(self, model: Any) -> Outputs:
        """The names of a model's outputs, by which targets may be given."""
        ...

    def resolve_loss(self, model: Any, loss: Any, targets: tuple[Array, ...]) -> tuple[Any, str]:
        """The losses of a model's outputs, and words on where they come from."""
        ...

    def recipe_of(
        self,
        model: Any,
        *,
        batch: int | None,
        examples: int,
        epochs: int | None = None,
        learning_rate: float | None = None,
    ) -> Recipe:
        """How a model was trained, as far as it, the data and the user say."""
        ...

    def state(self, model: Any) -> Arrays:
        """The values of all variables of a model, in its order."""
        ...

    def losses_of(self, model: Any, losses: Any, examples: Examples) -> NDArray[Any]:
        """Loss of every example at inference, of shape (examples,), float64."""
        ...

    def constant_losses(self, model: Any, losses: Any, data: Examples, held: Examples) -> NDArray[Any]:
        """Loss of every held example, shape (examples,), where each output is the constant that is best on the data."""
        ...

    def couples(self, losses: Any) -> bool:
        """Whether the loss has one value for a batch and none for an example."""
        ...

    def lowest_loss(self, losses: Any) -> float:
        """The least that the loss can be, as far as is known: 0 or minus infinity."""
        ...

    def predictions(self, model: Any, examples: Examples) -> Arrays:
        """What a model gives for all examples at inference, one array for each output that a loss takes."""
        ...

    def forms(self, losses: Any) -> tuple[Form, ...]:
        """How each output is to be read, as its loss says."""
        ...

    def metric_named(self, name: str) -> Any:
        """The framework's own metric of a name; None where it has none."""
        ...

    def gradient(
        self, model: Any, losses: Any, examples: Examples, paths: Sequence[str]
    ) -> dict[tuple[str, str], Array]:
        """Gradient of the mean loss at inference, for kernels and biases of some nodes, in canonical layout."""
        ...

    def assign(self, model: Any, path: str, node: Node) -> None:
        """Put the weights of a node into the layer that it became."""
        ...

    def trainer(
        self, model: Any, losses: Any, recipe: Recipe, plan: Plan, data: Examples, held: Examples
    ) -> ArmTrainer:
        """A trainer of one arm."""
        ...


@runtime_checkable
class Bencher(Protocol):
    """Puts a model on the bench, where `optimize` works on it."""

    def bench_of(
        self,
        model: Any,
        *,
        runtime: str = ...,
        threads: int = 1,
        shapes: Shapes = None,
        inputs: Inputs = None,
        passed: Any = None,
        precision: str = "float32",
    ) -> Bench:
        """The model at some input shapes, in some runtime.

        Args:
            model: Of the door's framework; it is not touched.
            runtime: Where it is measured, in frameworks that have several.
            threads: How many threads a run may use.
            shapes: Shapes of the inputs, by name or in order, where the model leaves sizes open. An open batch is 1.
            inputs: Arrays by name, for inputs on which random ones will not do.
            passed: What stood for the model, such as its path; decides the form in which results are given back.
            precision: What it is timed in: "float32", or "default" for the runtime's own.
        """
        ...


@runtime_checkable
class Freezer(Protocol):
    """Trains a part of a model, where models are not cut into parts."""

    def freeze(self, model: Any, graph: Graph, names: Collection[str]) -> int:
        """Leave some nodes of a written model as they are in training, as at inference.

        Args:
            model: What `write` made of `graph`; it is changed.
            graph: Its graph.
            names: Nodes.

        Returns:
            How many of its weights are still trained.

        Raises:
            DataError: if one of them shares its weights with a node that is trained.
        """
        ...


class Switcher(Reader, Writer, Runner, Prober, Protocol):
    """What `switch` needs: to read, to write, to check and to fit."""


class Laboratory(Switcher, Trainer, Protocol):
    """What `advise` and `compare` need on top: to train."""


Capability = Literal["read", "write", "train", "bench"]
NEEDS: dict[Capability, tuple[type, ...]] = {
    "read": (Reader,),
    "write": (Reader, Writer, Runner, Prober),
    "train": (Reader, Writer, Runner, Prober, Trainer),
    "bench": (Bencher,),
}
CANNOT: dict[Capability, str] = {
    "read": "read",
    "write": "rewritten merge by merge",
    "train": "trained",
    "bench": "optimised",
}
"""How a sentence goes on: an ONNX model cannot be ..."""
_KERAS = "Pass a built Keras 3 model (keras.Sequential or keras.Model(inputs, outputs))"
_MODULE = "or a PyTorch module with example_inputs."
PASS: dict[Capability, str] = {
    "read": f"{_KERAS}, an ONNX model, {_MODULE}",
    "write": f"{_KERAS}, {_MODULE}",
    "train": f"{_KERAS}, {_MODULE}",
    "bench": f"Pass an ONNX model, a Keras model, a path of one, {_MODULE}",
}


@overload
def door_for(model: Any, needs: Literal["read"] = "read", *, example_inputs: Any = None) -> Reader: ...
@overload
def door_for(model: Any, needs: Literal["write"], *, example_inputs: Any = None) -> Switcher: ...
@overload
def door_for(model: Any, needs: Literal["train"], *, example_inputs: Any = None) -> Laboratory: ...
@overload
def door_for(model: Any, needs: Literal["bench"], *, example_inputs: Any = None) -> Bencher: ...
def door_for(model: Any, needs: Capability = "read", *, example_inputs: Any = None) -> Any:
    """The door of the framework that a model comes from, told by its class alone; loads no other framework.

    Args:
        model: A Keras or ONNX model, or a PyTorch module. Layers of Keras on its torch backend are modules too, and go
            through the Keras door.
        needs: "read"; "write" to run and change it too; "train" to train it as well; "bench" to optimise it.
        example_inputs: What a PyTorch module is called with: a tuple of arguments, or a dict of keyword arguments.

    Returns:
        A door with those capabilities.

    Raises:
        ModelError: if no door takes such an object, the framework cannot do what is needed, or a module comes without
            example inputs; says what to do.
        OptionError: if another model comes with example inputs.
    """
    framework = framework_of(model)
    if framework in ("keras", "onnx"):
        _refuse_examples(model, example_inputs)
    if framework == "keras":
        from addcat.doors import keras as door  # noqa: PLC0415  (loads Keras)

        return _require(door, "a Keras model", needs)
    if framework == "onnx":
        from addcat.doors import onnx as door  # noqa: PLC0415  (loads onnx)

        return _require(door, "an ONNX model", needs)
    if framework == "torch":
        return _torch_door(model, example_inputs)
    if isinstance(model, str | Path):
        raise ModelError(
            f"{str(model)!r} is a path or a name, not a model. Load it first (keras.saving.load_model, onnx.load), or "
            "use the command line, which takes it as it is."
        )
    if isinstance(model, type):
        raise ModelError(f"{model.__name__} is a class, not a model. Pass one that is made: {model.__name__}(...).")
    raise ModelError(f"No door takes a {type(model).__module__}.{type(model).__name__}. {PASS[needs]}")


def framework_of(model: Any) -> Literal["keras", "onnx", "torch", ""]:
    """The framework that a model comes from, told by its class alone; "" where it is none that has a door."""
    homes = {cls.__module__.split(".")[0] for cls in type(model).__mro__}
    if "keras" in homes:  # first: layers of Keras on its torch backend are modules too
        return "keras"
    if homes & {"onnx", "onnx_ir"}:
        return "onnx"
    return "torch" if "torch" in homes and hasattr(model, "forward") else ""


def _torch_door(model: Any, example_inputs: Any) -> Any:
    from addcat.doors.torch import Example, TorchDoor  # noqa: PLC0415  (loads torch)

    if example_inputs is None:
        raise ModelError(
            f"{type(model).__name__} is a PyTorch module, which keeps no input shapes. Pass what it is called with: "
            "example_inputs=(x,), a tuple of arguments, or a dict of keyword arguments."
        )
    return TorchDoor(Example.of(example_inputs))


def laboratory_for(
    model: Any, data: Any, validation: Any, *, example_inputs: Any = None, options: dict[str, Any]
) -> "tuple[Laboratory, Any, Any]":
    """The door that trains a model, and the data as it takes them.

    Args:
        model: A Keras model or a PyTorch module.
        data: To train on.
        validation: To judge on, or None.
        example_inputs: What a PyTorch module is called with; taken from the data where left out.
        options: How a PyTorch module is trained, by name.

    Raises:
        OptionError: if an option does not exist, or comes with a model of another framework.
    """
    known = (*OF_EVERY_TRAINING, RATE, "optimizer", "scheduler", "unpack", "factory", "device", "autocast")
    require_known(options, known)
    for name in OF_EVERY_TRAINING:
        if (value := options.get(name)) is not None and (type(value) is not int or value < 1):
            raise OptionError(f"{name}={value!r} is out of range. Expected a whole number of 1 or more.")
    rate = options.get(RATE)
    if rate is not None and (isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate < math.inf):
        raise OptionError(f"{RATE}={rate!r} is out of range. Expected a number above 0, such as 0.001.")
    if framework_of(model) != "torch":
        if others := [name for name in options if name not in (*OF_EVERY_TRAINING, RATE)]:
            raise OptionError(
                f"{others[0]}= is for PyTorch modules; a {type(model).__name__} is trained as it was compiled. "
                "Leave it out."
            )
        return door_for(model, needs="train", example_inputs=example_inputs), data, validation
    if rate is not None:
        raise OptionError(
            f"{RATE}= is for Keras models; a PyTorch module is trained by optimizer=, a function of its parameters. "
            "Set the rate there."
        )
    from addcat.doors.torch.laboratory import laboratory  # noqa: PLC0415  (loads torch)

    return laboratory(model, data, validation, example_inputs, options)


OF_EVERY_TRAINING = ("epochs", "batch_size")
"""What a user can say of the training of any model; a saved one does not keep it."""
RATE = "learning_rate"
"""What a user can say of the training of a Keras model, whose optimiser holds the last rate alone."""


def recipe_for(door: Laboratory, model: Any, data: Any, examples: int, options: Mapping[str, Any]) -> Recipe:
    """How a model was trained, by what the user says, else by the data and the model.

    Args:
        door: Of the model.
        model: The user's.
        data: As the user gave them; batches know their size.
        examples: How many there are to train on.
        options: Of the training, as for `laboratory_for`.
    """
    batch = options.get("batch_size") or batch_size_of(data)
    said = {"epochs": options.get("epochs"), RATE: options.get(RATE)}
    return door.recipe_of(model, batch=batch, examples=examples, **said)


def _refuse_examples(model: Any, example_inputs: Any) -> None:
    if example_inputs is not None:
        raise OptionError(
            f"example_inputs are for PyTorch modules; a {type(model).__name__} knows its own inputs. Leave them out."
        )


def _require(door: Any, words: str, needs: Capability) -> Any:
    if all(isinstance(door, capability) for capability in NEEDS[needs]):
        return door
    if words == "a PyTorch module":
        raise ModelError(f"This is {words}, which cannot be {CANNOT[needs]}.")
    raise ModelError(
        f"This is {words}, which cannot be {CANNOT[needs]}. Pass the Keras model that it was exported from; "
        "'inspect' and 'optimize' take ONNX models as well."
    )
