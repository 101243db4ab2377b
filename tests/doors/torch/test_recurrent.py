"""Recurrent layers of tensors without numbers: their shapes are those of the layers with them."""

import itertools

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.utils import rnn

import addcat
from addcat.doors.torch import recurrent
from addcat.doors.torch.resizing import shapes_alone
from addcat.doors.torch.tensors import tensors_in

torch.set_num_threads(1)
LAYERS = {"GRU": nn.GRU, "LSTM": nn.LSTM, "RNN": nn.RNN, "relu": lambda *a, **k: nn.RNN(*a, nonlinearity="relu", **k)}


def of(tensors):
    return [(tensor.shape, tensor.stride(), tensor.dtype) for tensor in tensors_in(tensors)]


@pytest.mark.parametrize("kind", LAYERS)
def test_a_layer_without_numbers_has_the_shapes_of_one_with_them(kind):
    for batch_first, bidirectional, layers in itertools.product((False, True), (False, True), (1, 2)):
        layer = LAYERS[kind](3, 5, layers, batch_first=batch_first, bidirectional=bidirectional).double()
        for x in (torch.randn(7, 4, 3), torch.randn(7, 3)):
            wanted = layer(x.double())
            with FakeTensorMode(allow_non_fake_inputs=True) as fake, shapes_alone():
                found = layer(fake.from_tensor(x.double()))
            assert of(found) == of(wanted)


@pytest.mark.filterwarnings("ignore:LSTM with projections")
def test_projections_and_states_that_are_given():
    layer, states = nn.LSTM(3, 5, proj_size=2), (torch.zeros(1, 4, 2), torch.zeros(1, 4, 5))
    with FakeTensorMode(allow_non_fake_inputs=True) as fake, shapes_alone():
        found = layer(fake.from_tensor(torch.zeros(7, 4, 3)), tuple(map(fake.from_tensor, states)))
    assert of(found) == of(layer(torch.zeros(7, 4, 3), states))


@pytest.mark.parametrize("cell", [nn.GRUCell(3, 5), nn.LSTMCell(3, 5), nn.RNNCell(3, 5)], ids=str)
def test_cells(cell):
    with FakeTensorMode(allow_non_fake_inputs=True) as fake, shapes_alone():
        found = cell(fake.from_tensor(torch.zeros(4, 3)))
    assert of(found) == of(cell(torch.zeros(4, 3)))


def test_tensors_with_numbers_and_packed_sequences_run_as_ever():
    layer, x = nn.GRU(3, 5), torch.randn(7, 4, 3)
    packed = rnn.pack_padded_sequence(x, torch.tensor([7, 5, 3, 2]))
    wanted = (layer(x), layer(packed))
    with shapes_alone():
        with shapes_alone():  # a recording within a recording
            assert {*recurrent.LAYERS, *recurrent.CELLS} <= vars(torch._VF).keys()
        found = (layer(x), layer(packed))
    for one, other in zip(tensors_in(found), tensors_in(wanted), strict=True):
        torch.testing.assert_close(one, other)
    assert not vars(torch._VF).keys() & {*recurrent.LAYERS, *recurrent.CELLS}


class Both(nn.Module):
    """Reads a sequence from both ends."""

    def __init__(self):
        super().__init__()
        self.forwards, self.backwards = nn.GRU(3, 4, batch_first=True), nn.GRU(3, 4, batch_first=True)
        self.out = nn.Linear(8, 2)

    def forward(self, x):
        ends = self.forwards(x)[0][:, -1], self.backwards(x.flip(1))[0][:, -1]
        return self.out(torch.cat(ends, 1))


def test_a_switch_beside_recurrent_layers_does_not_step_through_time(monkeypatch):
    steps = []
    cell = torch._decomp.decompositions.gru_cell
    monkeypatch.setattr(torch._decomp.decompositions, "gru_cell", lambda *a, **k: steps.append(1) or cell(*a, **k))
    torch.manual_seed(0)
    model, x = Both(), torch.randn(6, 9, 3)
    switched = addcat.switch(model, {"cat": "add"}, example_inputs=(x,), data=(x, torch.zeros(6)), fresh=True).model
    assert steps == []
    assert switched.out.weight.shape == (2, 4)
    assert switched(torch.randn(4, 5, 3)).shape == (4, 2)
