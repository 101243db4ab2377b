"""Resizes of tensors without numbers: their shapes are those of the resizes with them."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F  # noqa: N812

from addcat.doors.torch.resizing import SMOOTH, shapes_alone

SHAPES = {"linear": (2, 3, 8), "bilinear": (2, 3, 8, 6), "bicubic": (2, 3, 8, 6), "trilinear": (2, 3, 4, 6, 5)}
HOW = [
    {"size": 7},
    {"scale_factor": 2.0, "align_corners": True},
    {"scale_factor": 1.7},
    {"scale_factor": 0.6, "recompute_scale_factor": True},
    {"scale_factor": 0.5, "antialias": True},
]


@pytest.mark.parametrize("how", HOW, ids=str)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
@pytest.mark.parametrize("mode", SHAPES)
def test_a_resize_without_numbers_has_the_shape_of_one_with_them(mode, layout, how):
    flat = len(SHAPES[mode]) == 4
    if not flat and (how.get("antialias") or layout is torch.channels_last):
        return  # torch has no such thing
    for dtype in (torch.float32, torch.float64):
        x = torch.randn(SHAPES[mode], dtype=dtype).contiguous(memory_format=layout)
        wanted = F.interpolate(x, mode=mode, **how)
        with FakeTensorMode() as fake, shapes_alone():
            found = F.interpolate(fake.from_tensor(x), mode=mode, **how)
        assert (found.shape, found.stride(), found.dtype) == (wanted.shape, wanted.stride(), wanted.dtype)


def test_tensors_with_numbers_are_resized_as_ever():
    before = [getattr(torch._C._nn, name) for name in SMOOTH]
    x = torch.randn(2, 3, 8, 6)
    for mode in ("bilinear", "bicubic"):
        wanted = F.interpolate(x, scale_factor=1.5, mode=mode)
        with shapes_alone():
            assert torch.equal(F.interpolate(x, scale_factor=1.5, mode=mode), wanted)
    assert [getattr(torch._C._nn, name) for name in SMOOTH] == before
