"""Losses, one value for each example: what `compile` was given, a name, or what the outputs and targets suggest."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any, cast

import numpy as np

from addcat.data.dataset import Outputs
from addcat.data.scores import Form
from addcat.doors.keras.said import first_sentence
from addcat.errors import DataError, OptionError, nearest
from addcat.frameworks import keras, load
from addcat.graph import Array
from addcat.report.rows import counted

PROBABILITIES = {
    *("binarycrossentropy", "binaryfocalcrossentropy", "categoricalcrossentropy", "categoricalfocalcrossentropy"),
    *("kldivergence", "kullbackleiblerdivergence"),
}
"""Losses whose targets are probabilities: Keras takes others without a word, and the loss then means nothing."""


@dataclass(frozen=True, slots=True)
class OutputLoss:
    """The loss of one output.

    Attributes:
        given: A Keras loss or a function of (y_true, y_pred); None for an output that has no loss.
        name: As people write it.
        weight: Its share in the sum over outputs.
        coupled: Whether it has one value for a batch and none for an example, as Dice over the batch.
    """

    given: Any
    name: str
    weight: float = 1.0
    coupled: bool = False

    @property
    def takes_classes(self) -> bool:
        """Whether its targets are indices of classes."""
        losses = keras().losses
        sparse = losses.SparseCategoricalCrossentropy, losses.sparse_categorical_crossentropy
        return isinstance(self.given, sparse[0]) or self.given is sparse[1]

    @property
    def nonnegative(self) -> bool:
        """Whether it is known to be never below zero."""
        if self.given is None:
            return True
        return self.key in NONNEGATIVE and self.weight >= 0

    @property
    def key(self) -> str:
        """The name that a Keras loss has as a class and as a function alike; "" for one of the user's own."""
        name = str(getattr(self.given, "__name__", type(self.given).__name__))
        return name.replace("_", "").lower() if _is_keras_loss(self.given) else ""

    @property
    def form(self) -> Form:
        """How its output is to be read; a function of the user's own does not say."""
        if not _is_keras_loss(self.given):
            return Form()
        config: dict[str, Any] = self.given.get_config() if hasattr(self.given, "get_config") else {}
        return Form("logit" if config.get("from_logits") else "identity", -1, config.get("ignore_class"))

    def values(self, target: Any, output: Any) -> Any:
        """Loss at each position of each example, in float32 whatever the network computes in, as Keras has it.

        Raises:
            DataError: if the loss raises, as one that expects outputs of another rank.
        """
        dtype = getattr(self.given, "dtype", None) or keras().config.floatx()
        call: Callable[[Any, Any], Any] = self.given.call if isinstance(self.given, keras().losses.Loss) else self.given
        target, output = (keras().ops.convert_to_tensor(tensor, dtype=dtype) for tensor in (target, output))
        if len(target.shape) == len(output.shape) - 1 and output.shape[-1] == 1:
            target = keras().ops.expand_dims(target, -1)
        try:
            return call(target, output)
        except Exception as error:  # a loss of the user's may raise anything
            said = f"{type(error).__name__}: {first_sentence(error)}"
            raise DataError(
                f"{self.name} cannot be computed: {said} Pass a loss that fits the outputs and targets."
            ) from error


Losses = tuple[OutputLoss, ...]
NONNEGATIVE = {
    *("meansquarederror", "meanabsoluteerror", "meanabsolutepercentageerror", "meansquaredlogarithmicerror"),
    *("binarycrossentropy", "categoricalcrossentropy", "sparsecategoricalcrossentropy", "binaryfocalcrossentropy"),
    *("categoricalfocalcrossentropy", "huber", "logcosh", "hinge", "squaredhinge", "categoricalhinge"),
}
"""Keras losses, as classes or functions, that are zero at best. A Poisson loss or a cosine similarity is not."""


