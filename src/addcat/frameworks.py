"""Frameworks, loaded only when a model or an option asks for one.

The modules are typed `Any` on purpose: their own types are partial, and a door checks what it receives at run time.
"""

import importlib
import os
from functools import cache
from typing import Any

from addcat.errors import MissingExtraError


@cache
def keras() -> Any:
    """Keras 3, on the backend that the user chose, else on JAX.

    Returns:
        The module `keras`.

    Raises:
        MissingExtraError: if Keras or its backend is not installed.
    """
    prefer_jax()
    return load("keras", extra="keras")


@cache
def torch() -> Any:
    """PyTorch.

    Returns:
        The module `torch`.

    Raises:
        MissingExtraError: if it is not installed.
    """
    return load("torch", extra="torch")


def prefer_jax() -> None:
    """Choose Keras' JAX backend where the environment names none; Keras itself would look for TensorFlow."""
    os.environ.setdefault("KERAS_BACKEND", "jax")


def load(module: str, *, extra: str) -> Any:
    """Import `module`, or say which extra brings it.

    Args:
        module: Dotted name of a module.
        extra: The extra of addcat that installs it.

    Returns:
        The module.

    Raises:
        MissingExtraError: if the module, or one that it imports, is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"{module!r} cannot be imported: {error}. It comes with the extra {extra!r}: pip install 'addcat[{extra}]'."
        ) from None
