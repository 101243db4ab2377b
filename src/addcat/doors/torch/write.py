"""A graph becomes a copy of the user's module: what was not touched is the same class, code, path and hooks."""

import copy
import zlib
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from addcat.doors.torch.build import change_module, new_module, put
from addcat.doors.torch.calls import Call, Given
from addcat.doors.torch.devices import drawn_alike, kept_generators, seed_all
from addcat.doors.torch.edits import NotRun, Round
from addcat.doors.torch.examples import Example, array_of, example_of
from addcat.doors.torch.plan import Plan, plan
from addcat.doors.torch.raised import words_of
from addcat.doors.torch.read import graph_of
from addcat.doors.torch.record import Recording
from addcat.doors.torch.rewritten import prepare, rewrite
from addcat.doors.torch.tables import children_of, named_modules, parameters_of
from addcat.doors.torch.tensors import tensors_in
from addcat.doors.torch.unnested import unnested
from addcat.doors.torch.watching import in_mode, untouched
from addcat.doors.torch.ways import distinct, way_of
from addcat.errors import ModelError, RefusedError
from addcat.frameworks import torch
from addcat.graph import Graph, Node, Refusal
from addcat.graph.operations import OPS

if TYPE_CHECKING:
    import torch as typed

_torch: Any = torch()
Factory = Callable[[], "typed.nn.Module"]
"""Makes the user's model anew."""


def write(
    graph: Graph, *, weights: bool = True, seed: int | None = None, factory: Factory | None = None
) -> "typed.nn.Module":
    """Make a new module of a graph.

    Args:
        graph: What `read` gave, edited or not.
        weights: Whether weights are carried over; without, those that training changes are drawn anew.
        seed: Of those draws. Each module's depends on the seed and its path alone, so modules of one path and shape
            start alike in every model of one seed.
        factory: Makes the user's model anew; its draws are taken where paths and shapes are the same, because what a
            constructor draws is not drawn again by `reset_parameters`.

    Returns:
        A copy of the user's module with the changes, in the mode that it was in.

    Raises:
        ModelError: if the module cannot be copied, or the changes cannot be made in its own code.
        RefusedError: if that code raises once they are made, as where it asks for sizes that they change.
    """
    recording: Recording = graph.native
    made = _copied(recording.model)
    with kept_generators():  # constructors draw; the caller's generator is not theirs
        old = graph_of(recording)
        todo = plan(old, graph)
        _carry_out(todo, made, recording)
    if todo.edits or todo.replaced or todo.passed:
        opened = unnested(graph, old)
        changed = [name for name, node in old.nodes.items() if _is_changed(node, opened.graph)]
        _require_run(made, recording, list(dict.fromkeys(opened.sites.get(name, name) for name in changed)))
    if not weights:
        redraw(made, 0 if seed is None else seed, factory)
    for module in made.modules():
        if isinstance(module, _torch.nn.RNNBase):
            _torch.nn.RNNBase.flatten_parameters(module)  # a GPU wants them side by side, which a copy does not keep
    return made


def _is_changed(node: Node, graph: Graph) -> bool:
    """Whether a merge is another one in a graph, or none."""
    now = graph.nodes.get(node.name)
    return OPS[node.op].merge and (now is None or now.op != node.op or now.native is not node.native)


def _require_run(made: "typed.nn.Module", recording: Recording, sites: list[str]) -> None:
    """Run a module once whose merges were changed: what a user's code asks of sizes is not seen in a recording."""
    try:
        _run_once(made, recording.example)
    except Exception as error:
        _require_copies_run(recording)
        reason = str(error).rstrip(".") if isinstance(error, ModelError) else words_of(made, error)
        refusals = [Refusal("AC118", site, f"{reason} once it was changed") for site in sites]
        listed = ", ".join(map(repr, sites))
        raise RefusedError(
            f"{listed} cannot be changed: {reason} once {'it was' if len(sites) == 1 else 'they were'} [AC118]. "
            "The code around has to take the new sizes; change it, or leave the merge as it is.",
            refusals,
        ) from error