def resolve_loss(model: Any, loss: Any, targets: tuple[Array, ...]) -> tuple[Losses, str]:
    """The losses of a model's outputs.

    Args:
        model: A Keras model.
        loss: A Keras loss, its name, a function of (y_true, y_pred), a list of these or a dict by output, or None.
        targets: One array for each output.

    Returns:
        One loss for each output, and words on where they come from. Weights are those of the compiled model, where its
        losses are taken.

    Raises:
        OptionError: if there is no such loss.
        DataError: if targets do not fit the outputs or the loss.
    """
    outputs = keras().tree.flatten(model.outputs)
    if len(targets) != len(outputs):
        many = counted(len(outputs), "output")
        got = counted(len(targets), "target")
        raise DataError(f"{model.name!r} has {many}, the data have {got}. Give one target for each output.")
    weights: list[Any] = [None] * len(outputs)
    given, source = loss, "given"
    if given is None and getattr(model, "compiled", False) and model.loss is not None:
        given, source = model.loss, "of the compiled model"
        weights = _for_each(model._compile_loss._user_loss_weights, model, "loss weights")
    if given is None:
        given, source = [_inferred(o, t) for o, t in zip(outputs, targets, strict=True)], "inferred from the targets"
    named = outputs_of(model)
    if isinstance(loss, list | tuple) and named.names != named.written:
        words = ", ".join(map(repr, named.written))
        raise OptionError(
            f"The model's outputs are written {words} and counted in another order, so a list of losses could be meant "
            "in either. Pass a dict of losses by these names."
        )
    listed = [_get(one) for one in _for_each(given, model, "losses")]
    found = tuple(
        OutputLoss(one, loss_name(one), 1.0 if weight is None else float(weight))
        for one, weight in zip(listed, weights, strict=True)
    )
    for name, one, output, target in zip(named.names, found, outputs, targets, strict=True):
        try:
            _check(one, output, target)
        except DataError as wrong:
            if len(outputs) == 1:
                raise
            raise DataError(f"Output {name!r}: {wrong}") from None
    found = tuple(replace(o, coupled=_coupled(o, *of)) for o, *of in zip(found, outputs, targets, strict=True))
    alone = "; it has no value for one example, so pairs of seeds alone carry the interval" if couples(found) else ""
    return found, f"{', '.join(one.name for one in found)}, {source}{alone}"


def couples(losses: Losses) -> bool:
    """Whether one of some losses has no value for one example."""
    return any(one.coupled for one in losses)


def _coupled(loss: OutputLoss, output: Any, target: Array) -> bool:
    """Whether two examples have one value; a loss that cannot be tried is taken to have a value for each."""
    if loss.given is None or loss.key in NONNEGATIVE:
        return False
    made = np.full((2, *(size or 1 for size in output.shape[1:])), 0.5, "float32")
    try:
        return not loss.values(np.asarray(target[:2]), made).shape
    except Exception:
        return False


def _for_each(given: Any, model: Any, what: str) -> list[Any]:
    """One setting for each output, from one for all, a list of them, or a dict by the outputs' names."""
    outputs, names = keras().tree.flatten(model.outputs), outputs_of(model).names
    if isinstance(given, dict):
        by_name = cast("dict[str, Any]", given)
        if set(by_name) <= set(names):  # as in Keras, an output that is left out has no loss
            return [by_name.get(name) for name in names]
        structure = getattr(model, "_outputs_struct", None)
        if not (isinstance(structure, dict) and set(by_name) == set(cast("dict[str, Any]", structure))):  # nested
            unknown = ", ".join(repr(key) for key in by_name if key not in names)
            known = ", ".join(map(repr, names))
            raise OptionError(f"The {what} name {unknown}; the model has {known}. Pass a dict by the outputs' names.")
    nested = isinstance(given, list | tuple | dict)
    listed: list[Any] = keras().tree.flatten(given) if nested else [given] * len(outputs)
    if len(listed) != len(outputs):
        many = counted(len(outputs), "output")
        raise OptionError(f"{len(listed)} {what} were given for {many}. Give one, or one for each.")
    return listed


