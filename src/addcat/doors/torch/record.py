"""One run of a model, written down: on fake tensors, which cost nothing, else with real numbers."""

import inspect
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from addcat.doors.torch.around import uncached
from addcat.doors.torch.calls import Call, Owner
from addcat.doors.torch.devices import drawn_alike, full_precision
from addcat.doors.torch.examples import Example, device_of, own_forward
from addcat.doors.torch.raised import named, words_of
from addcat.doors.torch.recorder import Recorder
from addcat.doors.torch.resizing import shapes_alone
from addcat.doors.torch.states import Passed, States, states_of
from addcat.doors.torch.stream import shown
from addcat.doors.torch.tables import buffers_of, named_modules, parameters_of
from addcat.doors.torch.tensors import unlogged
from addcat.doors.torch.trees import tree_leaves
from addcat.doors.torch.watching import asked_modes, in_mode, untouched, watched
from addcat.errors import ModelError
from addcat.frameworks import load, torch
from addcat.graph import Edge

if TYPE_CHECKING:
    import torch as typed
    from torch._subclasses.fake_tensor import FakeTensorMode

_torch: Any = torch()
_tree: Any = load("torch.utils._pytree", extra="torch")


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """What a model did when it was run once.

    Attributes:
        model: The model itself.
        example: What it was called with.
        calls: In the order made, inputs first.
        owners: Modules that are no leaf, by path.
        outputs: The tensors that it gave.
        inputs: Names of its inputs.
        seen_late: Names of in-place calls whose operand was read under another name afterwards.
        seen_old: Names of sums in place whose operand was read under its old name afterwards.
        fake: Whether it ran on fake tensors.
        values: Tensors that were asked for.
        given: What the model gave, as it gave it.
    """

    model: "typed.nn.Module"
    example: Example
    calls: tuple[Call, ...]
    owners: dict[str, Owner]
    outputs: tuple[Edge, ...]
    inputs: tuple[str, ...]
    seen_late: frozenset[str]
    seen_old: frozenset[str]
    fake: bool
    values: "dict[Edge, typed.Tensor]"
    given: Any


def record(model: "typed.nn.Module", example: Example) -> Recording:
    """Run a model once, in eval mode, and write down what it calls; it is as before afterwards.

    Raises:
        ModelError: if it has uninitialised parameters, or does not run on the example.
    """
    _require_readable(model)
    try:
        return _run(model, example, fake=True)
    except ModelError:
        raise
    except Exception:  # a value of a tensor was wanted, or a kernel knows no fake tensors
        try:
            return _run(model, example, fake=False)
        except ModelError:
            raise
        except Exception as error:
            raise ModelError(
                f"{type(model).__name__} does not run on example inputs of shape {example.shapes}: "
                f"{words_of(model, error)}. {_instead(model, example)}"
            ) from error


def _instead(model: "typed.nn.Module", example: Example) -> str:
    """What to pass: a dict is keyword arguments, where many mean it as the one argument."""
    takes = inspect.signature(own_forward(model)).parameters.values()
    names = {parameter.name for parameter in takes}
    unknown = next((name for name in example.kwargs if name not in names), None)
    if unknown is None or any(parameter.kind == parameter.VAR_KEYWORD for parameter in takes):
        return "Pass example_inputs that it takes."
    return (
        f"A dict is passed as keyword arguments, and forward has none of the name {unknown!r}. Pass those that it has, "
        "or the dict itself as an argument: example_inputs=(batch,)."
    )


def values_at(model: "typed.nn.Module", example: Example, edges: list[Edge]) -> "tuple[Any, dict[Edge, typed.Tensor]]":
    """Run a model with real numbers; give its outputs and the tensors on some edges.

    Raises:
        ModelError: if it does not run.
    """
    with named(model, *example.trouble), full_precision():
        made = _run(model, example, fake=False, wanted=frozenset(edges))
    return made.given, made.values


def _run(model: "typed.nn.Module", example: Example, *, fake: bool, wanted: frozenset[Edge] = frozenset()) -> Recording:
    """Run it, and once more for each of the cells around cells whose state starts from nothing that is followed."""
    states: States = frozenset()
    while True:
        made, passed = _run_once(model, example, fake=fake, wanted=wanted, states=states)
        more = states | states_of(passed)
        if more == states:
            return made
        states = more