def _run_once(model: "typed.nn.Module", example: Example) -> None:
    call = example_of(example, [array_of(tensor) for tensor in example.tensors], model)
    with drawn_alike(), untouched(model), in_mode(model, training=False), _torch.no_grad():
        model(*call.args, **call.kwargs)


def _require_copies_run(recording: Recording) -> None:
    """Refuse a module whose copies do not run as they are: no switch is to blame.

    Raises:
        ModelError: if one does not.
    """
    copied = _copied(recording.model)
    try:
        _run_once(copied, recording.example)
    except Exception as error:
        raise ModelError(
            f"A copy of {type(copied).__name__} does not run, with no merge changed: {words_of(copied, error)}. Hooks "
            "that are functions keep to the module that they were written around; let them be methods of it "
            "(register_forward_hook(self.keep)), which are copied with it, so that copy.deepcopy(model) runs."
        ) from error


def is_edited(graph: Graph) -> bool:
    """Whether a graph computes something else than the module that it was read from."""
    return not plan(graph_of(graph.native), graph).empty


def _copied(model: "typed.nn.Module") -> "typed.nn.Module":
    """A copy; what was computed and kept on a module, such as a map of attention, is copied without its past."""
    kept = [tensor for one in model.modules() for tensor in tensors_in([*one.__dict__.values()])]
    try:
        return copy.deepcopy(model, {id(one): one.detach().clone() for one in kept if not one.is_leaf})
    except Exception as error:
        raise ModelError(
            f"{type(model).__name__} cannot be copied: {type(error).__name__}: {error} "
            "Let copy.deepcopy(model) work: keep no computed tensors, locks or open files on the module."
        ) from error


def _carry_out(todo: Plan, made: "typed.nn.Module", recording: Recording) -> None:
    calls = {call.name: call for call in recording.calls}
    for node in todo.taken:
        _take(node, calls[node.name], made)
    for node in todo.changed:
        _change(node, calls[node.name], made)
    like = next(made.parameters(), _torch.zeros(()))
    for path, node in todo.replaced.items():
        _put_module(made, path, _torch.nn.Identity() if node is None else _new(node, made, path, like))
    for path in todo.passed:
        _put_module(made, path, _torch.nn.Identity())
    for path, edits in todo.edits.items():
        owner = made.get_submodule(path)
        way = way_of(recording.model.get_submodule(path), recording.owners[path])
        rewrite(owner, Round(tuple(edits), way.orders))
        for name in {name for edit in edits for name in edit.unused}:
            _put_module(owner, name, _torch.nn.Identity())
        _unpacked(made, path)
    for path in todo.edits:
        _prepare(made.get_submodule(path), distinct(recording.owners[path].calls))


def _unpacked(made: "typed.nn.Module", path: str) -> None:
    """An encoder of torch's own hands its layers padded tensors, not nested ones, which know no merges."""
    while path:
        path = path.rpartition(".")[0]
        around = made.get_submodule(path)
        if isinstance(around, _torch.nn.TransformerEncoder):
            around.__dict__.update(use_nested_tensor=False, enable_nested_tensor=False)


def _prepare(owner: "typed.nn.Module", calls: list[Given]) -> None:
    """Write the owner's code for both modes now, where it needs no numbers to be run."""
    for training in (False, True):
        with in_mode(owner, training=training):
            for args, kwargs in calls:
                try:
                    prepare(owner, args, kwargs)
                except ModelError as problem:
                    if not isinstance(problem.__cause__, NotRun):
                        raise


def _new(node: Node, made: "typed.nn.Module", path: str, like: "typed.Tensor") -> "typed.nn.Module":
    owner = made.get_submodule(path.rpartition(".")[0])
    return new_module(node, next((p for p in owner.parameters() if p.is_floating_point()), like))


def _put_module(root: "typed.nn.Module", path: str, module: "typed.nn.Module") -> None:
    parent, _, name = path.rpartition(".")
    owner = root.get_submodule(parent)
    children_of(owner)[name] = module.train(owner.training)


