"""What lies before a merge stays as it is while the rest is trained."""

import numpy as np
import pytest
import torch
from torch import nn

from addcat.data.examples import Examples
from addcat.doors.recipe import Plan
from addcat.doors.torch import Example, TorchDoor
from addcat.doors.torch.losses import resolve
from addcat.doors.torch.training import Training
from addcat.errors import DataError
from addcat.evidence.suffix import before_merge

torch.set_num_threads(1)
LOSS = nn.CrossEntropyLoss()


class Net(nn.Module):
    """A batch norm, a dropout and a parameter of a function before the merge; one of each behind it."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Dropout(0.5))
        self.bias = nn.Parameter(torch.zeros(6, 6))
        self.side, self.norm, self.head = nn.Linear(6, 6), nn.BatchNorm1d(6), nn.Linear(6, 2)

    def forward(self, x):
        x = self.stem(x)
        return self.head(self.norm(nn.functional.linear(x, self.bias) + self.side(x)))


def examples(count=64):
    x = np.random.default_rng(0).standard_normal((count, 4)).astype("float32")
    return Examples((x,), ((x[:, 0] > 0).astype("int64"),))


def trained(net):
    door = TorchDoor(Example.of((torch.zeros(2, 4),)))
    graph = door.read(net)
    model = door.write(graph)
    left = door.freeze(model, graph, before_merge(graph, "add"))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    losses = (resolve(LOSS, torch.zeros(2, 2), examples(2).targets)[0],)
    recipe = Training().recipe(batch=16, examples=64)
    door.trainer(model, losses, recipe, Plan(4, 2, 16), examples(), examples(20)).run(0)
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    return model, left, moved


def test_what_lies_before_the_merge_stays():
    model, left, moved = trained(Net())
    assert left == 4
    assert {name.split(".")[0] for name in moved} == {"norm", "head"}
    assert {"norm.running_mean", "norm.num_batches_tracked"} <= moved
    assert not any(module.training for module in model.stem.modules() if not isinstance(module, nn.Sequential))


def test_a_frozen_layer_has_a_gradient_too_and_stays_frozen():
    door = TorchDoor(Example.of((torch.zeros(2, 4),)))
    losses = (resolve(LOSS, torch.zeros(2, 2), examples(2).targets)[0],)
    found = []
    torch.manual_seed(0)
    net = Net()
    for flag in (True, False):
        net.side.requires_grad_(flag)
        model = door.write(door.read(net))
        found.append(door.gradient(model, losses, examples(), ["side", "head"]))
        assert [parameter.requires_grad for parameter in model.side.parameters()] == [flag] * 2
    for key, gradient in found[0].items():
        np.testing.assert_array_equal(found[1][key], gradient)


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x):
        return self.two(self.one(x) + self.two(x))


def test_weights_on_both_sides_are_refused():
    with pytest.raises(DataError) as error:
        trained(Twice())
    assert str(error.value) == (
        "'two' lies before the merge and shares 'two.bias' with what lies behind it, so neither can be frozen alone. "
        "Use 'finetune'."
    )


class Cell(nn.Module):
    """Called several times, with a merge inside."""

    def __init__(self):
        super().__init__()
        self.norm, self.mix, self.bias = nn.BatchNorm1d(4), nn.Linear(4, 4), nn.Parameter(torch.zeros(4, 4))

    def forward(self, x):
        return x + self.mix(torch.relu(self.norm(nn.functional.linear(x, self.bias))))


class Around(nn.Module):
    """A loop before the merge, and one behind it."""

    def __init__(self):
        super().__init__()
        self.first, self.side, self.then, self.head = Cell(), nn.Linear(4, 4), Cell(), nn.Linear(4, 2)

    def forward(self, x):
        for _ in range(2):
            x = self.first(x)
        x = torch.tanh(x) + self.side(x)
        for _ in range(2):
            x = self.then(x)
        return self.head(x)


def test_modules_that_are_called_several_times_are_frozen_or_trained_whole():
    model, left, moved = trained(Around())
    assert left == 5 + 2
    assert {name.split(".")[0] for name in moved} == {"then", "head"}
    assert not model.first.norm.training
    assert model.then.norm.training
