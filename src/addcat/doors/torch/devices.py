"""Devices of torch: their generators, waiting for them, and what they call themselves. None is touched that is unused.

Asking torch about CUDA can start it, which takes memory on the device and seconds; so nothing here does that: a GPU is
asked about only where a module lies on it, or torch has started it already.
"""

import platform
import random
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from addcat.errors import OptionError
from addcat.frameworks import torch

if TYPE_CHECKING:
    import torch as typed

_torch: Any = torch()
States = tuple[list[tuple["typed.Generator", "typed.Tensor"]], Any, Any]
"""Torch's generators, each with where it is; and where numpy's and Python's global ones are."""


def _generators() -> list["typed.Generator"]:
    """The default generators of the CPU and of every accelerator that this process has started."""
    found: list[typed.Generator] = [
        _torch.default_generator,
        *_torch.cuda.default_generators,
        *_torch.xpu.default_generators,
    ]
    return [*found, _torch.mps._get_default_mps_generator()] if _torch.backends.mps.is_available() else found


def states() -> States:
    """Where all global generators are: torch's, numpy's and Python's, from which a user's code may draw too."""
    return [(generator, generator.get_state()) for generator in _generators()], np.random.get_state(), random.getstate()


def set_states(kept: States) -> None:
    """Put them where they were."""
    for generator, state in kept[0]:
        generator.set_state(state)
    np.random.set_state(kept[1])
    random.setstate(kept[2])


def seed_all(seed: int) -> None:
    """Seed all global generators; `torch.manual_seed` would also seed those of devices yet to be started."""
    for generator in _generators():
        generator.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)


@contextmanager
def kept_generators() -> Generator[None]:
    """Within, numbers may be drawn and seeds set; afterwards every global generator is where it was."""
    kept = states()
    try:
        yield
    finally:
        set_states(kept)


@contextmanager
def drawn_alike() -> Generator[None]:
    """Within, a model that draws numbers where it is judged, such as noise, draws the same ones each time."""
    with kept_generators():
        seed_all(0)
        yield


def wait(device: "typed.device") -> None:
    """Wait until a device has done what it was given: a clock that is read before knows nothing of it."""
    accelerator = _torch.accelerator.current_accelerator()
    if accelerator is not None and accelerator.type == device.type:
        _torch.accelerator.synchronize(device)


def name_of(device: "typed.device") -> str:
    """A device as its maker calls it, the CPU by its instruction set."""
    if device.type == "cuda":
        return str(_torch.cuda.get_device_name(device))
    return f"{device.type} {platform.machine()}"


def resolve(given: "str | int | typed.device | None") -> "typed.device | None":
    """A device that was asked for; None for none.

    Raises:
        OptionError: if torch has no such device here.
    """
    if given is None:
        return None
    try:
        device = _torch.device(given)
        _torch.empty(0, device=device)
    except Exception as error:
        reason = str(error).strip().splitlines()[0].rstrip(".") or type(error).__name__
        raise OptionError(
            f"device={str(given)!r} cannot be used here: {reason}. Expected a device of torch that this machine has, "
            "such as 'cpu', 'cuda' or 'cuda:1'; left out, arms are trained where the model lies."
        ) from error
    return device


@contextmanager
def full_precision() -> Generator[None]:
    """Within, float32 is float32: GPUs otherwise round what they convolve to TF32, of 10 bits, by torch's default."""
    places, setting, plain = (_torch.backends.cuda.matmul, _torch.backends.cudnn), "allow_tf32", False
    try:
        before = [getattr(place, setting) for place in places]
    except RuntimeError:  # the user has set the newer form of it, and torch refuses to mix them
        cudnn = _torch.backends.cudnn
        places, setting, plain = (places[0], cudnn.conv, cudnn.rnn), "fp32_precision", "ieee"
        before = [getattr(place, setting) for place in places]
    try:
        for place, value in zip(places, before, strict=True):
            if value != plain:
                setattr(place, setting, plain)
        yield
    finally:
        for place, value in zip(places, before, strict=True):
            if value != plain:
                setattr(place, setting, value)
