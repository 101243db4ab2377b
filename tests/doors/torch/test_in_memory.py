"""Batches that are looked up are those that the loader gives, by the same draws."""

from itertools import islice

import numpy as np
import pytest
import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    RandomSampler,
    SequentialSampler,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)

from addcat.doors.torch import in_memory
from addcat.doors.torch.in_memory import batches_at_once, batches_of, is_in_memory, order_of

DATA = TensorDataset(torch.arange(46.0).reshape(23, 2), torch.arange(23), torch.arange(23.0)[:, None, None])


def own(seed=5):
    generator = torch.Generator()
    generator.manual_seed(seed)
    return generator


def of_own_generator():
    generator = own()
    return {"batch_size": 4, "sampler": RandomSampler(DATA, generator=generator), "generator": generator}


LOADERS = {
    "in order": lambda: {"batch_size": 4},
    "shuffled": lambda: {"batch_size": 4, "shuffle": True},
    "whole batches": lambda: {"batch_size": 4, "shuffle": True, "drop_last": True},
    "its own generator": lambda: {"batch_size": 4, "shuffle": True, "generator": own()},
    "one generator for both": of_own_generator,
    "drawn again": lambda: {"batch_size": 4, "sampler": RandomSampler(DATA, replacement=True, num_samples=50)},
    "weighted": lambda: {"batch_size": 4, "sampler": WeightedRandomSampler(np.arange(1.0, 24).tolist(), 30)},
    "some": lambda: {"batch_size": 4, "sampler": SubsetRandomSampler(range(3, 14))},
    "batches given": lambda: {"batch_sampler": BatchSampler(SequentialSampler(DATA), 5, drop_last=True)},
}


def drawn(passes):
    """Batches of two passes, and a number that is drawn after them."""
    torch.manual_seed(1)
    found = [batch for _ in range(2) for batch in passes()]
    return found, torch.rand(1)


def looked_up(loader):
    """A pass, some batches at a time."""
    order, size = order_of(loader), batches_at_once(loader)
    while some := list(islice(order, size)):
        yield from batches_of(loader, some)


@pytest.mark.parametrize("block", [in_memory.BLOCK, 100])
@pytest.mark.parametrize("options", LOADERS.values(), ids=LOADERS)
def test_the_same_batches_by_the_same_draws(options, block, monkeypatch):
    monkeypatch.setattr(in_memory, "BLOCK", block)
    loader, same = (DataLoader(DATA, **options()) for _ in range(2))
    assert is_in_memory(loader)
    found, after = drawn(lambda: looked_up(loader))
    want, then = drawn(lambda: same)
    assert len(found) == len(want) > 2
    assert torch.equal(after, then)
    for one, other in zip(found, want, strict=True):
        assert isinstance(one, list)
        assert all(a.dtype == b.dtype and torch.equal(a, b) for a, b in zip(one, other, strict=True))


class OwnLoader(DataLoader):
    pass


class OwnData(TensorDataset):
    pass


class OwnSampler(SequentialSampler):
    pass


class OwnBatches(BatchSampler):
    pass


OTHERS = {
    "a loader of the user's": lambda: OwnLoader(DATA),
    "data of the user's": lambda: DataLoader(OwnData(torch.ones(3))),
    "a sampler of the user's": lambda: DataLoader(DATA, sampler=OwnSampler(DATA)),
    "batches of the user's": lambda: DataLoader(DATA, batch_sampler=OwnBatches(SequentialSampler(DATA), 2, True)),
    "workers": lambda: DataLoader(DATA, num_workers=1),
    "collating": lambda: DataLoader(DATA, collate_fn=lambda rows: rows),
    "no batches": lambda: DataLoader(DATA, batch_size=None),
    "a list": lambda: [1, 2],
}


@pytest.mark.parametrize("make", OTHERS.values(), ids=OTHERS)
def test_others_are_iterated_as_they_are(make):
    assert not is_in_memory(make())
