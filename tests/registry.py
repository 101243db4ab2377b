"""PyTorch networks by name, each with what it is called with: small, weights random."""

from collections.abc import Callable

import torch
from torch import nn

torch.set_num_threads(1)


Made = tuple[nn.Module, tuple, dict]
NETWORKS: dict[str, Callable[[], Made]] = {}


def network(function):
    NETWORKS[function.__name__] = function
    return function


def build(name: str, seed: int = 0) -> Made:
    """A network of the table, drawn by a seed, in eval mode with batch statistics that are not trivial."""
    torch.manual_seed(seed)
    made = NETWORKS[name]()
    model, args, kwargs = made if len(made) == 3 else (*made, {})
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    return model.eval(), args, kwargs


def given(name: str, seed: int = 0):
    """A network, and its example inputs as the verbs take them."""
    model, args, kwargs = build(name, seed)
    return model, (args or kwargs)


def image(*sizes: int) -> torch.Tensor:
    return torch.randn(sizes or (2, 3, 16, 16))
