"""Dataclasses, as many models give and take them: their tensors are found, and they are made again as they were."""

from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import addcat
from addcat.doors.torch.trees import is_record, tree_flatten, tree_leaves, tree_map, tree_paths, tree_unflatten
from addcat.errors import ModelError

torch.set_num_threads(1)


@dataclass
class Output:
    logits: torch.Tensor
    hidden: list = field(default_factory=list)
    name: str = "output"


@dataclass(frozen=True, slots=True)
class Batch:
    left: torch.Tensor
    right: torch.Tensor


class Head(nn.Module):
    """Takes a dataclass, and gives one."""

    def __init__(self):
        super().__init__()
        self.out = nn.Linear(8, 2)

    def forward(self, batch):
        return Output(self.out(batch.left), [batch.left, Batch(batch.right, batch.left)])


class Net(nn.Module):
    """Its own code holds a merge, makes a dataclass, and reads another one."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.head = nn.Linear(4, 8), nn.Linear(4, 8), Head()

    def forward(self, batch):
        h = self.a(batch.left) + self.b(batch.right)
        found = self.head(Batch(h.relu(), h))
        return Output(found.logits * 2, found.hidden, "net")


def batch_of(count):
    generator = torch.Generator().manual_seed(count)
    return Batch(*(torch.randn(count, 4, generator=generator) for _ in range(2)))


def test_a_dataclass_is_opened_and_made_again():
    one, two = torch.zeros(1), torch.ones(1)
    tree = {"a": [Output(one, [Batch(two, one)]), 3]}
    assert [id(leaf) for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)] == [id(one), id(two), id(one)]
    leaves, structure = tree_flatten(tree)
    again = tree_unflatten(leaves, structure)
    assert type(again["a"][0]) is Output
    assert again == tree
    assert tree_flatten({"a": [Output(one, [Batch(two, one)], "other"), 4]})[1] == structure
    assert [".".join(str(key) for key in path) for path, _ in tree_paths(Batch(one, two))] == [".left", ".right"]
    assert tree_map(lambda leaf: leaf, Batch(one, two)) == Batch(one, two)


def test_what_holds_more_than_its_fields_stays_closed():
    more = Output(torch.zeros(1))
    more.extra = 1
    assert is_record(Output(torch.zeros(1)))
    assert not any(map(is_record, (more, Output, 3, SimpleNamespace(logits=1))))


@pytest.mark.parametrize("mode", [False, True])
def test_a_module_that_takes_and_gives_dataclasses_is_read_and_switched(mode):
    torch.manual_seed(0)
    model, given = Net().train(mode), batch_of(3)
    found = addcat.inspect(model, example_inputs=(given,))
    assert [(merge.site, merge.switch) for merge in found.merges] == [("add", "project")]
    switched = addcat.switch(model, {"add": "concat"}, example_inputs=(given,)).model
    for batch in (given, batch_of(7)):
        want, out = model(batch), switched(batch)
        assert (type(out), out.name, type(out.hidden[1])) == (Output, "net", Batch)
        torch.testing.assert_close(tree_leaves(out)[:-1], tree_leaves(want)[:-1])
    out.logits.sum().backward()
    assert switched.a.weight.grad is not None


def test_advise_on_a_module_that_gives_a_dataclass():
    class Whole(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = Net()

        def forward(self, left, right):
            return self.net(Batch(left, right))

    torch.manual_seed(0)
    left, right = torch.randn(2, 96, 4)
    loader = DataLoader(TensorDataset(left, right, (left[:, 0] > right[:, 0]).long()), 16)
    for loss in (nn.CrossEntropyLoss(), lambda out, label: nn.functional.cross_entropy(out.logits, label)):
        advice = addcat.advise(Whole(), loader, validation=loader, loss=loss, epochs=1, budget="1x")
        assert [verdict.site for verdict in advice.verdicts] == ["net.add"]


class Closed(nn.Module):
    def forward(self, x):
        return SimpleNamespace(logits=x + x.relu())


def test_an_object_that_nobody_can_open_is_named():
    with pytest.raises(ModelError) as error:
        addcat.inspect(Closed(), example_inputs=(torch.zeros(2, 2),))
    assert str(error.value) == (
        "Closed gives no tensor that depends on its inputs: it gives a SimpleNamespace, which cannot be looked into. "
        "Let forward give a tensor, or a list, tuple, dict or dataclass of tensors."
    )
