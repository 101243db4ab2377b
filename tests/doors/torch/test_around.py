"""Code that turns gradients off, or precision down, for a part of what it computes does so after a switch too."""

import copy
import pickle

import pytest
import torch
from torch import nn

import addcat

torch.set_num_threads(1)


class Layers(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.still, self.out = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2)


class Frozen(Layers):
    """A backbone that is not trained, as people write it."""

    def forward(self, x):
        with torch.no_grad():
            h = torch.relu(self.still(x))
        return self.out(h + self.a(x))


class Inferred(Layers):
    """The same, as tensors that no backward pass may keep: a copy of them may be."""

    @torch.inference_mode()
    def frozen(self, x):
        return torch.relu(self.still(x))

    def forward(self, x):
        with torch.inference_mode(), torch.no_grad():
            h = self.still(x)
        with torch.inference_mode(mode=False):
            h = h.clone() + self.frozen(x).clone()
        return self.out(h + self.a(x))


class Nested(Layers):
    @torch.no_grad()
    def target(self, x):
        with torch.no_grad(), torch.set_grad_enabled(False):
            h = self.still(x)
        return torch.relu(h)

    def forward(self, x):
        return self.out(self.target(x) + self.a(x) + self.target(2 * x))


class Kept(Layers):
    def forward(self, x):
        with torch.set_grad_enabled(x is not None):
            return self.out(self.still(x) + self.a(x))


class Half(Layers):
    """A part in fewer bits."""

    def forward(self, x):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            h = self.still(x)
        return self.out(h.float() + self.a(x))


class Full(Layers):
    """A part in all bits, whatever is around."""

    def forward(self, x):
        with torch.autocast("cpu", enabled=False):
            h = self.still(x.float())
        return self.out(h + self.a(x))


def switched(model, x):
    site = addcat.inspect(model, example_inputs=(x,)).merges[-1].site
    return addcat.switch(model, {site: "concat"}, example_inputs=(x,)).model


@pytest.mark.parametrize("kind", [Frozen, Inferred, Nested, Kept, Half, Full])
@pytest.mark.parametrize("half", [False, True])
def test_what_runs_without_gradients_or_in_few_bits_still_does(kind, half):
    torch.manual_seed(0)
    model, x = kind(), torch.randn(5, 4)
    done = switched(model, x)
    found = []
    for one in (model, done, copy.deepcopy(done), pickle.loads(pickle.dumps(done))):  # noqa: S301
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
            out = one(x)
        out.float().square().sum().backward()
        assert torch.is_grad_enabled()
        assert not torch.is_autocast_enabled("cpu")
        with torch.no_grad():
            one(x)
            assert not torch.is_grad_enabled()
        found.append((out, one.still.weight.grad, one.a.weight.grad))
    near = {"rtol": 0.05, "atol": 0.05} if half else {}
    for out, *gradients in found[1:]:
        torch.testing.assert_close(out, found[0][0], **near)
        for gradient, wanted in zip(gradients, found[0][1:], strict=True):
            assert (gradient is None) == (wanted is None)
            if wanted is not None:
                torch.testing.assert_close(gradient, wanted, **near)


class Raises(Layers):
    def forward(self, x):
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
            h = self.still(x[:, :4])
        return self.out(h.float() + self.a(x))


def test_code_that_raises_leaves_gradients_and_precision_as_they_were():
    model = switched(Raises(), torch.randn(5, 4))
    model.still.register_forward_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        model(torch.randn(5, 4))
    assert torch.is_grad_enabled()
    assert not torch.is_autocast_enabled("cpu")


def test_verbs_called_under_autocast_leave_no_weights_behind():
    model, x = Frozen(), torch.randn(5, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        done = switched(model, x)
        for one in (model, done):
            one(x).float().sum().backward()
            assert one.a.weight.grad is not None
