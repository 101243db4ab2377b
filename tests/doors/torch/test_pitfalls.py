"""Pitfalls of reading and writing torch, each a small module, by their number in the list of them."""

import copy
import threading
from functools import partial

import modules
import pytest
import torch
from public_reports import CASES, Net, made, pointwise
from torch import nn
from torch.nn import functional as F  # noqa: N812
from torch.nn.utils import prune

import addcat
from addcat.doors.base import door_for
from addcat.errors import RefusedError
from addcat.graph import Edge


class Hooked(Net):
    """pytorch/pytorch#17571: the skip is stored by a forward hook."""

    detach = False

    def __init__(self):
        super().__init__(encoder=pointwise(3, 4), middle=pointwise(4, 4), head=pointwise(4, 2))
        self.kept = {}
        self.encoder.register_forward_hook(self.keep)

    def keep(self, _, __, out):
        self.kept[0] = out.detach() if self.detach else out

    def forward(self, x):
        y = self.middle(self.encoder(x))
        return self.head(self.kept[0] + y)


@pytest.mark.parametrize("detach", [False, True])
def test_a_skip_that_a_hook_stores_is_seen_and_refused(detach):
    torch.manual_seed(0)
    model = Hooked().eval()
    model.detach = detach
    args = (torch.randn(2, 3, 4, 4),)
    found = addcat.inspect(model, example_inputs=args).merges
    assert [(merge.site, len(merge.merge.branches)) for merge in found] == [("add", 2)]
    assert found[0].switch.reason.endswith("the model sets 'kept' on itself")
    assert model.kept == {}
    with pytest.raises(RefusedError):
        addcat.switch(model, {"add": "concat"}, example_inputs=args)


def test_2_an_in_place_result_is_the_same_object():
    class Chain(Net):
        def __init__(self):
            super().__init__(a=nn.Linear(3, 4), head=nn.Linear(4, 2))

        def forward(self, x):
            y = self.a(x)
            z = y.relu_()
            return self.head(y + z)

    model, args = made(Chain, [(2, 3)])
    graph = door_for(model, example_inputs=args).read(model)
    assert graph.nodes["add"].inputs == (Edge("relu"), Edge("relu"))
    done = addcat.switch(model, {"add": "concat"}, example_inputs=args)
    torch.testing.assert_close(done.model(*args), model(*args))


class InPlace(Net):
    """An in-place ReLU whose input has another reader: a shortcut, which so reads what the ReLU has left."""

    def __init__(self, shortcut_first):
        super().__init__(
            a=nn.Conv2d(3, 4, 1), relu=nn.ReLU(inplace=True), b=nn.Conv2d(4, 4, 1), head=nn.Conv2d(4, 2, 1)
        )
        self.shortcut_first = shortcut_first

    def forward(self, x):
        y = self.a(x)
        if self.shortcut_first:
            shortcut = y.flatten(2).view_as(y)
            return self.head(shortcut + self.b(self.relu(y)))
        branch = self.b(self.relu(y))
        return self.head(branch + y)


@pytest.mark.parametrize("shortcut_first", [True, False])
def test_2_an_in_place_module_stays_and_is_called_when_it_was(shortcut_first):
    torch.manual_seed(0)
    model, args = InPlace(shortcut_first).eval(), (torch.randn(2, 3, 4, 4),)
    wanted = model(*args)
    done = addcat.switch(model, {"add": "concat"}, example_inputs=args)
    assert done.model.relu.inplace
    torch.testing.assert_close(done.model(*args), wanted)
    for one in (model, done.model):
        one.train()
        one.zero_grad()
        one(*args).square().sum().backward()
    torch.testing.assert_close(done.model.a.weight.grad, model.a.weight.grad)


def test_2_a_module_that_writes_into_what_it_is_given_is_refused():
    class Writes(Net):
        def __init__(self):
            super().__init__(f=nn.Linear(4, 4))

        def forward(self, x):
            x += self.f(x)
            return x

    class Outer(Net):
        def __init__(self):
            super().__init__(stem=nn.Linear(3, 4), block=Writes(), head=nn.Linear(4, 2))

        def forward(self, x):
            x = self.stem(x)
            y = self.block(x)
            return self.head(y) + self.head(x)

    model, args = made(Outer, [(2, 3)])
    found = {merge.site: merge.switch for merge in addcat.inspect(model, example_inputs=args).merges}
    assert found["block.add"].reason.endswith("Writes 'block' writes in place into a tensor that it is given")


