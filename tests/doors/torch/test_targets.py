"""Targets that are more than one tensor: the loss takes them as the user gives them, wherever it is called."""

import numpy as np
import torch
from torch import nn

from addcat.doors.recipe import Plan
from addcat.doors.torch import Example
from addcat.doors.torch.data import structure_of
from addcat.doors.torch.laboratory import laboratory
from addcat.doors.torch.tensors import tensors_in


class TwoHeads(nn.Module):
    """Gives a dict, as many do who train two heads at once."""

    def __init__(self):
        super().__init__()
        self.left, self.right, self.kind, self.age = (nn.Linear(sizes, 4) for sizes in (3, 3, 4, 4))

    def forward(self, x):
        h = self.left(x) + self.right(x)
        return {"kind": self.kind(h), "age": self.age(h)}


def two_losses(output, target):
    """A loss of the user's own, which takes what is where by its name."""
    kind = nn.functional.cross_entropy(output["kind"], target["kind"])
    return kind + nn.functional.mse_loss(output["age"][:, :1], target["age"])


def of_two_heads(count):
    generator = torch.Generator().manual_seed(count)
    x = torch.randn(count, 3, generator=generator)
    return x, {"kind": (x[:, 0] > 0).long(), "age": x[:, 1:2]}


def test_targets_keep_their_names_in_training_and_where_they_are_judged():
    (x, targets), (held_x, held) = of_two_heads(40), of_two_heads(20)
    fit = [(x[i : i + 8], {name: y[i : i + 8] for name, y in targets.items()}) for i in range(0, 40, 8)]
    validation = [(held_x, held)]
    arrays = [(x.numpy(), {name: y.numpy() for name, y in targets.items()}), (held_x.numpy(), held)]
    for data, judged_on in ((fit, validation), arrays, (fit, arrays[1])):
        torch.manual_seed(0)
        model = TwoHeads()
        door, examples, held_out = laboratory(model, data, judged_on, None, {"epochs": 2})
        losses, words = door.resolve_loss(model, two_losses, examples.targets)
        assert words.startswith("two_losses, given; it has no value for one example")
        with torch.no_grad():
            want = two_losses(model(held_x), held)
        found = door.losses_of(model, losses, held_out)
        np.testing.assert_allclose(found, np.full(20, want.item()), rtol=1e-5)
        recipe = door.recipe_of(model, batch=8, examples=40)
        plan = Plan(10, 1, 8)
        curve = door.trainer(model, losses, recipe, plan, examples, held_out).run(0)
        assert curve.shape == (1, 20)
        assert curve[0, 0] != found[0]


def test_structures_of_targets():
    one, two = torch.zeros(3), torch.ones(3)
    for target in (one, [one], (one, two), {"a": one, "b": [two, None]}):
        tensors = list(tensors_in(target))
        again = Example((), {}, structure_of(target)).target_of(tensors)
        assert type(again) is type(target)
        assert all(a is b for a, b in zip(tensors_in(again), tensors, strict=True))
    assert again["b"][1] is None
    assert Example((), {}).target_of([one, two]) == (one, two)
