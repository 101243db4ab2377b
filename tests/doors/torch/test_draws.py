"""Models that draw numbers where they are judged: answers repeat, switches are verified, the caller's draws stay."""

import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import addcat
from addcat.doors.torch.devices import drawn_alike
from addcat.errors import RefusedError

torch.set_num_threads(1)
DRAWS = {
    "torch": lambda: float(torch.rand(())),
    "numpy": lambda: float(np.random.rand()),
    "python": random.random,
}


class Augment(nn.Module):
    """Draws in every mode."""

    def __init__(self, draw):
        super().__init__()
        self.draw = draw

    def forward(self, x):
        return x * self.draw()


class Noisy(nn.Module):
    """Augments what it is given."""

    def __init__(self, draw):
        super().__init__()
        self.a, self.b, self.head, self.augment = nn.Linear(4, 8), nn.Linear(4, 8), nn.Linear(8, 2), Augment(draw)

    def forward(self, x):
        return self.head(self.a(self.augment(x)) + self.b(x))


def next_draws():
    return [draw() for draw in DRAWS.values()]


def seeded():
    torch.manual_seed(3)
    np.random.seed(3)
    random.seed(3)


@pytest.mark.parametrize("name", DRAWS)
def test_what_is_drawn_is_alike_and_the_callers_numbers_stay(name):
    torch.manual_seed(0)
    model, x = Noisy(DRAWS[name]), torch.randn(96, 4)
    loader = DataLoader(TensorDataset(x, (x[:, 0] > 0).long()), 16)
    seeded()
    wanted, found = next_draws(), []
    for time in range(2):
        seeded()
        addcat.inspect(model, example_inputs=(x[:2],))
        loss = nn.CrossEntropyLoss()
        advice = addcat.advise(model, loader, validation=loader, loss=loss, epochs=2, effort="score")
        found.append([evidence.estimate for evidence in advice.verdicts[0].evidence])
        done = addcat.switch(model, {"add": "concat"}, example_inputs=(x[:2],))
        assert not time or next_draws() == wanted  # what is imported at first draws too
    assert found[0] == found[1]
    with drawn_alike():
        before = model(x)
    with drawn_alike():
        torch.testing.assert_close(done.model(x), before)


class Depth(nn.Module):
    """A residual block that is left out at random, as people write it; its own code holds the merge."""

    def __init__(self, draws, training):
        super().__init__()
        self.a, self.b, self.draws, self.only = nn.Linear(4, 4), nn.Linear(4, 4), draws, training
        self.register_buffer("scale", torch.tensor(2.0))

    def forward(self, x):
        if (self.training or not self.only) and self.draws(self):
            return self.b(x)
        return self.b(x + self.a(x))


DRAWN = "draws numbers from Python's or numpy's generators"
READ = "looks at the values of a tensor"


@pytest.mark.parametrize(
    ("draws", "reason"),
    [
        (lambda _: DRAWS["python"]() < 0.5, DRAWN),
        (lambda _: np.random.rand() < 0.5, DRAWN),
        (lambda _: torch.rand(1).item() < 0.5, f"{READ} (item)"),
        (lambda _: torch.empty(2).bernoulli_(0.5).tolist()[0], f"{READ} (item)"),
        (lambda _: bool(torch.randint(2, (1,)) * 1), f"{READ} (bool)"),
        (lambda module: float(module.a.bias.detach()[0]) > 9, f"{READ} (float)"),
    ],
)
def test_code_that_would_be_written_for_one_draw_is_refused(draws, reason):
    x = torch.randn(3, 4)
    with pytest.raises(RefusedError) as error:
        addcat.switch(Depth(draws, training=True), {"add": "concat"}, example_inputs=(x,))
    stands = "Add 'add' cannot be changed where it stands"
    assert str(error.value) == f"'add' cannot become concat: {stands}: the model {reason} in training [AC116]."


@pytest.mark.parametrize("draws", [lambda _: DRAWS["python"]() < 0, lambda _: np.random.rand() < 0])
def test_merges_in_code_that_draws_in_every_mode_carry_the_reason(draws):
    found = addcat.inspect(Depth(draws, training=False), example_inputs=(torch.randn(3, 4),))
    assert found.merges[0].switch.reason == f"Add 'add' cannot be changed where it stands: the model {DRAWN}"


def test_values_that_stay_may_be_looked_at():
    for draws in (lambda module: module.scale.item() < 0, lambda _: torch.arange(3).max().item() > 2):
        model, x = Depth(draws, training=True), torch.randn(3, 4)
        switched = addcat.switch(model, {"add": "concat"}, example_inputs=(x,)).model
        torch.testing.assert_close(switched.train()(x), model(x))
