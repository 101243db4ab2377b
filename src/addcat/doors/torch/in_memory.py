"""Loaders whose examples are rows of tensors in memory: their batches are looked up many at a time.

A DataLoader asks a TensorDataset for one example after the other and stacks them, which takes as long as the step of a
small network. Its batches are these rows, in the order of its own sampler, by the same draws.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from addcat.frameworks import load, torch

if TYPE_CHECKING:
    import torch as typed

_torch: Any = torch()
_data: Any = load("torch.utils.data", extra="torch")

SAMPLERS = ("RandomSampler", "SequentialSampler", "WeightedRandomSampler", "SubsetRandomSampler")
"""Samplers of torch that keep nothing from one pass to the next."""
BLOCK = 2**24
"""Bytes of batches that are looked up at once: of small examples one by one would cost more than a step."""


class _Places:
    """In the place of a data set: of each batch its rows' numbers."""

    def __init__(self, size: int) -> None:
        self._size = size

    def __len__(self) -> int:
        return self._size

    def __getitems__(self, rows: list[int]) -> list[int]:
        return rows


def is_in_memory(loader: Any) -> bool:
    """Whether a loader is torch's own, of a TensorDataset, and nothing in it is the user's.

    Its batches are then rows in an order that is drawn when a pass begins, and several passes may be under way at once.
    """
    return (
        type(loader) is _data.DataLoader
        and type(loader.dataset) is _data.TensorDataset
        and type(loader.batch_sampler) is _data.BatchSampler
        and type(loader.batch_sampler.sampler) in [getattr(_data, name) for name in SAMPLERS]
        and loader.collate_fn is _data.default_collate
        and not (loader.num_workers or loader.pin_memory)
    )


def order_of(loader: Any) -> Iterator[list[int]]:
    """The rows of each batch of a new pass, by the draws that the loader makes for it."""
    places = _Places(len(loader.dataset))
    sampler, generator = loader.batch_sampler, loader.generator
    return iter(_data.DataLoader(places, batch_sampler=sampler, collate_fn=_as_it_is, generator=generator))


def batches_at_once(loader: Any) -> int:
    """How many of its batches are looked up at once."""
    bytes_each = sum(tensor[:1].nbytes for tensor in loader.dataset.tensors)
    return max(1, BLOCK // max(1, bytes_each * loader.batch_sampler.batch_size))


def batches_of(loader: Any, order: Sequence[list[int]]) -> "Iterator[list[typed.Tensor]]":
    """Some batches, as `torch.utils.data.default_collate` gives them."""
    rows = _torch.as_tensor([row for batch in order for row in batch])
    sizes = list(map(len, order))
    parts = [_torch.split(tensor[rows], sizes) for tensor in loader.dataset.tensors]
    return map(list, zip(*parts, strict=True))


def _as_it_is(rows: list[int]) -> list[int]:
    return rows
