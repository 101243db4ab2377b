"""Which modules are taken as a whole: those of `torch.nn` that hold no other's code."""

from typing import TYPE_CHECKING, Any

from addcat.frameworks import torch

if TYPE_CHECKING:
    import torch as typed

_torch: Any = torch()
_nn: Any = _torch.nn

OPENED = (
    *(_nn.Sequential, _nn.ModuleList, _nn.ModuleDict, _nn.Transformer),
    *(_nn.TransformerEncoder, _nn.TransformerDecoder, _nn.TransformerEncoderLayer, _nn.TransformerDecoderLayer),
)


def is_leaf(module: "typed.nn.Module") -> bool:
    """Whether a module is recorded as one call.

    Args:
        module: Any module.

    Returns:
        True for the modules of `torch.nn`, containers and transformers apart, for our own layers, and for compiled
        TorchScript, whose code torch does not show.

    Examples:
        >>> nn = torch().nn
        >>> is_leaf(nn.Linear(2, 3)), is_leaf(nn.Sequential(nn.Linear(2, 3)))
        (True, False)
    """
    home = type(module).__module__
    if isinstance(module, OPENED):
        return False
    if home.startswith("torch.nn.utils.parametrize"):  # its class is made anew, of the module that it was
        return any(cls.__module__.startswith("torch.nn.modules") for cls in type(module).__mro__[1:2])
    return home.startswith(("torch.nn.modules", "torch.nn.quant", "addcat.modules")) or isinstance(
        module, _torch.jit.ScriptModule
    )
