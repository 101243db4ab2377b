"""Runs side by side are what each is alone; what cannot be trained so is trained one run after the other."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset
from torch_tasks import network, task, trainer

from addcat.data.examples import Examples
from addcat.doors.recipe import Plan, Recipe
from addcat.doors.torch.measure import state
from addcat.doors.torch.training import TorchTrainer, Training
from addcat.doors.torch.training.together import TOGETHER

torch.set_num_threads(1)


def normed():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 2))


def starts_of(make, count):
    found = []
    for seed in range(count):
        model = make()
        torch.manual_seed(100 + seed)
        for parameter in model.parameters():
            nn.init.normal_(parameter, std=0.3)
        found.append(state(model))
    return found


def one_by_one(made: TorchTrainer) -> TorchTrainer:
    made._together = False
    return made


def decayed_by_rank(parameters):
    """Weights decay, biases do not: told apart by their number of axes, as is common."""
    parameters = list(parameters)
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": 0.1},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=0.02)


TRAININGS = {
    "default": {},
    "momentum": {"optimizer": lambda parameters: torch.optim.SGD(parameters, 0.1, momentum=0.9, nesterov=True)},
    "groups": {"optimizer": decayed_by_rank},
    "schedule": {
        "optimizer": lambda parameters: torch.optim.RMSprop(parameters, 0.01),
        "scheduler": lambda optimizer: torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5),
        "epochs": 3,
    },
}


def in_double(make, given) -> TorchTrainer:
    """In float64: Adam makes steps of what is rounding in float32, as the gradient of a bias before a batch norm is."""
    made = trainer(make().double(), Training(**given))
    made._data, made._held = (
        Examples(tuple(array.astype("float64") for array in one.inputs), one.targets)
        for one in (made._data, made._held)
    )
    made._example = made._example.filled([tensor.double() for tensor in made._example.tensors])
    return made


@pytest.mark.parametrize("make", [network, normed])
@pytest.mark.parametrize("given", TRAININGS.values(), ids=TRAININGS)
def test_runs_side_by_side_are_what_each_is_alone(make, given):
    made, alone = in_double(make, given), one_by_one(in_double(make, given))
    starts = starts_of(make, 11)
    assert (made.at_once, alone.at_once) == (TOGETHER, 1)
    seeds = range(30, 41)
    found, want = made.run_many(seeds, starts), alone.run_many(seeds, starts)
    np.testing.assert_allclose(found, want, rtol=1e-9, atol=1e-12)
    assert len({float(curve[-1].mean()) for curve in found}) == 11
    short = Plan(6, 2, 16, begins=18)
    np.testing.assert_allclose(made.run_many(seeds, starts, short), alone.run_many(seeds, starts, short), rtol=1e-9)


@pytest.mark.parametrize("given", TRAININGS.values(), ids=TRAININGS)
def test_single_precision_agrees_to_its_rounding(given):
    one, other = trainer(network(), Training(**given)), one_by_one(trainer(network(), Training(**given)))
    assert one.at_once == TOGETHER
    np.testing.assert_allclose(one.run_many(range(4)), other.run_many(range(4)), rtol=2e-4, atol=1e-5)


def test_a_factor_of_the_learning_rate_holds_for_all_runs():
    made = [trainer(network()) for _ in range(2)]
    for one in made:
        one._recipe = Recipe(Training(), 18, 16, "given", rate=3.0)
    found, want = made[0].run_many(range(3)), one_by_one(made[1]).run_many(range(3))
    np.testing.assert_allclose(found, want, rtol=2e-4, atol=1e-5)
    assert not np.allclose(found, trainer(network()).run_many(range(3)), rtol=1e-2)


def test_what_they_give_where_they_are_judged():
    made, alone = in_double(normed, {}), one_by_one(in_double(normed, {}))
    for one, other in zip(made.run_judged(range(3)), alone.run_judged(range(3)), strict=True):
        np.testing.assert_allclose(one.curve, other.curve, rtol=1e-9)
        np.testing.assert_allclose(one.outputs[0], other.outputs[0], rtol=1e-9)


def test_what_is_frozen_stays():
    model = network()
    model[0].weight.requires_grad_(False)
    made = trainer(model)
    assert made.at_once == TOGETHER
    other = network()
    other[0].weight.requires_grad_(False)
    np.testing.assert_allclose(
        made.run_many(range(3)), one_by_one(trainer(other)).run_many(range(3)), rtol=2e-4, atol=1e-5
    )


class Counting(nn.Module):
    """Keeps a buffer by putting another in its place, which a mapped call would forget."""

    def __init__(self):
        super().__init__()
        self.line = nn.Linear(6, 2)
        self.register_buffer("seen", torch.zeros(2))

    def forward(self, x):
        y = self.line(x)
        self.seen = self.seen + y.detach().mean(0)
        return y + self.seen


class Looking(nn.Linear):
    """Looks at a value."""

    def forward(self, x):
        y = super().forward(x)
        return y if y.sum() > 0 else 2 * y


class Convolving(nn.Linear):
    """Convolves by a function."""

    def forward(self, x):
        return super().forward(nn.functional.conv1d(x[:, None], torch.ones(1, 1, 3), padding=1)[:, 0])


class Distant(nn.Linear):
    """Calls an operation that torch maps by calling it again and again."""

    def forward(self, x):
        return super().forward(x) + torch.pdist(x).mean()


class Own(torch.optim.SGD):
    """An optimiser of the user's: whatever it does."""


