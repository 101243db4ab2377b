"""What a module's own code does in training alone, or with a flag: merges are found again by their place in it."""

import pickle
from random import random

import pytest
import torch
from torch import nn

import addcat
from addcat.errors import ModelError, RefusedError

torch.set_num_threads(1)


class Layers(nn.Module):
    """Four layers of one width; subclasses say what is done with them."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c, self.last = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4), 0.0


class Noise(Layers):
    """Training adds something before."""

    def forward(self, x):
        h = self.a(x)
        if self.training:
            h = h + 0.1 * torch.randn_like(h)
        return self.b(torch.relu(x + h))


class Statistics(Layers):
    """A buffer is added to in training."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(4))

    def forward(self, x):
        if self.training:
            self.mean.mul_(0.9).add_(x.detach().mean(0), alpha=0.1)
        return self.b(self.a(x) + self.c(x - self.mean))


class Depth(Layers):
    """Branches are left out at random, without a look at what was drawn."""

    def forward(self, x):
        h = self.a(x)
        if self.training:
            h = h * torch.bernoulli(torch.full((len(x), 1), 0.8)) / 0.8
        return self.b(x + h)


class Twice(Layers):
    """One merge, written once for each mode."""

    def forward(self, x):
        if self.training:
            return self.b(x + 2 * self.a(x))
        return self.b(x + self.a(x))


class Auxiliary(Layers):
    """Training merges once more."""

    def forward(self, x):
        if self.training:
            x = x + self.c(x)
        return self.b(x + self.a(x))


class Within(nn.Module):
    """Holds the block."""

    def __init__(self, block):
        super().__init__()
        self.block, self.head = block, nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.block(x))


def outputs(model, x, **flags):
    torch.manual_seed(7)
    return model(x, **flags)


@pytest.mark.parametrize("kind", [Noise, Statistics, Depth, Twice, Auxiliary])
def test_the_function_is_kept_in_training_too(kind):
    model, x = Within(kind()), torch.randn(6, 4)
    (merge,) = addcat.inspect(model, example_inputs=(x,)).merges
    done = addcat.switch(model, {merge.site: "concat"}, example_inputs=(x,)).model
    for training in (True, False, True):
        torch.testing.assert_close(outputs(done.train(training), x), outputs(model.train(training), x))


class Drawn(Layers):
    def forward(self, x):
        return self.b(x) if self.training and random() < 0.5 else self.b(x + self.a(x))  # noqa: S311


class Looked(Layers):
    def forward(self, x):
        return self.b(x) if self.training and torch.rand(1) < 0.5 else self.b(x + self.a(x))


class LookedAlways(Layers):
    def forward(self, x):
        return self.b(x) if torch.rand(1).item() > 2 else self.b(x + self.a(x))


class LookedAtWeights(Layers):
    def forward(self, x):
        return self.b(x) if self.a.bias.detach()[0] > 9 else self.b(x + self.a(x))


class Logged(Layers):
    def forward(self, x):
        if self.training:
            self.last = x.mean()
        return self.b(x + self.a(x))


class EvalAlone(Layers):
    def forward(self, x):
        return self.b(x) if self.training else self.b(x + self.a(x))


REASONS = {
    Drawn: "draws numbers from Python's or numpy's generators in training",
    Looked: "looks at the values of a tensor (bool) in training",
    LookedAlways: "looks at the values of a tensor (item)",
    LookedAtWeights: "looks at the values of a tensor (bool)",
    Logged: "sets 'last' on itself in training",
    EvalAlone: "does not compute it in training",
}


@pytest.mark.parametrize("kind", REASONS)
def test_inspect_switch_and_advise_say_the_same(kind):
    model, x = Within(kind()), torch.randn(32, 4)
    reason = f"Add 'block.add' cannot be changed where it stands: {kind.__name__} 'block' {REASONS[kind]}"
    assert addcat.inspect(model, example_inputs=(x,)).merges[0].switch.reason == reason
    with pytest.raises(RefusedError) as error:
        addcat.switch(model, {"block.add": "concat"}, example_inputs=(x,))
    assert str(error.value) == f"'block.add' cannot become concat: {reason} [AC116]."
    data = (x.numpy(), (x[:, 0] > 0).long().numpy())
    advice = addcat.advise(model, data, validation=data, loss=nn.CrossEntropyLoss(), epochs=1)
    nothing = "The model has no Add or Concatenate that could be the other one"
    assert str(advice).split("\n\n", 1)[1].split() == f"{nothing}. - {reason} [AC116].".split()
    with pytest.raises(ModelError) as nowhere:
        addcat.compare(model, data, validation=data, loss=nn.CrossEntropyLoss(), epochs=1)
    assert str(nowhere.value) == f"{nothing}: nothing to compare. {reason} [AC116]."


class Flag(Layers):
    """Merges once more where it is asked to."""

    def forward(self, x, extra=False):
        if extra:
            x = x + self.c(x)
        x = torch.relu(x + self.a(x))
        return self.b(x + self.c(x))


@pytest.mark.parametrize("sites", [["add"], ["add#2"], ["add", "add#2"], ["add#2", "add"]])
def test_a_flag_that_adds_a_merge_leaves_the_others_where_they_are(sites):
    model, x = Flag(), torch.randn(6, 4)
    done = model
    for site in sites:
        done = addcat.switch(done, {site: "concat"}, example_inputs=(x,)).model
    for one in (done, pickle.loads(pickle.dumps(done))):  # noqa: S301
        torch.testing.assert_close(one(x, extra=True), model(x, extra=True))
        torch.testing.assert_close(one(x), model(x))


class Called(nn.Module):
    """One block, called for every step."""

    def __init__(self):
        super().__init__()
        self.block = Depth()

    def forward(self, x):
        for _ in range(70):
            x = torch.tanh(self.block(x))
        return x


def test_a_block_that_is_called_often_is_written_once():
    model, x = Called(), torch.randn(3, 4)
    done = addcat.switch(model, {"block/add": "concat"}, example_inputs=(x,)).model
    torch.testing.assert_close(outputs(done, x), outputs(model, x))
