"""Data as people have them in PyTorch: what is iterated is iterated, and what cannot be is named."""

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset
from torch_tasks import HOW, Towers, pairs_of

import addcat
from addcat.doors.recipe import Plan
from addcat.doors.torch.data import MOST_EXAMPLES, first_call
from addcat.doors.torch.laboratory import laboratory
from addcat.doors.torch.stream import default_unpack, of_loader
from addcat.errors import DataError

torch.set_num_threads(1)


def tensors_of(count, seed=0):
    x, y = pairs_of(count, seed)
    return (*map(torch.from_numpy, x), torch.from_numpy(y))


HELD = DataLoader(TensorDataset(*tensors_of(40, 1)), 20)


def advised(data, validation=HELD, **options):
    options = {**HOW, "epochs": 2, "budget": "1x", **options}
    return addcat.advise(Towers(), data, validation=validation, **options)


class Stream(IterableDataset):
    """Rows one after the other; nobody knows how many."""

    def __init__(self, count):
        self.rows = TensorDataset(*tensors_of(count))

    def __iter__(self):
        return (self.rows[row] for row in range(len(self.rows)))


def test_an_epoch_of_a_stream_is_counted():
    advice = advised(DataLoader(Stream(70), 16))
    assert "2 epochs, 10 steps" in advice.notes[0]
    assert advice.examples == (70, 40)
    assert "1,500 steps" in advised(DataLoader(Stream(70), 16), epochs=None, budget="0.01x").notes[0]


def test_a_stream_that_goes_on_has_no_epoch():
    with pytest.raises(DataError) as error:
        advised(DataLoader(Stream(MOST_EXAMPLES + 1), 16))
    assert str(error.value) == (
        "The loader has no length, and a pass over it has more than the 4,096 examples that were looked at, so an "
        "epoch of it is not known. Give it, or its data set, a __len__."
    )


class Once:
    """Looks like a loader, and starts anew once."""

    def __init__(self, passes):
        self.passes = passes

    def __iter__(self):
        self.passes -= 1
        return iter(DataLoader(TensorDataset(*tensors_of(64)), 16) if self.passes >= 0 else ())

    def __len__(self):
        return 4


def test_a_loader_that_is_empty_in_a_later_pass():
    batches = of_loader(Once(1), 0, default_unpack, torch.device("cpu"))
    for _ in range(4):
        next(batches)
    with pytest.raises(DataError) as error:
        next(batches)
    assert str(error.value) == (
        "The loader gave no batch in its pass 2. Expected one that can be iterated again and again, such as a "
        "DataLoader, or a list of batches: let its __iter__ start anew."
    )


class Rows(Dataset):
    def __len__(self):
        return 4

    def __getitem__(self, row):
        return torch.zeros(6), torch.zeros(6), 0


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (
            (batch for batch in HELD),
            "is a generator, which can be iterated once, and every run iterates it anew. Pass a DataLoader, or a list "
            "of the batches.",
        ),
        (
            TensorDataset(*tensors_of(4)),
            "is a TensorDataset, which gives examples one by one. Pass a loader of it: "
            "torch.utils.data.DataLoader(data, batch_size=32, shuffle=True).",
        ),
        (
            Rows(),
            "is a Rows, which gives examples one by one. Pass a loader of it: "
            "torch.utils.data.DataLoader(data, batch_size=32, shuffle=True).",
        ),
        ("train.npz", "is a str. Expected (x, y), or a loader of batches."),
        (7, "is a int. Expected (x, y), or a loader of batches."),
    ],
)
def test_what_is_no_data(data, text):
    for given in ({}, {"example_inputs": tensors_of(2)[:2]}):
        with pytest.raises(DataError) as error:
            advised(data, **given)
        assert str(error.value) == f"data {text}"
    with pytest.raises(DataError) as error:
        first_call(Towers(), data, None)  # as the command line does
    assert str(error.value) == f"data {text}"
    with pytest.raises(DataError) as error:
        advised(HELD, data)
    assert str(error.value) == f"validation {text}"


def test_several_inputs_are_one_part_of_arrays():
    with pytest.raises(DataError) as error:
        advised(tensors_of(40), example_inputs=tensors_of(2)[:2])
    assert str(error.value) == "The data have 3 parts. Pass (x, y), several inputs as ([x1, x2], y)."


def by_name(rows):
    left, right, label = map(torch.stack, zip(*rows, strict=True))
    return {"left": left, "right": right}, label


class OfOne(nn.Module):
    """Takes the dict as its one argument."""

    def __init__(self):
        super().__init__()
        self.towers = Towers()

    def forward(self, batch):
        return self.towers(batch["left"], batch["right"])


@pytest.mark.parametrize("model", [Towers, OfOne])
def test_a_dict_of_inputs_in_a_batch_goes_by_name_as_one_of_arrays_does(model):
    loader = DataLoader(TensorDataset(*tensors_of(64)), 16, collate_fn=by_name)
    made = model()
    door, examples, held = laboratory(made, loader, loader, None, {"epochs": 1})
    losses, _ = door.resolve_loss(made, nn.CrossEntropyLoss(), examples.targets)
    recipe = door.recipe_of(made, batch=None, examples=64)
    curve = door.trainer(made, losses, recipe, Plan(4, 4, 16), examples, held).run(0)
    assert curve.shape == (4, 64)
