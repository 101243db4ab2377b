"""Frozen tensors of torch have a gradient too, while it is asked for: on its own modules, and on Keras over torch."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any


@contextmanager
def thawed(tensors: Sequence[Any]) -> Generator[None]:
    """Within, every one of some leaf tensors can be differentiated by; afterwards their flags are as before."""
    frozen = [tensor for tensor in tensors if not tensor.requires_grad]
    for tensor in frozen:
        tensor.requires_grad_(True)
    try:
        yield
    finally:
        for tensor in frozen:
            tensor.requires_grad_(False)
