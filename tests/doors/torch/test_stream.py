"""Batches of a loader: arms of one seed see the same ones, augmented alike, and none is read before it is asked for."""

import random

import modules
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, TensorDataset
from torch_tasks import network, trainer

from addcat.doors.recipe import Plan
from addcat.doors.torch.data import first_call, is_loader, sampled
from addcat.doors.torch.stream import of_loader
from addcat.doors.torch.training import Training
from addcat.errors import DataError

torch.set_num_threads(1)


class Augmented(Dataset):
    """Draws from every generator that people draw from."""

    def __len__(self):
        return 24

    def __getitem__(self, place):
        noise = torch.rand(6) + float(np.random.rand()) + random.random()  # noqa: S311
        return torch.full((6,), float(place)) + noise, place % 2


def loader(workers=0, **options):
    return DataLoader(Augmented(), batch_size=8, shuffle=True, num_workers=workers, **options)


def batches(data, seed, draws=0, count=7):
    """Inputs and targets of some batches, while a model draws numbers of its own."""
    found = []
    for (call, target), _ in zip(of_loader(data, seed, lambda b: ((b[0],), b[1]), "cpu"), range(count), strict=False):
        torch.rand(draws)
        found.append((call.args[0].clone(), target.clone()))
    return found


def equal(one, other):
    return all(torch.equal(a, b) and torch.equal(s, t) for (a, s), (b, t) in zip(one, other, strict=True))


@pytest.mark.parametrize(
    "options", [{}, {"generator": torch.Generator()}, {"workers": 2}], ids=["global", "own", "workers"]
)
def test_arms_of_one_seed_see_the_same_batches_augmented_alike(options):
    one, other = batches(loader(**options), 5), batches(loader(**options), 5, draws=13)
    assert equal(one, other)
    assert not equal(one, batches(loader(**options), 6))
    assert not equal(one[:3], one[3:6])  # each pass is shuffled and augmented anew


def test_samplers_are_told_which_pass_it_is():
    passes = []

    class Sampler(torch.utils.data.RandomSampler):
        def set_epoch(self, number):
            passes.append(number)

    data = TensorDataset(torch.randn(16, 6), torch.zeros(16, dtype=torch.long))
    batches(DataLoader(data, batch_size=8, sampler=Sampler(data)), 0, count=5)
    assert passes == [0, 1, 2]


class Distributed(torch.utils.data.RandomSampler):
    epoch = 7

    def set_epoch(self, number):
        self.epoch = number


def test_a_count_of_passes_is_given_back():
    """Of samplers, of those within batch samplers, and of data sets; the run's own passes begin at 0."""

    class Counting(Augmented):
        def __init__(self):
            self.epoch = self.most = 7

        def set_epoch(self, number):
            self.epoch, self.most = number, max(self.most, 7) + number

    data = Counting()
    sampler, inner = Distributed(data), Distributed(data)
    sampler.set_epoch(5)
    nested = DataLoader(data, batch_sampler=torch.utils.data.BatchSampler(inner, 8, drop_last=False))
    for loader_ in (DataLoader(data, batch_size=8, sampler=sampler), nested):
        made = trainer(network(), Training(loader=loader_), plan=Plan(6, 3, 8))
        made.run(0)
        made.step_seconds()
    assert (sampler.epoch, inner.epoch, data.epoch, data.most) == (5, 7, 7, 7)
    assert "epoch" not in vars(inner)


def test_a_loader_trains_without_being_read_whole():
    class Counted(Augmented):
        seen = 0

        def __getitem__(self, place):
            Counted.seen += 1
            return super().__getitem__(place)

    training = Training(loader=DataLoader(Counted(), batch_size=8, shuffle=True))
    trainer(network(), training, plan=Plan(2, 2, 8)).run(0)
    assert Counted.seen == 4 * 8


def test_what_a_loader_gives_in_memory():
    data = TensorDataset(torch.arange(60.0).reshape(10, 6), torch.arange(10))
    found = sampled(DataLoader(data, batch_size=4), None, seed=0)
    assert (found.examples.count, found.batch, found.target) == (10, 4, None)
    assert found.examples.targets[0].tolist() == list(range(10))
    named = [{"image": torch.ones(4, 6), "mask": torch.zeros(4)}] * 2
    found = sampled(named, lambda batch: ((batch["image"],), batch["mask"]), seed=0)
    assert found.examples.inputs[0].shape == (8, 6)
    assert all(map(is_loader, (DataLoader(data), named)))
    assert not any(map(is_loader, ((1, 2), np.ones(3), {"x": np.ones(3)})))


