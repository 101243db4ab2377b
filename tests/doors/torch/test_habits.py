"""What people's training scripts do, and what the verbs make of it."""

from collections import deque

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

import addcat
from addcat.data.examples import Examples
from addcat.doors.torch import Example
from addcat.doors.torch.constants import constant_losses
from addcat.doors.torch.losses import resolve
from addcat.errors import ModelError, RefusedError

torch.set_num_threads(1)


class Pair(nn.Module):
    """Two layers added."""

    def __init__(self, out=16):
        super().__init__()
        self.a, self.b, self.out = nn.Linear(8, 16), nn.Linear(8, 16), nn.Linear(16, out)

    def forward(self, x):
        return self.out(torch.relu(self.a(x) + self.b(x * x)))


class Towers(nn.Module):
    """Each example is held against all of its batch."""

    def __init__(self):
        super().__init__()
        self.u, self.i = Pair(), Pair()

    def forward(self, u, i):
        return self.u(u) @ self.i(i).T


def in_batch(output, _):
    return functional.cross_entropy(output, torch.arange(len(output)))


def test_negatives_within_a_batch_have_no_constant_to_be_held_against():
    torch.manual_seed(0)
    x = torch.randn(96, 8)
    loader = DataLoader(TensorDataset(x, x + 0.1 * torch.randn(96, 8)), 16, shuffle=True)
    advice = addcat.advise(
        Towers(),
        loader,
        validation=loader,
        unpack=lambda batch: (tuple(batch), torch.zeros(len(batch[0]))),
        loss=in_batch,
        optimizer=lambda parameters: torch.optim.Adam(parameters, 3e-3),
        epochs=3,
        budget="2x",
    )
    assert advice.verdicts
    assert all("constant" not in verdict.reason for verdict in advice.verdicts)


class Ends(Pair):
    """Ends in a softmax, or its logarithm."""

    def __init__(self, end):
        super().__init__(2)
        self.end = end

    def forward(self, x):
        return getattr(super().forward(x), self.end)(-1)


@pytest.mark.parametrize("end", ["log_softmax", "softmax"])
def test_a_constant_in_the_place_of_probabilities_is_one(end):
    data = Examples((np.zeros((4, 8), "float32"),), (np.array([0, 0, 0, 1]),))

    def own(output, target):
        logs = output if end == "log_softmax" else (output + 1e-9).log()
        return -logs[torch.arange(len(logs)), target].mean()

    model, example = Ends(end), Example.of((torch.zeros(2, 8),))
    found, _ = resolve(own, model(torch.zeros(2, 8)).detach(), data.targets)
    losses = constant_losses(model, found, data, data, example)
    assert losses.mean() == pytest.approx(0.5623351446188083, rel=1e-3)


class Embedded(Pair):
    """Positions from a table, as BERT has them."""

    def __init__(self):
        super().__init__(2)
        self.positions = nn.Embedding(8, 8)
        self.register_buffer("ids", torch.arange(8))

    def forward(self, x):
        return super().forward(x + self.positions(self.ids)[:, 0])


def test_weights_that_no_input_goes_through_are_counted():
    model = Embedded()
    found = addcat.inspect(model, example_inputs=(torch.randn(3, 8),))
    assert found.totals.parameters == sum(one.numel() for one in model.parameters())


@pytest.mark.filterwarnings("ignore")
def test_a_compiled_module_is_named():
    with pytest.raises(ModelError) as error:
        addcat.inspect(torch.compile(Pair()), example_inputs=(torch.randn(3, 8),))
    assert str(error.value) == (
        "The model is wrapped in OptimizedModule, which runs compiled code. "
        "Pass what was compiled, its ._orig_mod, and compile what comes of it."
    )


class Routed(Pair):
    """Each example goes to one expert."""

    def forward(self, x):
        h = torch.zeros(len(x), 16)
        picked = (x[:, 0] > 0).nonzero(as_tuple=True)[0]
        if picked.numel():
            h = h.index_add(0, picked, self.a(x[picked]))
        return self.out(h + self.b(x))


