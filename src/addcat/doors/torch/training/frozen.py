"""Parts of a module that are left as they are while the rest is trained."""

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from addcat.doors.torch.calls import Call
from addcat.errors import DataError
from addcat.graph import Graph, Node

if TYPE_CHECKING:
    import torch as typed

_FROZEN: "WeakKeyDictionary[typed.nn.Module, list[typed.nn.Module]]" = WeakKeyDictionary()
"""Of each module, those in it that stay in eval mode."""


def freeze(model: "typed.nn.Module", graph: Graph, names: Collection[str]) -> int:
    """Leave some nodes of a written module as they are in training, as at inference.

    Modules among them stay in eval mode, and their parameters and those that functions among them read are not trained.
    A dropout that a user's code calls as a function follows the module around it.

    Args:
        model: What was made of the graph; it is changed.
        graph: Of the module.
        names: Nodes.

    Returns:
        How many parameters are still trained.

    Raises:
        DataError: if one of them shares its weights with a node that is trained.
    """
    frozen, trained = set(names), [node for node in graph.nodes.values() if node.name not in names]
    kept = {name for node in trained for name in _parameters(node, model)}
    still = {path for node in trained for path in _modules(node)}
    for node in (graph.nodes[name] for name in graph.nodes if name in frozen):
        if shared := kept & set(_parameters(node, model)):
            raise DataError(
                f"{node.name!r} lies before the merge and shares {sorted(shared)[0]!r} with what lies behind it, so "
                "neither can be frozen alone. Use 'finetune'."
            )
        for name in _parameters(node, model):
            model.get_parameter(name).requires_grad_(False)
    paths = {path for name in frozen for path in _modules(graph.nodes[name])} - still
    _FROZEN[model] = [model.get_submodule(path) for path in sorted(paths)]
    return sum(parameter.requires_grad for parameter in model.parameters())


def train(model: "typed.nn.Module") -> None:
    """Training mode, but for what is frozen."""
    model.train()
    for module in _FROZEN.get(model, ()):
        module.eval()


def _calls(node: Node) -> Iterator[Call]:
    """The recorded calls that a node stands for: of a module that is called several times all that it makes."""
    for inner in () if node.body is None else node.body.nodes.values():
        yield from _calls(inner)
    if isinstance(node.native, Call):
        yield node.native


def _modules(node: Node) -> Iterator[str]:
    yield from (call.path for call in _calls(node) if call.module is not None)


def _parameters(node: Node, model: "typed.nn.Module") -> Iterator[str]:
    """Names of the parameters that a node reads."""
    for path in _modules(node):
        yield from (f"{path}.{name}" for name, _ in model.get_submodule(path).named_parameters())
    operands = [operand for call in _calls(node) if call.module is None for operand in call.operands]
    paths = [operand.path for operand in operands] + [path for operand in operands for path, _ in operand.sources]
    known = dict(model.named_parameters(remove_duplicate=False))
    yield from (path for path in paths if path in known)