@pytest.mark.parametrize(
    ("data", "unpack", "text"),
    [
        ([], None, "The data are empty: the loader gave no batch. Pass at least one."),
        (
            [{"a": torch.ones(2)}],
            None,
            "A batch of the loader is a dict of 'a', expected (x, y). Say what is in it: "
            'unpack=lambda batch: ((batch["image"],), batch["mask"]); on the command line, --unpack '
            "package.module:function.",
        ),
        (
            [{"image": torch.ones(2), "mask": torch.ones(2)}],
            lambda batch: ((batch["picture"],), batch["mask"]),
            "unpack fails on a batch of the loader, a dict of 'image', 'mask': KeyError: 'picture'. Expected (inputs, "
            "target), the inputs a tensor, a tuple of arguments or a dict of keyword arguments.",
        ),
        (
            [torch.ones(3)],
            lambda batch: batch,
            "unpack fails on a batch of the loader, a Tensor: ValueError: too many values to unpack (expected 2). "
            "Expected (inputs, target), the inputs a tensor, a tuple of arguments or a dict of keyword arguments.",
        ),
        (
            [(torch.ones(2, 3), torch.ones(2)), (torch.ones(2, 4), torch.ones(2))],
            None,
            "Batches of the loader differ in shape: ((3,), ()), ((4,), ()). "
            "Pad or crop the examples to one size in its collate_fn.",
        ),
        (
            [(torch.ones(2, 3), "cat")],
            None,
            "The target of a batch is a str. Expected a tensor, or a list, tuple or dict of them. "
            "Let unpack give what the loss takes, and that alone.",
        ),
        (
            [(torch.ones(2, 3), {"label": torch.ones(2), "name": ["a", "b"]})],
            None,
            "The target of a batch is a dict of 'label', 'name' that holds a str. Expected a tensor, or a list, tuple "
            "or dict of them. Let unpack give what the loss takes, and that alone.",
        ),
        (
            [(torch.ones(2, 3), {})],
            None,
            "The target of a batch is a dict of nothing. Expected a tensor, or a list, tuple or dict of them. A loss "
            "that needs none is given one all the same, with a row for each example, such as torch.zeros(len(x)).",
        ),
        (
            [(torch.ones(2, 3), torch.ones(2))],
            lambda batch: (batch[0], None),
            "The target of a batch is None. Expected a tensor, or a list, tuple or dict of them. A loss that needs "
            "none is given one all the same, with a row for each example, such as torch.zeros(len(x)).",
        ),
    ],
)
def test_loaders_that_do_not_fit(data, unpack, text):
    with pytest.raises(DataError) as error:
        sampled(data, unpack, seed=0)
    assert str(error.value) == text


def test_example_inputs_come_from_the_data():
    model, _, _ = modules.build("towers_added")
    left, right = np.ones((9, 5), "float32"), np.ones((9, 7), "float32")
    assert [tuple(t.shape) for t in first_call(model, ([left, right], np.ones(9)), None).tensors] == [(2, 5), (2, 7)]
    named = first_call(model, ({"left": left, "right": right}, np.ones(9)), None)
    assert set(named.kwargs) == {"left", "right"}
    model, _, _ = modules.build("two_tower_dict")
    batch = {"user": np.ones((9, 5), "float32"), "item": np.ones((9, 7), "float32"), "id": np.ones(9, int)}
    assert set(first_call(model, (batch, np.ones(9)), None).args[0]) == {"user", "item", "id"}
    assert {t.dtype for t in first_call(model, (left.astype(float), np.ones(9)), None).tensors} == {torch.float32}
    loader_of_pairs = [(torch.ones(4, 5), torch.ones(4, 7), torch.ones(4))]
    model, _, _ = modules.build("towers_added")
    assert len(first_call(model, loader_of_pairs, None).tensors) == 2


class Summing(torch.nn.Module):
    """Takes as many inputs as there are."""

    def forward(self, *inputs):
        return sum(inputs)


def test_a_loader_of_more_inputs_than_the_model_takes_is_told_of_unpack():
    batches = [(torch.ones(4, 6), torch.ones(4), torch.ones(4))]
    with pytest.raises(DataError) as error:
        first_call(network(), batches, None)
    assert str(error.value) == (
        "A batch of the loader is a tuple of 3; all but the last are taken for inputs, and forward takes 1. Say what "
        "is in it: unpack=lambda batch: (batch[0], batch[1]), or (batch[0], (batch[1], batch[2])) for a loss= that "
        "takes both; on the command line, --unpack package.module:function."
    )
    assert len(first_call(network(), batches, lambda batch: batch[:2]).tensors) == 1
    assert len(first_call(Summing(), batches, None).tensors) == 2


def test_training_leaves_the_callers_generators_alone():
    own = torch.Generator().manual_seed(5)
    data, state = loader(generator=own), own.get_state()
    model = network(dropout=0.5)
    made = trainer(model, Training(loader=data))
    torch.manual_seed(3)
    np.random.seed(3)
    random.seed(3)
    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    made.run(1)
    first_call(model, data, lambda batch: ((batch[0],), batch[1]))
    sampled(data, lambda batch: ((batch[0],), batch[1]), seed=0)
    assert torch.equal(own.get_state(), state)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]
    assert random.getstate() == before[2]


def test_recipes_say_what_they_are():
    training = Training(optimizer=torch.optim.Adam, epochs=4)
    assert training.recipe(batch=16, examples=96).source == "the optimiser given, 4 epochs, 24 steps"
    assert Training().recipe(batch=None, examples=96).source == "AdamW, cosine decay, 1,500 steps"
    with_schedule = Training(optimizer=torch.optim.Adam, scheduler=print, epochs=2, loader=loader(), batch=8)
    recipe = with_schedule.recipe(batch=None, examples=24)
    assert (recipe.steps, recipe.batch) == (6, 8)
    assert recipe.source == "the optimiser given, with its schedule, 2 epochs, 6 steps"
