"""Code that goes through all of its submodules does not meet those that a switch brings."""

import copy

import pytest
import torch
from torch import nn

import addcat
from addcat.doors.base import door_for
from addcat.doors.torch.tables import without


class Residual(nn.Sequential):
    """A Sequential that adds its input: `super().forward` calls every child."""

    def forward(self, x):
        return x + super().forward(x)


class Children(nn.Module):
    """Calls whatever children it has, and the last of them twice."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x):
        y = x
        for layer in self.children():
            y = layer(y)
        return torch.relu(x + list(self.children())[-1](y))


class Dense(nn.ModuleDict):
    """Joins what every child gives, as a dense block does."""

    def __init__(self):
        super().__init__({"a": nn.Linear(4, 4), "b": nn.Linear(4, 4)})

    def forward(self, x):
        return torch.cat([layer(x) for _, layer in self.items()], dim=-1)


BLOCKS = {
    "Sequential": (lambda: Residual(nn.Linear(4, 4), nn.ReLU()), 4, "add"),
    "children": (Children, 4, "add"),
    "ModuleDict": (Dense, 8, "cat"),
}
RUNGS = {"add": ["concat", "scale", "channel_scale", "low_rank:2"], "cat": ["add", "scale", "low_rank:2"]}


class Net(nn.Module):
    def __init__(self, block, width):
        super().__init__()
        self.first, self.block, self.head = nn.Linear(3, 4), block, nn.Linear(width, 2)

    def forward(self, x):
        return self.head(self.block(self.first(x)))


def made(name):
    torch.manual_seed(0)
    build, width, word = BLOCKS[name]
    return Net(build(), width).eval(), (torch.randn(6, 3),), f"block.{word}"


def called(model, args):
    return [node.name for node in door_for(model, example_inputs=args).read(model).nodes.values()]


@pytest.mark.parametrize(("name", "rung"), [(name, rung) for name in BLOCKS for rung in RUNGS[BLOCKS[name][2]]])
def test_what_is_brought_is_called_where_it_belongs_alone(name, rung):
    model, args, site = made(name)
    done = addcat.switch(model, {site: rung}, example_inputs=args)
    torch.testing.assert_close(done.model(*args), model(*args))
    known = [one for one in called(model, args) if one != site]
    found = called(done.model, args)
    assert [one for one in found if not one.startswith(site)] == known
    assert found.count(site) == 1
    assert not any(one.startswith(f"{site}#") for one in found)
    again = addcat.apply(model, done.record, example_inputs=args)
    again.load_state_dict(done.model.state_dict(), strict=True)
    other = torch.randn(3, 3)  # another batch, in both modes, on a copy
    for one in (copy.deepcopy(done.model), again):
        torch.testing.assert_close(one(other), model(other))
        torch.testing.assert_close(one.train()(other), model(other))


def test_later_switches_do_not_meet_what_earlier_ones_brought():
    model, args, site = made("children")
    one = addcat.switch(model, {site: "scale"}, example_inputs=args).model
    two = addcat.switch(one, {site: "concat"}, example_inputs=args).model
    three = addcat.switch(two, {site: "add"}, example_inputs=args).model
    for switched in (one, two, three):
        torch.testing.assert_close(switched(*args), model(*args))


def test_children_are_left_out_for_a_while_and_keep_their_order():
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Tanh())
    before = list(model.named_children())
    with without(model, ["1", "no such child"]):
        assert [name for name, _ in model.named_children()] == ["0", "2"]
    assert list(model.named_children()) == before
    with without(model, ["1"]):
        model.add_module("3", nn.Tanh())
    assert sorted(name for name, _ in model.named_children()) == ["0", "1", "2", "3"]
