"""Whatever a user's own code raises is one error that names their module, in every verb."""

import pytest
import torch
from torch import nn

import addcat
from addcat.doors.torch.raised import said, words_of
from addcat.errors import DataError, ModelError, OptionError, RefusedError

torch.set_num_threads(1)


class Down(nn.Module):
    """Asks for the channels that it was made for, as a network may."""

    def __init__(self, channels, words):
        super().__init__()
        self.channels, self.words, self.conv = channels, words, nn.Conv2d(channels, 4, 3)

    def forward(self, x):
        if x.shape[1] != self.channels:
            raise AssertionError(*self.words)
        return self.conv(x)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x):
        return self.one(x) + self.two(x)


class Net(nn.Module):
    def __init__(self, words=()):
        super().__init__()
        self.block, self.down, self.head = Block(), Down(4, words), nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.down(self.block(x)).mean((2, 3)))


X = torch.zeros(2, 3, 6, 6)


def task(count=60):
    x = torch.randn(count, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    return x.numpy(), (x[:, 0, 0, 0] > 0).long().numpy()


@pytest.mark.parametrize(
    ("words", "raised"),
    [((), "AssertionError at `raise AssertionError(*self.words)`"), (("4 only.",), "AssertionError: 4 only")],
)
def test_a_module_that_asks_for_sizes_refuses_fresh_weights_by_name(words, raised):
    with pytest.raises(RefusedError) as error:
        addcat.switch(Net(words), {"block.add": "concat"}, example_inputs=(X,), fresh=True)
    assert str(error.value) == (
        f"'block.add' cannot be changed: Down 'down' raised {raised} once it was [AC118]. "
        "The code around has to take the new sizes; change it, or leave the merge as it is."
    )
    (refusal,) = error.value.refusals
    assert (refusal.code, refusal.site) == ("AC118", "block.add")


def test_channels_that_code_asks_for_are_given_back_by_a_layer():
    torch.manual_seed(0)
    model, x = Net(), torch.randn(2, 3, 6, 6)
    assert [merge.switch for merge in addcat.inspect(model, example_inputs=(X,)).merges] == ["tie"]
    done = addcat.switch(model, {"block.add": "concat"}, example_inputs=(X,))
    (step,) = done.record.steps
    assert (step.rule, step.exact, step.added) == ("project", True, ("block.add_project",))
    assert step.notes == (
        "block.add: the model's own code asks for the channels of the Add, so a 1x1 layer gives them back; its readers "
        "stay as they are.",
    )
    torch.testing.assert_close(done.model(x), model(x))
    assert done.model.down.conv.weight.shape == model.down.conv.weight.shape
    again = addcat.apply(model, done.record, example_inputs=(X,))
    torch.testing.assert_close(again(x), model(x))
    back = addcat.switch(done.model, {"block.add": "add"}, example_inputs=(X,))
    torch.testing.assert_close(back.model(x), model(x))


class Counting(Net):
    """Asks for a sum, in a way that no layer can give back."""

    def forward(self, x):
        y = self.block(x)
        if not hasattr(self.block, "add_project") and type(self.block).__dict__.get("_addcat_base") is None:
            return self.head(self.down(y).mean((2, 3)))
        raise ValueError("the block was changed")


def test_what_a_layer_does_not_help_is_refused_with_the_first_reason():
    with pytest.raises(RefusedError, match="cannot be changed: Counting raised ValueError: the block was changed once"):
        addcat.switch(Counting(), {"block.add": "concat"}, example_inputs=(X,))


def test_advise_goes_on_and_compare_is_refused():
    words = "'block.add' cannot be changed: Down 'down' raised AssertionError: 4 only once it was [AC118]"
    advice = addcat.advise(Net(("4 only",)), task(), loss=nn.CrossEntropyLoss(), epochs=1, budget="4x")
    (verdict,) = advice.verdicts
    assert verdict.path[-1].startswith(f"Pairs cannot be trained with the other merge: {words}")
    with pytest.raises(RefusedError, match="cannot be changed: Down 'down' raised AssertionError"):
        addcat.compare(Net(), task(), loss=nn.CrossEntropyLoss(), pairs=2, epochs=1)
    with pytest.raises(RefusedError, match="cannot be changed: Down 'down' raised AssertionError"):
        addcat.advise(Net(), task(), loss=nn.CrossEntropyLoss(), effort="retrain", epochs=1)


class Raising(nn.Module):
    """Raises in one mode, or where gradients flow."""

    def __init__(self, when):
        super().__init__()
        self.inner, self.when = Inner(when), when
        self.two, self.head = nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.inner(x) + self.two(x))


