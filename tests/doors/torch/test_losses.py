"""A loss of the user's own: what it is given, and what is said of one that nothing can be trained by."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812
from torch.utils.data import DataLoader, TensorDataset

import addcat
from addcat.doors.torch.losses import resolve
from addcat.errors import DataError, OptionError

torch.set_num_threads(1)


class Net(nn.Module):
    """Gives what it is told to give of two heads."""

    def __init__(self, gives=lambda one, two: one):
        super().__init__()
        self.a, self.b, self.gives = nn.Linear(3, 4), nn.Linear(3, 4), gives
        self.one, self.two = nn.Linear(4, 1), nn.Linear(4, 3)

    def forward(self, x):
        h = self.a(x) + self.b(x.flip(-1))
        return self.gives(self.one(h), self.two(h))


def advised(model, loss, y, **options):
    x = torch.randn(48, 3, generator=torch.Generator().manual_seed(0))
    loader = DataLoader(TensorDataset(x, y), 12)
    return addcat.advise(model, loader, validation=loader, loss=loss, epochs=1, budget="1x", **options)


NUMBERS = torch.linspace(-1, 1, 48)
LABELS = torch.arange(48) % 3


@pytest.mark.parametrize(
    "loss",
    [
        nn.MSELoss(),
        nn.SmoothL1Loss(reduction="sum"),
        F.l1_loss,
        partial(F.huber_loss, delta=2.0),
        lambda output, target: ((output - target) ** 2).mean(),
        lambda output, target: (target.double() - torch.tanh(output)).abs().mean(),
        lambda output, target: F.mse_loss(input=output, target=target),
    ],
)
@pytest.mark.parametrize("rows", [1, 5])
@pytest.mark.filterwarnings("ignore:Using a target size")
def test_outputs_are_not_held_against_the_targets_of_others(loss, rows):
    with pytest.raises(DataError) as error:
        advised(Net(), loss, NUMBERS, example_inputs=(torch.zeros(rows, 3),))
    count = max(rows, 2)
    name = getattr(getattr(loss, "func", loss), "__name__", type(loss).__name__)
    assert str(error.value) == (
        f"The loss {name} holds an output of shape ({count}, 1) against a target of shape ({count},), which torch "
        f"spreads to ({count}, {count}): every output against every target. Give both one shape: target.unsqueeze(1) "
        "in unpack, y[:, None] of arrays, or output.squeeze(1) in forward."
    )


@pytest.mark.parametrize(
    "loss",
    [
        lambda output, target: F.mse_loss(output.squeeze(1), target),
        lambda output, target: F.mse_loss(output, target[:, None]),
        lambda output, target: F.softplus(-(output[:, 0, None] - output[:, 0]) * (target[:, None] - target)).mean(),
    ],
)
def test_a_loss_that_brings_both_to_one_shape_or_compares_pairs_is_taken(loss):
    assert len(advised(Net(), loss, NUMBERS).verdicts) == 1


def both(one, two):
    return {"one": one, "logits": two}


def with_loss(one, two):
    return {"loss": two.logsumexp(1).mean(), "logits": two}


@pytest.mark.parametrize(
    ("gives", "loss"),
    [
        (both, lambda output, label: F.cross_entropy(output["logits"], label) + output["one"].square().mean()),
        (both, lambda logits, label: F.cross_entropy(logits.float(), label)),
        (both, nn.CrossEntropyLoss()),
        (with_loss, lambda output, label: output["loss"]),
        (lambda one, two: [two], lambda output, label: F.cross_entropy(output[0], label)),
        (lambda one, two: {"only": two}, lambda output, label: F.cross_entropy(output["only"], label)),
        (lambda one, two: {"only": two}, lambda output, label: F.cross_entropy(output.float(), label)),
    ],
)
def test_a_function_of_the_users_own_is_given_the_whole_output_and_its_tensor_where_it_takes_that(gives, loss):
    assert len(advised(Net(gives), loss, LABELS).verdicts) == 1


@pytest.mark.parametrize("loss", [nn.CrossEntropyLoss(reduction="none"), partial(F.cross_entropy, reduction="none")])
def test_a_loss_with_a_value_for_each_example_is_trained_by_its_mean(loss):
    output, target = torch.randn(6, 3, requires_grad=True), LABELS[:6]
    found, _ = resolve(loss, output, (target.numpy(),))
    torch.testing.assert_close(found.trained(output, target), F.cross_entropy(output, target))


@pytest.mark.parametrize(
    ("loss", "gives"),
    [
        (lambda output, label: {"a": F.cross_entropy(output, label)}, "a dict of 'a'"),
        (lambda output, label: F.cross_entropy(output, label).item(), "a float"),
        (lambda output, label: (F.cross_entropy(output, label), 0), "a tuple of 2"),
        (lambda output, label: None, "a NoneType"),
    ],
)
def test_a_loss_that_gives_no_tensor(loss, gives):
    with pytest.raises(DataError) as error:
        advised(Net(lambda one, two: two), loss, LABELS)
    assert str(error.value) == (
        f"The loss <lambda> gives {gives}. Expected a tensor: one number for a batch, or one or more for each example. "
        "Of several losses give the sum, as torch computes it."
    )


@pytest.mark.parametrize(
    "loss",
    [
        lambda output, label: F.cross_entropy(output.detach(), label),
        lambda output, label: (output.argmax(1) != label).float().mean(),
        lambda output, label: torch.tensor(float(np.square(output.detach().numpy()).mean())),
    ],
)
def test_a_loss_without_a_gradient(loss):
    with pytest.raises(DataError) as error:
        advised(Net(lambda one, two: two), loss, LABELS)
    assert str(error.value) == (
        "The loss <lambda> gives a number without a gradient, by which nothing can be trained. Compute it of the "
        "output by torch's functions, without detach(), item(), argmax, numpy or no_grad."
    )


def test_a_part_of_a_function_is_known_by_its_name():
    found, said = resolve(partial(F.cross_entropy, ignore_index=7), torch.zeros(2, 3), (LABELS[:2].numpy(),))
    assert (said, found.form.ignored) == ("cross_entropy, given", 7)


def test_the_class_of_a_loss():
    with pytest.raises(OptionError) as error:
        advised(Net(lambda one, two: two), nn.CrossEntropyLoss, LABELS)
    assert str(error.value) == (
        "loss=CrossEntropyLoss is a class, not a loss. Pass one that is made: loss=CrossEntropyLoss()."
    )


def dice(output, target):
    return 1 - (output.softmax(1)[:, 1] * target).sum() / (output.softmax(1)[:, 1].sum() + target.sum() + 1)


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (nn.CrossEntropyLoss(), "CrossEntropyLoss, given"),
        (nn.functional.cross_entropy, "cross_entropy, given"),
        (None, "CrossEntropyLoss, which whole numbers as targets suggest"),
        (dice, "dice, given; it has no value for one example, so pairs of seeds alone carry the interval"),
    ],
)
def test_losses(loss, words):
    output, target = torch.randn(6, 3), torch.tensor([0, 1, 2, 0, 1, 2])
    found, said = resolve(loss, output, (target.numpy(),))
    assert said == words
    values = found.per_example(output, target, 6)
    assert values.shape == (6,)
    torch.testing.assert_close(values.mean(), found.mean(output, target))
    assert found.coupled == (loss is dice)


def test_losses_of_maps_and_of_objects():
    class Output:
        logits = torch.randn(4, 3, 2, 2)

    target = torch.zeros(4, 2, 2, dtype=torch.long)
    found, _ = resolve(nn.CrossEntropyLoss(ignore_index=-1), Output(), (target.numpy(),))
    assert found.per_example(Output(), target, 4).shape == (4,)
    found, said = resolve(None, torch.randn(4, 1), (np.zeros((4, 1), "float32"),))
    assert said == "MSELoss, which targets like the output suggest"
    assert found.per_example([torch.ones(4, 1)], torch.zeros(4, 1), 4).tolist() == [1.0] * 4


def test_losses_that_are_none():
    with pytest.raises(OptionError) as error:
        resolve("mse", torch.ones(2, 1), (np.ones(2),))
    assert str(error.value) == (
        "loss='mse' is not a loss of torch. Expected a module or function of (output, target), such as "
        "torch.nn.CrossEntropyLoss(); on the command line torch.nn:CrossEntropyLoss."
    )
    with pytest.raises(DataError) as error:
        resolve(None, torch.ones(2, 1), (np.ones(2),))
    assert str(error.value) == (
        "The targets, of shape (2,), suggest no loss. Pass loss= (--loss), such as torch.nn.CrossEntropyLoss()."
    )