def test_2_a_sum_in_place_that_is_read_under_its_old_name_is_refused():
    class Old(Net):
        def __init__(self):
            super().__init__(a=nn.Linear(3, 4), b=nn.Linear(3, 4), head=nn.Linear(4, 2))

        def forward(self, x):
            y = self.a(x)
            y.add_(self.b(x))
            return self.head(y)

    model, args = made(Old, [(2, 3)])
    said = "the model adds into a tensor that it reads again under its old name (write x = x + y)"
    (merge,) = addcat.inspect(model, example_inputs=args).merges
    assert merge.switch.reason == f"Add 'add' cannot be changed where it stands: {said}"
    with pytest.raises(addcat.RefusedError) as error:
        addcat.switch(model, {"add": "concat"}, example_inputs=args)
    assert str(error.value) == f"'add' cannot become concat: {merge.switch.reason} [AC116]."


def test_3_identities_of_tensors_that_are_gone_are_not_used_again():
    class Many(Net):
        def __init__(self):
            super().__init__(a=nn.Linear(4, 4), head=nn.Linear(4, 2))

        def forward(self, x):
            for _ in range(50):
                x = torch.tanh(torch.relu(x) * 0.5)
            return self.head(x + self.a(x))

    model, args = made(Many, [(2, 4)])
    graph = door_for(model, example_inputs=args).read(model)
    assert len(graph.nodes) == 1 + 150 + 3
    assert graph.nodes["tanh#50"].inputs == (Edge("mul#50"),)


@pytest.mark.parametrize(
    "pool",
    [
        lambda x: torch.flatten(F.adaptive_avg_pool2d(x, 1), 1),
        lambda x: F.adaptive_avg_pool2d(x, (1, 1)).flatten(1),
        lambda x: x.mean((2, 3)),
        lambda x: x.mean(dim=[-2, -1]),
        lambda x: F.adaptive_avg_pool2d(x, 1).view(x.shape[0], -1),
        lambda x: F.adaptive_avg_pool2d(x, 1).squeeze(-1).squeeze(-1),
    ],
)
def test_5_every_spelling_of_a_global_pool_lets_a_classifier_be_tied(pool):
    class Classifier(Net):
        def __init__(self):
            super().__init__(a=pointwise(3, 4), b=pointwise(3, 4), head=nn.Linear(4, 2))

        def forward(self, x):
            return self.head(pool(self.a(x) + self.b(x)))

    model, args = made(Classifier, [(2, 3, 5, 5)])
    done = addcat.switch(model, {"add": "concat"}, example_inputs=args)
    assert done.record.steps[0].rule == "tie"
    torch.testing.assert_close(done.model(*args), model(*args))


def test_6_relu_ended_residuals_are_projected():
    model, args, _ = modules.build("resnet")
    found = addcat.inspect(model, example_inputs=args).merges
    assert [merge.switch for merge in found] == ["project"] * 3


def test_7_training_draws_the_same_dropout_after_a_switch():
    cls, _, shapes = CASES["DropoutBehindATransposedAdd"]
    model, args = made(cls, shapes)
    done = addcat.switch(model, {"add": "scale"}, example_inputs=args).model
    results = []
    for one in (model, done):
        one.train()
        torch.manual_seed(4)
        results.append(one(*args))
    torch.testing.assert_close(*results)


def test_8_shared_modules_keep_the_order_of_their_calls():
    class Shared(Net):
        def __init__(self):
            super().__init__(norm=nn.BatchNorm1d(4), a=nn.Linear(4, 4), head=nn.Linear(4, 2))

        def forward(self, x, y):
            return self.head(self.norm(self.a(x)) + self.norm(self.a(y)))

    model, args = made(Shared, [(8, 4), (8, 4)])
    done = addcat.switch(model, {"add": "concat"}, example_inputs=args).model
    for one in (model, done):
        one.train()(*args)
    torch.testing.assert_close(done.norm.running_mean, model.norm.running_mean)
    torch.testing.assert_close(done.norm.running_var, model.norm.running_var)


class LowRank(nn.Module):
    """LoRA as a parametrization: W + U V."""

    def __init__(self, outputs, inputs):
        super().__init__()
        self.down, self.up = nn.Parameter(torch.randn(1, inputs)), nn.Parameter(torch.randn(outputs, 1))

    def forward(self, weight):
        return weight + self.up @ self.down


def adapted(layer):
    nn.utils.parametrize.register_parametrization(layer, "weight", LowRank(*layer.weight.shape))
    return layer


def detached(layer):
    """What a forward pass without gradients leaves: torch copies no computed tensor that has a history."""
    layer.weight = layer.weight.detach()
    return layer