class Masked(Pair):
    """Some examples take another way, however many they are."""

    def forward(self, x):
        h = self.b(x)
        h = h.masked_scatter((x[:, :1] > 0).expand_as(h), self.a(x[x[:, 0] > 0]))
        return self.out(h + self.a(x))


def test_code_that_asks_how_many_values_it_picked_is_refused():
    x = torch.randn(5, 8)
    with pytest.raises(RefusedError) as error:
        addcat.switch(Routed(), {"add": "concat"}, example_inputs=(x,))
    assert str(error.value) == (
        "'add' cannot become concat: Add 'add' cannot be changed where it stands: the model asks how many values of a "
        "tensor are picked [AC116]."
    )
    model = Masked()
    done = addcat.switch(model, {"add": "concat"}, example_inputs=(x,)).model
    for count in (1, 7):
        other = torch.randn(count, 8)
        torch.testing.assert_close(done(other), model(other))


class Shown(Pair):
    """Keeps what it computed, for a picture."""

    def forward(self, x):
        return self.out(torch.relu(self.a(x)) + self.b(x))


@pytest.mark.filterwarnings("ignore")
def test_computed_tensors_that_a_module_keeps_do_not_hinder_a_copy():
    model, x = Shown(), torch.randn(5, 8)
    normed = nn.utils.weight_norm(nn.Linear(8, 8))
    model.a = nn.Sequential(normed, nn.Linear(8, 16))
    model.map, model.maps = model(x), {"all": [model(x)]}
    before = model.map
    done = addcat.switch(model, {"add": "concat"}, example_inputs=(x,)).model
    torch.testing.assert_close(done(x), model(x))
    assert model.map is before
    assert before.grad_fn is not None


class Padded(nn.Module):
    """An encoder of torch's own, with padding: in eval mode it may pack its tensors."""

    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True)
        self.encoder, self.out = nn.TransformerEncoder(layer, 2), nn.Linear(8, 2)

    def forward(self, x, padding):
        kept = (~padding).unsqueeze(-1)
        return self.out((self.encoder(x, src_key_padding_mask=padding) * kept).sum(1))


@pytest.mark.filterwarnings("ignore")
def test_an_encoder_that_packs_padded_tensors_is_switched():
    model, x = Padded().eval(), torch.randn(4, 6, 8)
    padding = torch.from_numpy(np.arange(6) >= np.array([[6], [4], [3], [5]]))
    done = addcat.switch(model, {"encoder.layers.0.add": "concat"}, example_inputs=(x, padding)).model
    with torch.no_grad():
        torch.testing.assert_close(done(x, padding), model(x, padding))


class Keeping(nn.Module):
    """Hooks keep what layers give in lists and dicts of the model's, one within another."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.out = nn.Linear(8, 4), nn.Linear(8, 4), nn.Linear(4, 2)
        self._seen, self.latest, self.by_name, self.names = [], deque([0], maxlen=2), {"a": [], "b": []}, {"a"}
        self.a.register_forward_hook(self.keep)

    def keep(self, *call):
        self._seen.append(call[2])
        self.latest.append(call[2])
        self.by_name["a"].append(call[2])
        self.names.add("b")

    def forward(self, x):
        return self.out(torch.relu(self.a(x)) + torch.relu(self.b(x)))


def test_what_a_model_keeps_in_lists_and_dicts_is_as_before():
    model, x = Keeping(), torch.randn(6, 8)
    held = model._seen, model.latest, model.by_name["a"], model.names
    addcat.inspect(model, example_inputs=(x,))
    assert held == ([], deque([0], maxlen=2), [], {"a"})
    assert all(a is b for a, b in zip(held[:2], (model._seen, model.latest), strict=True))


class Closing(nn.Module):
    """Its hook is a function that knows the model it was written in."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.out, self._seen = nn.Linear(8, 4), nn.Linear(8, 4), nn.Linear(4, 2), []
        self.a.register_forward_hook(lambda *call: self._seen.append(call[2]))

    def forward(self, x):
        self._seen.clear()
        merged = torch.relu(self.a(x)) + torch.relu(self.b(x))
        return self.out(merged) + self._seen[0][:, :2]