def _take(node: Node, call: Call, made: "typed.nn.Module") -> None:
    """Give a layer the values, and the sizes, of the same layer in a copy of the model."""
    if call.module is None:
        _take_parameters(node, made)
        return
    module, source = made.get_submodule(call.path), node.native.module.state_dict()
    if node.edited or any(source[name].shape != value.shape for name, value in module.state_dict().items()):
        change_module(node, module)
    else:
        module.load_state_dict(source)


def _take_parameters(node: Node, made: "typed.nn.Module") -> None:
    for operand in node.native.operands:
        for path, value in ((operand.path, operand.value), *operand.sources):
            if path and value is not None:
                parent, _, name = path.rpartition(".")
                put(made.get_submodule(parent), name, array_of(value))


def _change(node: Node, call: Call, made: "typed.nn.Module") -> None:
    if call.module is not None:
        change_module(node, made.get_submodule(call.path))
        return
    for operand, name in zip((o for o in call.operands if o.path), ("kernel", "bias"), strict=False):
        if name in node.weights:
            parent, _, attribute = operand.path.rpartition(".")
            put(made.get_submodule(parent), attribute, node.weight(name))


def redraw(model: "typed.nn.Module", seed: int, factory: Factory | None = None) -> None:
    """Draw every weight anew that training changes; frozen ones stay, as those of a pretrained backbone.

    Args:
        model: The module; it is changed.
        seed: Of the draws, together with each module's path.
        factory: See `write`.
    """
    stays = _frozen(model)
    with kept_generators():
        drawn = set[int]()
        for path, module in named_modules(model):
            reset: Callable[[], None] | None = getattr(module, "reset_parameters", None)
            if reset is not None:
                with _on_the_cpu(module):
                    seed_all(_seed(seed, path))
                    reset()
                drawn.update(id(parameter) for parameter in parameters_of(module).values())
        for name, parameter in model.named_parameters():
            if id(parameter) not in drawn:
                seed_all(_seed(seed, name))
                _redraw_alone(parameter)
        if factory is not None:
            seed_all(_seed(seed, ""))
            _take_over(factory(), model)
    with _torch.no_grad():
        for tensor, value in stays:
            tensor.copy_(value)


def _frozen(model: "typed.nn.Module") -> "list[tuple[typed.Tensor, typed.Tensor]]":
    """Frozen parameters, and the statistics of modules that have no others, each with a copy of its values."""
    found: list[typed.Tensor] = [one for one in model.parameters() if not one.requires_grad]
    for module in model.modules():
        own = list(parameters_of(module).values())
        if own and not any(one is not None and one.requires_grad for one in own):
            found += module.buffers(recurse=False)
    return [(one, one.detach().clone()) for one in found]


@contextmanager
def _on_the_cpu(module: "typed.nn.Module") -> Generator[None]:
    """Within, the parameters of a module are drawn on the CPU, so that a seed gives the same ones on every device."""
    placed = [(parameter, parameter.device) for parameter in module.parameters()]
    for parameter, _ in placed:
        parameter.data = parameter.data.cpu()
    try:
        yield
    finally:
        for parameter, device in placed:
            parameter.data = parameter.data.to(device)


def _seed(seed: int, path: str) -> int:
    return zlib.crc32(f"{seed} {path}".encode())


def _redraw_alone(parameter: "typed.nn.Parameter") -> None:
    """A parameter that no module draws: normal, with the mean and spread that it has; a constant one stays."""
    with _torch.no_grad():
        drawn = _torch.view_as_real(parameter) if parameter.is_complex() else parameter
        values = drawn.float()
        spread = float(values.std(correction=0)) if values.numel() else 0.0
        if spread > 0:
            drawn.copy_(_torch.normal(float(values.mean()), spread, drawn.shape))


def _take_over(source: "typed.nn.Module", target: "typed.nn.Module") -> None:
    """The values of one model where another has the same path and shape; buffers too."""
    given = source.state_dict()
    with _torch.no_grad():
        for name, value in target.state_dict(keep_vars=True).items():
            if name in given and given[name].shape == value.shape:
                value.copy_(given[name])