def _run_once(
    model: "typed.nn.Module", example: Example, *, fake: bool, wanted: frozenset[Edge], states: States
) -> tuple[Recording, dict[str, list[Passed]]]:
    names = example.names(model)
    recorder = Recorder(model, wanted, states)
    with untouched(model) as changed, in_mode(model, training=False), _mode(fake) as made:
        given = example.filled([_fresh(tensor, made, model) for tensor in example.tensors])
        for name, tensor in zip(names, given.tensors, strict=True):
            recorder.input(name, tensor)
        with watched(model, recorder), asked_modes(recorder.mode_asked), _torch.no_grad(), recorder:
            out = model(*given.args, **given.kwargs)
    for path, attributes in changed.items():
        recorder.owners.setdefault(path, Owner()).note(f"sets {', '.join(map(repr, attributes))} on itself")
    edges = [edge for edge in recorder.outputs(out) if edge is not None]
    if not edges:
        raise ModelError(
            f"{type(model).__name__} gives no tensor that depends on its inputs{_unseen(out)}. "
            "Let forward give a tensor, or a list, tuple, dict or dataclass of tensors."
        )
    made_of = Recording(
        model,
        example,
        tuple(recorder.calls),
        recorder.owners,
        tuple(edges),
        tuple(names),
        frozenset(recorder.seen_late),
        frozenset(recorder.seen_old),
        fake,
        recorder.values,
        out,
    )
    return made_of, recorder.passed


def _unseen(out: object) -> str:
    """How the sentence goes on where an output may hold tensors that nobody sees."""
    closed = [leaf for leaf in tree_leaves(out) if not isinstance(leaf, _torch.Tensor) and hasattr(leaf, "__dict__")]
    return f": it gives {shown(closed[0])}, which cannot be looked into" if closed else ""


def _is_wrapper(cls: type) -> bool:
    return cls.__name__ in WRAPPERS and cls.__module__.startswith("torch.")


@contextmanager
def _mode(fake: bool) -> Generator["FakeTensorMode | None"]:
    if not fake:
        with drawn_alike(), uncached():
            yield None
        return
    tensors: Any = load("torch._subclasses.fake_tensor", extra="torch")
    mode = tensors.FakeTensorMode(allow_non_fake_inputs=True)
    with drawn_alike(), uncached(), unlogged(), mode as made, shapes_alone():
        yield made


def _fresh(tensor: "typed.Tensor", made: "FakeTensorMode | None", model: "typed.nn.Module") -> "typed.Tensor":
    """A tensor of the run's own: fake, or a copy where the model lies, which it may write into."""
    kept = tensor.detach().to(device_of(model))
    return made.from_tensor(kept) if made is not None else kept.clone()


WRAPPERS = {
    "DataParallel": ("runs copies of the module in it", "what it wraps: its .module"),
    "DistributedDataParallel": ("runs one copy of the module in it in each process", "what it wraps: its .module"),
    "FullyShardedDataParallel": ("keeps a part of its weights in each process", "the module as it was before that"),
    "OptimizedModule": ("runs compiled code", "what was compiled, its ._orig_mod, and compile what comes of it"),
    "FSDPModule": ("keeps a part of its weights in each process", "the module as it was before that"),
}
"""Torch's wrappers for several devices: what each does, and what to pass instead."""


def _require_readable(model: "typed.nn.Module") -> None:
    for path, module in named_modules(model):
        name = next((cls.__name__ for cls in type(module).__mro__ if _is_wrapper(cls)), "")
        if name:
            does, instead = WRAPPERS[name]
            place = repr(path) if path else "The model"
            raise ModelError(f"{place} is wrapped in {name}, which {does}. Pass {instead}.")
    lazy = load("torch.nn.parameter", extra="torch").is_lazy
    for path, module in named_modules(model):
        if any(lazy(tensor) for tensor in (*parameters_of(module).values(), *buffers_of(module).values())):
            raise ModelError(
                f"{type(module).__name__} {path!r} has no weights yet: it makes them at its first call. "
                "Call the model once, and pass it then."
            )
