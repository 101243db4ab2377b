"""The best constant output of a module, under torch's losses and a user's own."""

import numpy as np
import pytest
import torch
from torch import nn

from addcat.data.examples import Examples
from addcat.doors.torch import Example
from addcat.doors.torch.constants import constant_losses
from addcat.doors.torch.losses import resolve

ROWS = 40


@pytest.mark.parametrize(
    ("loss", "targets", "want"),
    [
        (nn.CrossEntropyLoss(), np.array([0, 0, 0, 1]), 0.5623351446188083),
        (nn.MSELoss(), np.array([[1.0, 0.0], [3.0, 0.0]], "float32"), 0.5),
        (nn.NLLLoss(), np.array([0, 0, 0, 1]), 0.5623351446188083),
        (nn.BCELoss(), np.array([[1.0, 0.0], [0.0, 0.0]], "float32"), 0.34657359027997264),
    ],
)
def test_the_best_constant(loss, targets, want):
    class Head(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(3, 2)

        def forward(self, x):
            return self.linear(x).softmax(1) if isinstance(loss, nn.NLLLoss | nn.BCELoss) else self.linear(x)

    data = Examples((np.zeros((len(targets), 3), "float32"),), (targets,))
    found, _ = resolve(loss, torch.zeros(2, 2), (targets,))
    losses = constant_losses(Head(), found, data, data, Example.of((torch.zeros(2, 3),)))
    assert losses.mean() == pytest.approx(want, rel=1e-3)


class TwoHeads(nn.Module):
    """Gives a class, a map and a temperature, by name."""

    def __init__(self):
        super().__init__()
        self.kind, self.map = nn.Linear(3, 2), nn.Linear(3, 8)
        self.temperature = nn.Parameter(torch.ones(()))

    def forward(self, x):
        shape = (len(x), 2, 2, 2)
        return {"kind": self.kind(x), "map": self.map(x).view(shape), "temperature": self.temperature, "name": "two"}


def judged(module, loss, targets, structure):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(ROWS, 3, generator=generator)
    data = Examples((x.numpy(),), tuple(one.numpy() for one in targets))
    found, _ = resolve(loss, module(x[:2]), data.targets)
    return constant_losses(module, found, data, data, Example((x[:2],), {}, structure))


def test_each_output_of_a_dict_has_a_constant_of_its_own():
    label, image = torch.arange(ROWS) % 2, torch.stack([torch.full((ROWS, 2, 2), value) for value in (3.0, 1.0)], 1)

    def loss(output, target):
        assert output["name"] == "two"
        assert output["map"].shape == (ROWS, 2, 2, 2)
        kind = nn.functional.cross_entropy(output["kind"], target["label"])
        map_loss = nn.functional.mse_loss(output["map"], target["image"])
        return kind + map_loss + (output["temperature"] - 2).square()

    found = judged(TwoHeads(), loss, (label, image), {"label": True, "image": True})
    np.testing.assert_allclose(found, np.full(ROWS, np.log(2)), rtol=1e-4)


def test_a_contrastive_loss_of_two_embeddings_has_a_constant_too():
    class Towers(nn.Module):
        def __init__(self):
            super().__init__()
            self.left, self.right = nn.Linear(3, 4), nn.Linear(3, 4)

        def forward(self, x):
            return nn.functional.normalize(self.left(x)), nn.functional.normalize(self.right(x))

    def info_nce(output, target):
        left, right = output
        return nn.functional.cross_entropy(left @ right.T, target)

    found = judged(Towers(), info_nce, (torch.arange(ROWS),), None)
    np.testing.assert_allclose(found, np.full(ROWS, np.log(ROWS)), rtol=1e-5)  # all alike: none is found


def test_where_no_constant_has_a_finite_loss_it_is_infinite():
    model, label = TwoHeads(), torch.zeros(ROWS)

    def loss(output, target):
        return (target - output["kind"][:, 0]).mean() / output["kind"].std()

    assert judged(model, loss, (label,), None).tolist() == [np.inf] * ROWS

    class Counts(nn.Module):
        def forward(self, x):
            return x.argmax(1)

    assert (
        judged(Counts(), lambda output, target: (output - target).float().mean(), (label,), None).tolist()
        == [np.inf] * ROWS
    )


class Penalised(nn.Module):
    """Gives a class, and a penalty for each example or for all of them, which its loss adds."""

    def __init__(self, whole):
        super().__init__()
        self.kind, self.whole = nn.Linear(3, 2), whole

    def forward(self, x):
        penalty = x.new_full((len(x),), 0.5)
        return self.kind(x), penalty.mean() if self.whole else penalty


@pytest.mark.parametrize("whole", [True, False])
def test_a_penalty_that_the_module_gives_stays(whole):
    def loss(output, target):
        return nn.functional.cross_entropy(output[0], target) + 2 * output[1].mean()

    found = judged(Penalised(whole), loss, (torch.arange(ROWS) % 2,), None)
    np.testing.assert_allclose(found, np.full(ROWS, np.log(2) + 1), rtol=1e-4)


def test_a_loss_that_the_module_computes_has_no_constant():
    class Labelled(nn.Module):
        def __init__(self):
            super().__init__()
            self.kind = nn.Linear(3, 2)

        def forward(self, x):
            logits = self.kind(x)
            return {"loss": nn.functional.cross_entropy(logits, (x[:, 0] > 0).long()), "scores": logits}

    def loss(output, target):
        return output["loss"]

    assert judged(Labelled(), loss, (torch.arange(ROWS) % 2,), None).tolist() == [np.inf] * ROWS


def test_an_output_that_a_loss_has_no_end_for_stays():
    """As a critic's verdict on what a generator gives: it falls for ever, but not along a line."""
    torch.manual_seed(0)
    critic = nn.Sequential(nn.Linear(2, 4), nn.LeakyReLU(0.2), nn.Linear(4, 1))

    class Generator(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(3, 2)

        def forward(self, x):
            return self.linear(x)

    def loss(output, target):
        return -critic(output).mean()

    assert judged(Generator(), loss, (torch.zeros(ROWS),), None).tolist() == [np.inf] * ROWS