def outputs_of(model: Any) -> Outputs:
    """The names of a Keras model's outputs: the keys of a dict, else the layers' names."""
    structure = getattr(model, "_outputs_struct", None)
    if isinstance(structure, dict):
        written = tuple(map(str, cast("dict[str, Any]", structure)))
        if len(written) == len(model.outputs):  # not nested
            return Outputs(tuple(sorted(written)), written)
    # a Sequential model has one output, and no name for it
    names = tuple(getattr(model, "output_names", None) or (str(place) for place in range(len(model.outputs))))
    return Outputs(names, names)


def lowest_loss(losses: Losses) -> float:
    """The least that the sum of some losses can be, as far as is known: 0 or minus infinity."""
    return 0.0 if all(one.nonnegative for one in losses) else -math.inf


def forms(losses: Losses) -> tuple[Form, ...]:
    """How each output is to be read."""
    return tuple(one.form for one in losses)


def metric_named(name: str) -> Any:
    """The Keras metric of a name; None where there is none."""
    try:
        return keras().metrics.get(name)
    except ValueError:
        return None
    except TypeError as error:  # one that needs arguments
        raise OptionError(f"metric={name!r} needs arguments: {error}. Pass the metric itself.") from None


def loss_name(loss: Any) -> str:
    """A loss as people write it."""
    if loss is None:
        return "none"
    name = str(getattr(loss, "name", None) or getattr(loss, "__name__", None) or type(loss).__name__)
    logits = isinstance(loss, keras().losses.Loss) and loss.get_config().get("from_logits", False)
    return f"{name} from logits" if logits else name


def _get(loss: Any) -> Any:
    if not isinstance(loss, str):
        return loss
    try:
        return keras().losses.get(loss)
    except ValueError:
        known = [name for name in dir(keras().losses) if name.islower() and not name.startswith("_")]
        raise OptionError(f"{loss!r} is not a Keras loss. Nearest: {nearest(loss, known)}.") from None


def _inferred(output: Any, target: Array) -> Any:
    """Classes for integers against more than one unit, two classes against one, squares for anything else.

    An output that does not end in a softmax or sigmoid is taken for logits.
    """
    losses, units = keras().losses, output.shape[-1]
    whole = np.issubdtype(target.dtype, np.integer) or target.dtype == bool
    logits = _last_function(output) not in ("softmax", "sigmoid")
    if whole and units is not None and units > 1:
        if target.shape[1:] in (tuple(output.shape[1:-1]), (*output.shape[1:-1], 1)):
            return losses.SparseCategoricalCrossentropy(from_logits=logits)
        if target.shape[1:] == tuple(output.shape[1:]) and bool((target.sum(axis=-1) == 1).all()):
            return losses.CategoricalCrossentropy(from_logits=logits)
    if whole and units == 1 and set(np.unique(target)) <= {0, 1}:
        return losses.BinaryCrossentropy(from_logits=logits)
    return losses.MeanSquaredError()


PASSING = ("linear", "reshape", "flatten", "identity", "dropout", "cast")
"""Operations without weights after which probabilities are probabilities still."""


def _last_function(output: Any) -> str:
    """Name of the function that an output ends in, seen through nested models and what keeps probabilities."""
    operation, node, index = output._keras_history
    if isinstance(operation, keras().Model):
        return _last_function(keras().tree.flatten(operation.outputs)[index])
    function = getattr(operation, "activation", None)
    name = str(getattr(function, "__name__", "") or type(operation).__name__).lower()
    inputs = operation._inbound_nodes[node].input_tensors
    if name in PASSING and len(inputs) == 1 and not getattr(operation, "weights", ()):
        return _last_function(inputs[0])
    return name


def _check(loss: OutputLoss, output: Any, target: Array) -> None:
    """Labels that no class of the output has, or shapes that do not meet."""
    if loss.given is None or not _is_keras_loss(loss.given):
        return  # what a function of the user's own takes is the user's to know
    name, expected, got = loss.name, tuple(output.shape[1:]), target.shape[1:]
    if loss.takes_classes:
        ignored = loss.given.get_config().get("ignore_class") if hasattr(loss.given, "get_config") else None
        _check_classes(name, expected[-1], target if ignored is None else target[target != ignored])
        takes = (expected[:-1], (*expected[:-1], 1))
        expected = expected[:-1]
    else:
        takes = (expected, expected[:-1]) if expected[-1:] == (1,) else (expected,)
    if not any(_meet(shape, got) for shape in takes):
        words = "class indices" if loss.takes_classes else "targets"
        raise DataError(
            f"{name}: targets have shape {got} for each example, expected {words} of shape {expected}."
            f"{_way(loss, tuple(output.shape[1:]), got, target)}"
        )
    if loss.key in PROBABILITIES:
        _check_probabilities(name, target)