@pytest.mark.parametrize(
    ("wrap", "words"),
    [
        (nn.utils.parametrizations.weight_norm, "computes its 'weight' anew at each call (a parametrization)"),
        (nn.utils.parametrizations.spectral_norm, "computes its 'weight' anew at each call (a parametrization)"),
        (adapted, "computes its 'weight' anew at each call (a parametrization)"),
        (
            lambda layer: detached(prune.l1_unstructured(layer, "weight", 0.5)),
            "computes its 'weight' anew at each call (weight norm, spectral norm or pruning)",
        ),
    ],
)
def test_9_weights_that_are_computed_anew_are_not_cut(wrap, words):
    class Wrapped(Net):
        def __init__(self):
            super().__init__(a=nn.Linear(3, 4), b=nn.Linear(3, 4), head=wrap(nn.Linear(4, 2)))

        def forward(self, x):
            return self.head(self.a(x) + self.b(x))

    model, args = made(Wrapped, [(2, 3)])
    found = addcat.inspect(model, example_inputs=args).merges[0]
    assert found.merge.blockers[0].reason.endswith(words)
    done = addcat.switch(model, {"add": "concat"}, example_inputs=args)
    assert done.record.steps[0].rule == "project"
    torch.testing.assert_close(done.model(*args), model(*args))


def test_10_a_recording_sees_its_own_model_and_thread_alone():
    model, args, _ = modules.build("resnet")
    other, other_args, _ = modules.build("towers_added")
    want = other(*other_args)
    seen = []

    def run():
        seen.extend(torch.equal(other(*other_args), want) for _ in range(20))

    thread = threading.Thread(target=run)
    thread.start()
    names = [list(door_for(model, example_inputs=args).read(model).nodes) for _ in range(3)]
    thread.join()
    assert all(seen)
    assert names[0] == names[1] == names[2]


def test_13_other_structure_is_refused_by_name():
    model, _, kwargs = modules.build("conditioned")
    done = addcat.switch(model, {"add": "concat"}, example_inputs=kwargs).model
    with pytest.raises(addcat.ModelError, match="does not compute 'add', which was switched"):
        done(kwargs["x"])


def test_autograd_functions_of_their_own_are_kept_or_refused():
    class Reversed(torch.autograd.Function):
        @staticmethod
        def forward(_, x):
            return x.view_as(x)

        @staticmethod
        def backward(_, gradient):
            return -gradient

    class Adversarial(Net):
        def __init__(self):
            super().__init__(a=nn.Linear(3, 4), b=nn.Linear(3, 4), head=nn.Linear(4, 2))

        def forward(self, x):
            return self.head(Reversed.apply(self.a(x)) + self.b(x))

    model, args = made(Adversarial, [(2, 3)])
    before = vars(torch.autograd.Function)["apply"]
    found = addcat.inspect(model, example_inputs=args).merges[0]
    assert found.switch.reason.endswith("the model calls an autograd.Function of its own")
    assert vars(torch.autograd.Function)["apply"] is before


def test_functions_with_gradients_of_their_own_may_be_applied_by_compiled_code(monkeypatch):
    """From torch 2.14 on `Function.apply` is a method of C, which has no `__func__`."""

    class Compiled:
        def __get__(self, instance, cls):
            return partial(plain.__get__(None, cls))

    plain = vars(torch.autograd.Function)["apply"]
    monkeypatch.setattr(torch.autograd.Function, "apply", Compiled())
    assert not hasattr(torch.autograd.Function.apply, "__func__")
    model, args = made(modules.TowersAdded, [(4, 5), (4, 7)])
    assert addcat.inspect(model, example_inputs=args).merges
    assert isinstance(vars(torch.autograd.Function)["apply"], Compiled)


def test_state_that_forward_keeps_on_the_module_is_refused_and_restored():
    class Keeps(Net):
        def __init__(self):
            super().__init__(a=nn.Linear(3, 4), b=nn.Linear(3, 4), head=nn.Linear(4, 2))
            self.last = None
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, x):
            self.last = self.a(x)
            self.calls += 1
            return self.head(self.last + self.b(x))

    model, args = made(Keeps, [(2, 3)])
    found = addcat.inspect(model, example_inputs=args).merges[0]
    assert found.switch.reason.endswith("the model sets 'last' on itself")
    assert model.last is None
    assert float(model.calls) == 0


def test_the_written_module_can_be_read_copied_and_read_again():
    model, args, _ = modules.build("resnet")
    done = addcat.switch(model, {"layers.1.add": "concat"}, example_inputs=args).model
    names = list(door_for(done, example_inputs=args).read(done).nodes)
    again = copy.deepcopy(done)
    assert list(door_for(again, example_inputs=args).read(again).nodes) == names
    assert "layers.1.add_project" in names