class Drawn(Dataset):
    """Keeps count of what it was asked for."""

    def __init__(self):
        self.x, self.y = torch.from_numpy(task().inputs[0]), torch.from_numpy(task().targets[0])

    def __len__(self):
        return len(self.x)

    def __getitem__(self, row):
        return self.x[row], self.y[row]


def in_memory(**options):
    made = Drawn()
    return DataLoader(TensorDataset(made.x, made.y), **{"batch_size": 16, "shuffle": True} | options)


ALONE = {
    "dropout": (lambda: network(dropout=0.5), {}),
    "a buffer that is replaced": (Counting, {}),
    "a look at a value": (lambda: Looking(6, 2), {}),
    "a convolution": (lambda: Convolving(6, 2), {}),
    "an operation that is not mapped": (lambda: Distant(6, 2), {}),
    "an optimiser of the user's": (network, {"optimizer": lambda parameters: Own(parameters, 0.1)}),
    "one that looks at all numbers": (network, {"optimizer": lambda p: torch.optim.Adafactor(p, 0.1)}),
    "one that has begun": (network, {"optimizer": lambda p: torch.optim.Adagrad(p, 0.1)}),
    "a schedule for each run": (
        network,
        {"scheduler": torch.optim.lr_scheduler.ReduceLROnPlateau, "epochs": 2},
    ),
    "mixed precision": (network, {"autocast": torch.bfloat16}),
    "a data set of the user's": (network, {"loader": DataLoader(Drawn(), batch_size=16, shuffle=True)}),
    "much arithmetic": (lambda: nn.Sequential(nn.Linear(6, 1500), nn.Linear(1500, 1500), nn.Linear(1500, 2)), {}),
}


@pytest.mark.parametrize(("make", "given"), ALONE.values(), ids=ALONE)
def test_what_is_trained_one_run_after_the_other(make, given):
    torch.manual_seed(3)
    model = make()
    before = state(model)
    made = trainer(model, Training(**given), plan=Plan(2, 1, 16))
    assert made.at_once == 1
    for kept, now in zip(before, state(model), strict=True):
        assert np.array_equal(kept, now)
    found = made.run_many([1, 2])
    assert np.array_equal(found, np.stack([made.run(1), made.run(2)]))


def test_a_loader_in_memory_is_trained_side_by_side():
    made = [trainer(network(), Training(loader=in_memory()), plan=Plan(9, 2, 16)) for _ in range(2)]
    assert made[0].at_once == TOGETHER
    np.testing.assert_allclose(made[0].run_many(range(3)), one_by_one(made[1]).run_many(range(3)), rtol=2e-4, atol=1e-5)


def test_a_step_is_timed_as_it_is_trained():
    made = trainer(network())
    assert 0 < made.step_seconds() < 1
    before = state(network())
    assert all(np.array_equal(one, other) for one, other in zip(before, state(made._model), strict=True))


def test_what_is_compiled_is_not_mapped():
    model = network()
    model[0]._compiled_call_impl = model[0].forward  # as model[0].compile() leaves it
    assert trainer(model).at_once == 1