def _way(loss: OutputLoss, units: tuple[int | None, ...], got: tuple[int, ...], target: Array) -> str:
    """What to do where class indices stand in for one-hot targets, or the other way round; "" elsewhere."""
    one_hot, whole = _meet(units, got), np.issubdtype(target.dtype, np.integer)
    if loss.takes_classes and one_hot:
        return " Pass y.argmax(axis=-1), or loss='categorical_crossentropy'."
    indices = whole and _meet(units[:-1], got[:-1] if got[-1:] == (1,) else got)
    if loss.key == "categoricalcrossentropy" and indices:
        return " Pass keras.utils.to_categorical(y), or loss='sparse_categorical_crossentropy'."
    return ""


def _meet(expected: tuple[int | None, ...], got: tuple[int, ...]) -> bool:
    return len(expected) == len(got) and all(e in (None, g) for e, g in zip(expected, got, strict=True))


def _is_keras_loss(loss: Any) -> bool:
    return str(getattr(loss, "__module__", "")).startswith("keras.")


def _check_probabilities(name: str, target: Array) -> None:
    low, high = (float(target.min()), float(target.max())) if target.size else (0.0, 0.0)
    if low >= 0 and high <= 1:
        return
    way = "Divide them by 255." if low >= 0 and high == 255 else "Map them to this range."
    if low == -1 and high <= 1:
        way = "Map them: (y + 1) / 2."
    raise DataError(f"{name}: targets reach from {low:g} to {high:g}, expected probabilities from 0 to 1. {way}")


def _check_classes(name: str, units: int | None, target: Array) -> None:
    if not np.issubdtype(target.dtype, np.integer):
        broken = target[target != np.round(target)]
        if broken.size:
            raise DataError(f"{name} needs class indices; the targets hold fractions such as {broken.flat[0]}.")
    low, high = (int(target.min()), int(target.max())) if target.size else (0, 0)
    if low < 0 or (units is not None and high >= units):
        raise DataError(
            f"{name}: labels reach from {low} to {high}, the output has {units} classes (0 to {(units or 0) - 1})."
        )


def per_example(losses: Losses, targets: Any, outputs: Any) -> Any:
    """Loss of each example: each output's mean over positions, summed over outputs with their weights.

    Args:
        losses: One for each output.
        targets: One tensor for each output.
        outputs: What the model gave, flat.

    Returns:
        A tensor (examples,); where a loss has one value for a batch, each of its examples has that.
    """
    ops = keras().ops
    total: Any = ops.zeros(ops.shape(outputs[0])[:1])
    for loss, target, output in zip(losses, targets, outputs, strict=True):
        if loss.given is None:
            continue
        values = loss.values(target, output)
        if not values.shape:
            total = total + loss.weight * values
            continue
        total = total + loss.weight * ops.mean(ops.reshape(values, (ops.shape(values)[0], -1)), axis=1)
    return total


Judge = Callable[[Any, Any], Any]
"""Takes targets and outputs, gives what `per_example` gives."""


def judge(losses: Losses) -> Judge:
    """`per_example` as one program where Keras runs on JAX, instead of one for each of its operations.

    Args:
        losses: One for each output.

    Returns:
        The function. A loss of the user's own is run as it is: it may depend on what changes.
    """
    one_program = keras().backend.backend() == "jax" and all(
        loss.given is None or _is_keras_loss(loss.given) for loss in losses
    )
    return _compiled(losses) if one_program else partial(per_example, losses)


@lru_cache(maxsize=8)
def _compiled(losses: Losses) -> Judge:
    """Kept, since each program compiles anew."""
    return load("jax", extra="keras").jit(partial(per_example, losses))