class Inner(nn.Module):
    def __init__(self, when):
        super().__init__()
        self.when, self.one = when, nn.Linear(4, 4)

    def forward(self, x):
        if self.when == "always" or (self.when == "training" and self.training):
            raise KeyError("mask")
        if self.when == "many" and x.shape[0] > 2:
            raise ValueError("at most two.\nNot more.")
        return self.one(x)


ROWS = torch.zeros(2, 4)
PAIRS = (torch.randn(60, 4), torch.zeros(60, dtype=torch.long))
LOSS = nn.CrossEntropyLoss()


@pytest.mark.parametrize("verb", ["inspect", "switch", "advise", "compare"])
def test_a_module_that_does_not_run_at_all(verb):
    calls = {
        "inspect": lambda model: addcat.inspect(model, example_inputs=(ROWS,)),
        "switch": lambda model: addcat.switch(model, {"add": "concat"}, example_inputs=(ROWS,)),
        "advise": lambda model: addcat.advise(model, PAIRS, loss=LOSS),
        "compare": lambda model: addcat.compare(model, PAIRS, loss=LOSS),
    }
    with pytest.raises(ModelError) as error:
        calls[verb](Raising("always"))
    assert str(error.value) == (
        "Raising does not run on example inputs of shape (2, 4): Inner 'inner' raised KeyError: 'mask'. "
        "Pass example_inputs that it takes."
    )


def test_a_module_that_raises_later():
    with pytest.raises(ModelError) as error:
        addcat.advise(Raising("training"), PAIRS, loss=LOSS, effort="retrain", epochs=1)
    words = "Inner 'inner' raised KeyError: 'mask' in training. Correct that, or give data that it trains on."
    assert str(error.value) == words
    with pytest.raises(ModelError) as error:
        addcat.compare(Raising("training"), PAIRS, loss=LOSS, pairs=2, epochs=1)
    assert str(error.value) == words
    with pytest.raises(ModelError) as error:
        addcat.advise(Raising("many"), PAIRS, loss=LOSS)
    assert str(error.value) == (
        "Inner 'inner' raised ValueError: at most two on examples of the data. "
        "Correct that, or give data that it takes."
    )
    with pytest.raises(ModelError) as error:
        addcat.switch(Raising("many"), {"add": "concat"}, example_inputs=(ROWS,))
    assert str(error.value) == (
        "Nothing can be compared on random inputs of shape (4, 4). Inner 'inner' raised ValueError: at most two on "
        "inputs of shape (4, 4). Correct that, or give inputs that it takes. Give data that it takes."
    )


def broken(output, target):
    raise RuntimeError("no such target")


class Loader:
    def __len__(self):
        return 3

    def __iter__(self):
        yield PAIRS
        raise OSError("gone")


@pytest.mark.parametrize(
    ("given", "kind", "text"),
    [
        (
            {"data": (PAIRS[0], PAIRS[1] + 7), "loss": LOSS},
            DataError,
            "The loss CrossEntropyLoss raised IndexError: Target 7 is out of bounds. Correct that, or the data that it "
            "is given.",
        ),
        (
            {"loss": broken},
            DataError,
            "The loss broken raised RuntimeError: no such target. Correct that, or the data that it is given.",
        ),
        (
            {"data": Loader(), "validation": PAIRS, "loss": LOSS},
            DataError,
            "The loader raised OSError: gone. Correct that, or the data that it is given.",
        ),
        (
            {"loss": LOSS, "optimizer": lambda: None, "effort": "retrain"},
            OptionError,
            "optimizer= raised TypeError: <lambda>() takes 0 positional arguments but 1 was given. Expected a function "
            "that takes parameters, gives an optimiser.",
        ),
    ],
)
def test_the_users_other_code(given, kind, text):
    module, _, _ = Raising("never"), None, None
    with pytest.raises(kind) as error:
        addcat.advise(module, given.pop("data", PAIRS), epochs=1, **given)
    assert str(error.value).replace("test_the_users_other_code.", "") == text


def test_what_is_said():
    net = nn.Sequential(nn.Linear(2, 3))
    with pytest.raises(RuntimeError) as error:
        net(torch.zeros(1, 5))
    words = "Linear '0' raised RuntimeError: mat1 and mat2 shapes cannot be multiplied (1x5 and 2x3)"
    assert words_of(net, error.value) == words
    assert said(ValueError()) == "ValueError"
