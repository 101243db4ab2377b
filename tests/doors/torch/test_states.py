"""A cell that starts from zeros: its first call is one more call of the same code, and its merges are its merges."""

import pytest
import torch
from torch import nn

import addcat
from addcat.errors import RefusedError


class Sum(nn.Module):
    """tanh(W x + U h)."""

    def __init__(self):
        super().__init__()
        self.x, self.h = nn.Linear(4, 8), nn.Linear(8, 8)

    def forward(self, x, h):
        return torch.tanh(self.x(x) + self.h(h))


class Join(nn.Module):
    """tanh(W [x; h])."""

    def __init__(self):
        super().__init__()
        self.w = nn.Linear(12, 8)

    def forward(self, x, h):
        return torch.tanh(self.w(torch.cat([x, h], 1)))


class Own(Join):
    """It makes the state itself that it starts from."""

    def forward(self, x, h=None):
        return super().forward(x, x.new_zeros(len(x), 8) if h is None else h)


class Unrolled(nn.Module):
    """A cell over a sequence."""

    def __init__(self, cell):
        super().__init__()
        self.cell, self.head = cell, nn.Linear(8, 3)

    def begin(self, x):
        return torch.zeros(len(x), 8)

    def forward(self, x):
        h = self.begin(x)
        for step in range(x.shape[1]):
            h = self.cell(x[:, step], h)
        return self.head(h)


class Learned(Unrolled):
    """It learns what it starts from."""

    def __init__(self, cell):
        super().__init__(cell)
        self.start = nn.Parameter(torch.randn(1, 8))

    def begin(self, x):
        return self.start.expand(len(x), -1)


class Encoded(Unrolled):
    """What it starts from depends on the input."""

    def __init__(self, cell):
        super().__init__(cell)
        self.encode = nn.Linear(20, 8)

    def begin(self, x):
        return self.encode(x.flatten(1))


class Unbegun(Unrolled):
    """It leaves its start to the cell."""

    def forward(self, x):
        h = self.cell(x[:, 0])
        for step in range(1, x.shape[1]):
            h = self.cell(x[:, step], h)
        return self.head(h)


class LongShort(nn.Module):
    """A convolutional LSTM cell (Shi et al. 2015)."""

    def __init__(self, channels, width):
        super().__init__()
        self.width, self.gates = width, nn.Conv2d(channels + width, 4 * width, 3, padding=1)

    def forward(self, x, state):
        h, c = state
        forget, put, out, new = self.gates(torch.cat([x, h], dim=1)).chunk(4, dim=1)
        c = torch.sigmoid(forget) * c + torch.sigmoid(put) * torch.tanh(new)
        return torch.sigmoid(out) * torch.tanh(c), c


class Frames(nn.Module):
    """Two convolutional LSTMs, one behind the other."""

    def __init__(self):
        super().__init__()
        self.cells, self.head = nn.ModuleList([LongShort(2, 3), LongShort(3, 4)]), nn.Conv2d(4, 1, 1)

    def forward(self, frames):
        steps = list(frames.unbind(1))
        for cell in self.cells:
            zeros = torch.zeros(len(frames), cell.width, *frames.shape[-2:])
            state = zeros, zeros
            for number, step in enumerate(steps):
                state = cell(step, state)
                steps[number] = state[0]
        return self.head(steps[-1])


def sequences(count=6):
    return torch.randn(count, 5, 4)


def sites(model, x):
    return {merge.merge.site: merge.merge for merge in addcat.inspect(model, example_inputs=(x,)).merges}


@pytest.mark.parametrize("around", [Unrolled, Learned, Encoded])
@pytest.mark.parametrize(("cell", "site"), [(Sum, "cell/add"), (Join, "cell/cat")])
def test_wherever_a_cell_starts_from_its_merge_is_one_site_for_all_steps(around, cell, site):
    found = sites(around(cell()), sequences())
    assert list(found) == [site]
    assert (found[site].calls, found[site].obstacle, found[site].arity) == (5, "", 2)


def test_states_in_tuples_and_of_cells_behind_cells_are_followed():
    merges = sites(Frames().eval(), torch.randn(2, 3, 2, 6, 6))
    found = {site: merge.calls for site, merge in merges.items() if merge.op in ("add", "concat")}
    assert found == {f"cells.{number}/{word}": 3 for number in (0, 1) for word in ("cat", "add")}
    assert not any(merge.obstacle for merge in merges.values())


def test_what_makes_a_state_multiplies_nothing():
    torch.manual_seed(0)
    cost = addcat.inspect(Learned(Join()), example_inputs=(sequences(),)).totals
    assert (cost.parameters, cost.multiply_adds) == (8 + 12 * 8 + 8 + 8 * 3 + 3, 5 * 12 * 8 + 8 * 3)
    assert cost.uncounted == ()


@pytest.mark.parametrize("around", [Unrolled, Learned, Encoded])
def test_an_add_of_a_cell_becomes_a_concatenate_and_computes_the_same(around):
    torch.manual_seed(0)
    model = around(Sum()).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    switched = addcat.switch(model, {"cell/add": "concat"}, example_inputs=(sequences(),)).model
    x = sequences(9)
    torch.testing.assert_close(switched(x), model(x))
    switched(x).square().sum().backward()
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


@pytest.mark.parametrize("around", [Unrolled, Encoded])
def test_a_concatenate_of_what_a_cell_is_given_is_fitted_as_an_add(around):
    torch.manual_seed(0)
    model, x = around(Join()).eval(), sequences(64)
    switched = addcat.switch(model, {"cell/cat": "add"}, example_inputs=(x,), data=(x,)).model
    assert [(site, merge.op, merge.calls) for site, merge in sites(switched, x).items()] == [("cell/cat", "add", 5)]
    spread = (model(x) - model(x).mean(0)).square().mean()
    assert (switched(x) - model(x)).square().mean() < spread


def test_a_cell_that_makes_its_start_itself_is_refused_by_name():
    with pytest.raises(RefusedError) as caught:
        addcat.switch(Unbegun(Own()), {"cell.cat#2": "add"}, example_inputs=(sequences(),))
    assert str(caught.value) == (
        "'cell.cat#2' cannot become add: Concatenate 'cell.cat#2' cannot be changed where it stands: Own 'cell' is "
        "called 5 times, and every call would change: one call is given 1 tensor, another 2. Pass as many in each "
        "[AC116]."
    )
