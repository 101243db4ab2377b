"""A resize of a tensor without numbers is asked for its shape alone, and the nearest neighbour's has the same one.

On fake tensors torch composes the smooth ones of dozens of operations in Python, which takes longer than all else of a
U-Net's recording, and the first one loads that code.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from addcat.doors.torch.recurrent import stepless
from addcat.doors.torch.watching import LOCK
from addcat.frameworks import load, torch

if TYPE_CHECKING:
    import torch as typed

_torch: Any = torch()
_kernels: Any = _torch._C._nn
Kernel = Callable[..., "typed.Tensor"]

SMOOTH = {
    "upsample_linear1d": "upsample_nearest1d",
    "upsample_bilinear2d": "upsample_nearest2d",
    "upsample_bicubic2d": "upsample_nearest2d",
    "_upsample_bilinear2d_aa": "upsample_nearest2d",
    "_upsample_bicubic2d_aa": "upsample_nearest2d",
    "upsample_trilinear3d": "upsample_nearest3d",
}
"""Of each kernel that `interpolate` calls, the one whose result has the same shape and type."""


@contextmanager
def shapes_alone() -> Generator[None]:
    """Within, what takes long on tensors without numbers gives their shapes alone; on others all is as ever.

    They are resized by the nearest neighbour, whatever is asked for; see `addcat.doors.torch.recurrent` too.
    """
    with LOCK, stepless():  # torch's own functions are replaced while a run lasts, as for a recording
        before = {name: getattr(_kernels, name) for name in SMOOTH}
        for name, kernel in before.items():
            setattr(_kernels, name, _of_shape(kernel, getattr(_kernels, SMOOTH[name])))
        try:
            yield
        finally:
            for name, kernel in before.items():
                setattr(_kernels, name, kernel)


def _of_shape(kernel: Kernel, nearest: Kernel) -> Kernel:
    fakes: Any = load("torch._subclasses.fake_tensor", extra="torch")

    def resized(value: "typed.Tensor", size: object, align_corners: bool, scales: object) -> "typed.Tensor":
        if isinstance(value, fakes.FakeTensor):
            return nearest(value, size, scales)
        return kernel(value, size, align_corners, scales)

    return resized
