"""Data of which inputs alone are wanted, to fit a switch to, as people's loaders give them."""

import numpy as np
import pytest
import torch
from networks import Input, keras, layers
from torch import nn
from torch.utils.data import DataLoader

import addcat
from addcat.errors import DataError, OptionError

torch.set_num_threads(1)
UNPACK = {"unpack": lambda batch: ((batch["image"],), batch["label"])}


class Pair(nn.Module):
    """Two layers joined."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.out = nn.Linear(4, 6), nn.Linear(4, 6), nn.Linear(12, 2)

    def forward(self, x):
        return self.out(torch.cat([torch.relu(self.a(x)), torch.relu(self.b(x))], 1))


def loader(**options):
    items = [{"image": torch.randn(4), "label": number % 2, "name": f"{number}.png"} for number in range(64)]
    return DataLoader(items, batch_size=16, shuffle=True, **options)


def switched(data, **options):
    return addcat.switch(Pair(), {"cat": "add"}, data=data, example_inputs=(torch.randn(2, 4),), **options)


def test_a_loader_of_dicts_is_taken_apart_and_no_generator_moves():
    own = torch.Generator().manual_seed(0)
    data = loader(generator=own)
    model, state, kept = Pair(), torch.get_rng_state(), own.get_state()
    args = {"data": data, "example_inputs": (torch.zeros(2, 4),), **UNPACK}
    steps = [addcat.switch(model, {"cat": "add"}, **args).record.steps for _ in range(2)]
    assert steps[0][0].rule == "fit"
    assert steps[0] == steps[1]
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(own.get_state(), kept)


def test_what_is_in_a_batch_has_to_be_said():
    with pytest.raises(DataError) as caught:
        switched(loader())
    assert str(caught.value) == (
        "A batch of the loader is a dict of 'image', 'label', 'name', expected (x, y). Say what is in it: "
        'unpack=lambda batch: ((batch["image"],), batch["mask"]); on the command line, '
        "--unpack package.module:function."
    )


def test_inputs_have_to_be_as_many_as_the_model_is_called_with():
    with pytest.raises(DataError) as caught:
        switched(loader(), unpack=lambda batch: ((batch["image"], batch["image"]), batch["label"]))
    assert str(caught.value) == "The data have 2 inputs, the model is called with 1 tensor."


def test_arrays_are_no_batches_to_take_apart():
    with pytest.raises(OptionError) as caught:
        switched((np.zeros((8, 4), "float32"), np.zeros(8)), **UNPACK)
    assert str(caught.value) == "unpack= takes batches of a loader apart, and data is a tuple of 2. Leave it out."


def test_a_keras_model_takes_data_as_they_are():
    x = Input((4,))
    model = keras.Model(x, layers.Dense(2)(layers.Concatenate(name="cat")([layers.Dense(3)(x), layers.Dense(3)(x)])))
    with pytest.raises(OptionError) as caught:
        addcat.switch(model, {"cat": "add"}, data=np.zeros((8, 4), "float32"), **UNPACK)
    assert str(caught.value) == "unpack= is for a loader of a PyTorch module's data. Leave it out."


class Passing(nn.Module):
    """A step of message passing over the edges of graphs, each node its own row."""

    def __init__(self):
        super().__init__()
        self.send, self.keep, self.out = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 1)

    def forward(self, nodes, edges):
        sent = torch.zeros_like(nodes).index_add(0, edges[1], torch.relu(self.send(nodes[edges[0]])))
        return self.out(torch.relu(self.keep(nodes)) + sent)


def graphs():
    return [((torch.randn(10, 4), torch.randint(0, 10, (2, 20))), torch.randn(10, 1)) for _ in range(4)]


def test_graphs_are_switched_on_sizes_of_their_own():
    model, args = Passing(), graphs()[0][0]
    done = addcat.switch(model, {"add": "concat"}, example_inputs=args)
    assert done.record.exact
    torch.testing.assert_close(done.model(*args), model(*args))
    back = addcat.switch(done.model, {"add": "add"}, data=graphs(), example_inputs=args, unpack=lambda batch: batch)
    torch.testing.assert_close(back.model(*args), model(*args))


def test_graphs_have_no_rows_to_judge_by():
    with pytest.raises(DataError) as caught:
        addcat.advise(Passing(), graphs(), validation=graphs(), loss=nn.MSELoss())
    assert str(caught.value) == (
        "A batch of the loader has inputs of 10 and 2 rows and targets of 10, and every example is a row of each. Pad "
        "graphs and sets to one size, an example a row; else compare by your own training: compare(build, "
        "train=train), on the command line addcat compare mine:build --train mine:train."
    )
