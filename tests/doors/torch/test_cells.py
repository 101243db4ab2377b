"""A cell that is called in a loop and joins branches of several widths, as a decoder with attention does."""

import pytest
import torch
from torch import nn

import addcat


class Cell(nn.Module):
    """Joins twice a step; the narrow branch is read as the wide one's first channels are, so an Add can do as much."""

    def __init__(self):
        super().__init__()
        self.attend, self.write = nn.Linear(12, 8), nn.Linear(12, 8)
        for layer in (self.attend, self.write):
            layer.weight.data[:, 8:] = layer.weight.data[:, :4]

    def forward(self, state, word):
        read = self.attend(torch.cat((torch.relu(state), word), 1))
        return torch.tanh(self.write(torch.cat((torch.sin(read), torch.cos(word)), 1)))


class Decoder(nn.Module):
    """The cell in a loop."""

    def __init__(self):
        super().__init__()
        self.cell, self.head = Cell(), nn.Linear(8, 2)

    def forward(self, state, word):
        for _ in range(3):
            state = self.cell(state, word)
        return self.head(state)


@pytest.mark.parametrize("site", ["cell/cat", "cell/cat#2"])
def test_branches_of_a_cell_are_widened_and_fitted_at_every_call(site):
    torch.manual_seed(0)
    model, args = Decoder(), (torch.randn(200, 8), torch.randn(200, 4))
    done = addcat.switch(model, {site: "add"}, data=(list(args), torch.zeros(200, 2)), example_inputs=args)
    (step,) = done.record.steps
    assert step.rule == "fit"
    assert max(step.distortion.values()) < 1e-6
    torch.testing.assert_close(done.model(*args), model(*args), atol=1e-4, rtol=0)


@pytest.mark.parametrize("site", ["cell/cat", "cell/cat#2"])
def test_a_switched_cell_is_read_as_before(site):
    torch.manual_seed(0)
    model, args = Decoder(), (torch.randn(200, 8), torch.randn(200, 4))
    data = (list(args), torch.zeros(200, 2))
    once = addcat.switch(model, {site: "add"}, data=data, example_inputs=args).model
    found = addcat.inspect(once, example_inputs=args).merges
    assert [merge.site for merge in found] == ["cell/cat", "cell/cat#2"]
    (other,) = {"cell/cat", "cell/cat#2"} - {site}
    twice = addcat.switch(once, {other: "add"}, data=data, example_inputs=args)
    torch.testing.assert_close(twice.model(*args), model(*args), atol=1e-4, rtol=0)


class Layer(nn.Module):
    """Two residual links of one word, in a layer that a model calls several times with the same weights."""

    def __init__(self):
        super().__init__()
        self.mix, self.feed = nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x):
        x = torch.tanh(x + torch.relu(self.mix(x)))
        return torch.tanh(x + torch.relu(self.feed(x)))


class Shared(nn.Module):
    """The layer in a loop."""

    def __init__(self):
        super().__init__()
        self.layer, self.head = Layer(), nn.Linear(8, 2)

    def forward(self, x):
        for _ in range(3):
            x = self.layer(x)
        return self.head(x)


def test_two_switched_merges_of_a_cell_have_names_of_their_own():
    torch.manual_seed(0)
    model, x = Shared(), torch.randn(6, 8)
    there = addcat.switch(model, {"layer/add": "concat", "layer/add#2": "concat"}, example_inputs=(x,)).model
    found = addcat.inspect(there, example_inputs=(x,)).merges
    assert [(merge.site, merge.merge.op) for merge in found] == [("layer/add", "concat"), ("layer/add#2", "concat")]
    back = addcat.switch(there, {"layer/add": "add", "layer/add#2": "add"}, example_inputs=(x,))
    assert back.record.exact
    torch.testing.assert_close(back.model(x), model(x))
