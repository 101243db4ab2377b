"""A merge in a module whose calls are not alike: refused by name, since every call would change."""

import pytest
import torch
from modules import Step
from torch import nn

import addcat
from addcat.errors import RefusedError


def refused(model, args, site):
    with pytest.raises(RefusedError) as error:
        addcat.switch(model, {site: "concat"}, example_inputs=args)
    assert error.value.refusals[0].code == "AC116"
    return error.value.refusals[0].reason.partition("cannot be changed where it stands: ")[2]


class Flagged(nn.Module):
    """One block, with its shortcut and without."""

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.f = nn.Linear(4, 4)

        def forward(self, x, skip):
            return x + self.f(x) if skip else self.f(x)

    def __init__(self):
        super().__init__()
        self.block = self.Block()

    def forward(self, x):
        return self.block(self.block(x, skip=True), skip=False)


class Pyramid(nn.Module):
    """One head on images of two sizes."""

    def __init__(self):
        super().__init__()
        self.step = Step(3)

    def forward(self, x):
        return self.step(x).mean((2, 3)) + self.step(x[..., ::2]).mean((2, 3))


class Borrowed(nn.Module):
    """A layer of the block is called beside it."""

    def __init__(self):
        super().__init__()
        self.step, self.head = Step(3), nn.Conv2d(3, 2, 1)

    def forward(self, x):
        return self.head(self.step(self.step(self.step.conv(x))))


class Plain(nn.Module):
    """x + y, as a module."""

    def forward(self, x, y):
        return x + y


class Widths(nn.Module):
    """One module without weights adds tensors of other widths."""

    def __init__(self):
        super().__init__()
        self.plus, self.a, self.b, self.c = Plain(), nn.Linear(4, 4), nn.Linear(4, 3), nn.Linear(4, 3)

    def forward(self, x):
        x = self.plus(x, self.a(x))
        return self.plus(self.b(x), self.c(x))


class Across(nn.Module):
    """A helper of the block is called beside it."""

    class Block(nn.Module):
        def __init__(self, plus):
            super().__init__()
            self.f, self.plus = nn.Linear(4, 4), plus

        def forward(self, x):
            return self.plus(x, self.f(x))

    def __init__(self):
        super().__init__()
        self.plus = Plain()
        self.block, self.g, self.head = self.Block(self.plus), nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x):
        x = self.block(self.block(x))
        return self.head(self.plus(x, self.g(x)))


REFUSED = [
    (Flagged, (2, 4), "block.add", "Block 'block' is called 2 times", "one call makes 1 operations, another 2"),
    (
        Pyramid,
        (2, 3, 6, 6),
        "step.add",
        "Step 'step' is called 2 times",
        "'step.norm' and 'step.norm#2' differ in size: (None, 3, 6, 6) and (None, 3, 6, 3)",
    ),
    (
        Borrowed,
        (2, 3, 6, 6),
        "step.add",
        "Step 'step' is called 2 times",
        "'step.conv' in it is called from elsewhere too",
    ),
    (
        Widths,
        (2, 4),
        "plus.add",
        "Plain 'plus' is called 2 times",
        "'plus.add' and 'plus.add#2' differ in size: (None, 4) and (None, 3)",
    ),
]


@pytest.mark.parametrize(("cls", "sizes", "site", "who", "why"), REFUSED)
def test_calls_that_are_not_alike_are_refused_by_name(cls, sizes, site, who, why):
    assert refused(cls().eval(), (torch.randn(sizes),), site) == f"{who}, and every call would change: {why}"


def test_a_helper_that_several_modules_call_is_one_site_of_its_own():
    torch.manual_seed(0)
    model, args = Across().eval(), (torch.randn(5, 4),)
    found = addcat.inspect(model, example_inputs=args).merges
    assert [merge.site for merge in found] == ["plus/add"]
    done = addcat.switch(model, {"plus/add": "concat"}, example_inputs=args)
    assert done.record.steps[0].rule == "project"
    torch.testing.assert_close(done.model(*args), model(*args))