class Around(nn.Module):
    """Such a model, and a merge beside it."""

    def __init__(self):
        super().__init__()
        self.inner, self.side, self.out = Closing(), nn.Linear(8, 2), nn.Linear(2, 2)

    def forward(self, x):
        return self.out(torch.relu(self.inner(x)) + torch.relu(self.side(x)))


def test_a_model_whose_copies_do_not_run_is_said_to_be_one():
    with pytest.raises(ModelError) as caught:
        addcat.switch(Around(), {"add": "concat"}, example_inputs=(torch.randn(6, 8),))
    assert str(caught.value) == (
        "A copy of Around does not run, with no merge changed: Closing 'inner' raised IndexError: list index out of "
        "range. Hooks that are functions keep to the module that they were written around; let them be methods of it "
        "(register_forward_hook(self.keep)), which are copied with it, so that copy.deepcopy(model) runs."
    )


class Spectral(nn.Module):
    """Weights of complex numbers beside a layer, as a Fourier neural operator has them; it gives its penalty too."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(8, 8, 5, dtype=torch.cfloat) / 8)
        self.side, self.out = nn.Conv1d(8, 8, 1), nn.Conv1d(8, 1, 1)

    def forward(self, x):
        modes = torch.einsum("bim,iom->bom", torch.fft.rfft(x), self.weight)
        y = torch.tanh(torch.fft.irfft(modes, n=8) + self.side(x))
        return self.out(y), y.square().mean() + self.weight.abs().mean() * y.abs().mean()


@pytest.mark.filterwarnings("error")
def test_complex_weights_are_verified_and_drawn_whole():
    torch.manual_seed(0)
    model, x = Spectral(), torch.randn(4, 8, 8)
    done = addcat.switch(model, {"add": "concat"}, example_inputs=(x,))
    torch.testing.assert_close(done.model(x)[0], model(x)[0])
    fresh = addcat.switch(model, {"add": "concat"}, fresh=True, example_inputs=(x,)).model
    assert not torch.isclose(fresh.weight, model.weight).any()
    for part in (fresh.weight.real, fresh.weight.imag):
        assert 0.08 < float(part.detach().std()) < 0.1


def test_sums_of_single_numbers_are_no_merges():
    found = addcat.inspect(Spectral(), example_inputs=(torch.randn(4, 8, 8),)).merges
    assert [merge.site for merge in found] == ["add"]


class Stacks(nn.Module):
    """Two stacks, the first of which is summed: without it the second would have another name."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.scale, self.out = nn.Linear(6, 8), nn.Linear(6, 8), nn.Parameter(torch.ones(2)), Pair()

    def forward(self, x):
        hidden = [torch.relu(self.a(x)), torch.relu(self.b(x))]
        scaled = torch.stack(hidden) * self.scale[:, None, None]
        return self.out(torch.stack(hidden).sum(0)) + scaled.amax(0)[:, :1]


class StacksFirst(Stacks):
    """The same, the summed one first."""

    def forward(self, x):
        hidden = [torch.relu(self.a(x)), torch.relu(self.b(x))]
        merged = torch.stack(hidden).sum(0)
        return self.out(merged) + (torch.stack(hidden) * self.scale[:, None, None]).amax(0)[:, :1]


@pytest.mark.parametrize("model", [Stacks, StacksFirst])
def test_stacks_beside_one_that_is_summed_are_found_again(model):
    torch.manual_seed(0)
    x = torch.randn(64, 6)
    found = addcat.advise(
        model(),
        (x.numpy(), (x[:, :1] > 0).float().expand(-1, 16).numpy()),
        loss=nn.MSELoss(),
        optimizer=lambda parameters: torch.optim.Adam(parameters, 1e-2),
        epochs=1,
        effort="heads",
        sites=["sum"],
    )
    assert found.verdicts[0].evidence[-1].estimate is not None
