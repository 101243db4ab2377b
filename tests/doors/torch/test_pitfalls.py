"""What bit others, each a small module: sixteen pitfalls of reading and writing torch, and public reports.

Every module is read and inspected; where a merge can be switched, the switched module has the outputs and, for the
weights that stay, the gradients of the original.
"""

import copy
import threading
from functools import partial

import modules
import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812
from torch.nn.utils import prune

import addcat
from addcat.doors.base import door_for
from addcat.errors import RefusedError
from addcat.graph import Edge

CASES = {}


def case(found, *shapes):
    """A module after a public report, the merges that are to be found, and the shapes of its inputs."""

    def keep(cls):
        CASES[cls.__name__] = (cls, found, shapes)
        return cls

    return keep


class Net(nn.Module):
    """Linear layers and convolutions by name."""

    def __init__(self, **layers):
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)


def pointwise(inputs, outputs):
    return nn.Conv2d(inputs, outputs, 1)


@case("cat AC109", (2, 3, 8, 8))
class BranchChangesSkip(Net):
    """rosinality/vq-vae-2-pytorch#60: the branch's ReLU is in place, so the skip is relu(x)."""

    def __init__(self):
        branch = nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(4, 4, 3, padding=1))
        super().__init__(stem=pointwise(3, 4), branch=branch, head=pointwise(8, 2))

    def forward(self, x):
        x = self.stem(x)
        return self.head(torch.cat([x, self.branch(x)], 1))


@case("add concat, add#2 concat", (2, 3))
class ShortcutBeforeInPlace(Net):
    """pytorch/pytorch#15428, pytorch/vision#807: the shortcut is computed before the branch that writes in place."""

    def __init__(self):
        branch = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(4, 4))
        super().__init__(stem=nn.Linear(3, 4), short=nn.Linear(4, 4), branch=branch, head=nn.Linear(4, 2))

    def forward(self, x):
        x = self.stem(x)
        shortcut = self.short(x.clone())
        return self.head(self.branch(x) + shortcut + x)


@case("cat add", (2, 3, 8, 8))
class JoinedWithItself(Net):
    """VainF/Torch-Pruning#146."""

    def __init__(self):
        super().__init__(a=pointwise(3, 4), head=pointwise(8, 2))

    def forward(self, x):
        x = self.a(x)
        return self.head(torch.cat([x, x], dim=1))


@case("cat add", (2, 6))
class WideAndDeep(Net):
    """VainF/Torch-Pruning#481: branches of 3 and 1 channels, dim=-1."""

    def __init__(self):
        deep = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 1))
        super().__init__(deep=deep, wide=nn.Linear(6, 3), head=nn.Linear(4, 1))

    def forward(self, x):
        return torch.sigmoid(self.head(torch.concat([self.wide(x), self.deep(x)], dim=-1)))


@case("cat AC109", (1, 5, 8))
class Rotary(Net):
    """VainF/Torch-Pruning#532: the cat inside a rotary embedding joins halves of one tensor."""

    def __init__(self):
        super().__init__(query=nn.Linear(8, 8), head=nn.Linear(8, 2))

    def forward(self, x):
        q = self.query(x)
        turned = torch.cat((-q[..., 4:], q[..., :4]), dim=-1)
        return self.head(F.softmax(turned, -1))


@case("cat AC101", (2, 3), (2, 3))
class JoinedAlongTheBatch(Net):
    """pytorch/pytorch#132993: one layer over several inputs, joined along the batch."""

    def __init__(self):
        super().__init__(a=nn.Linear(3, 4), head=nn.Linear(4, 2))

    def forward(self, x, y):
        return self.head(torch.cat([self.a(v) for v in (x, y)], dim=0))


@case("cat#2 AC109", (2, 3, 8, 8))
class FromAnEmptyTensor(Net):
    """pytorch/pytorch#5332: a dense block that starts from a tensor of shape (0,)."""

    def __init__(self):
        super().__init__(a=pointwise(3, 4), head=pointwise(7, 2))

    def forward(self, x):
        features = x.new_empty(0)
        for value in (x, self.a(x)):
            features = torch.cat([features, value], 1)
        return self.head(features)


@case("cat AC109", (2, 3, 8, 8))
class ListGrows(Net):
    """nianticlabs/monodepth2#51: += on a list is no Add."""

    def __init__(self):
        super().__init__(down=nn.Conv2d(3, 4, 3, 2, 1), head=pointwise(7, 2))

    def forward(self, x):
        values = [F.interpolate(self.down(x), scale_factor=2, mode="nearest")]
        values += [x]
        return self.head(torch.cat(values, 1))


@case("add AC102", (2, 6, 3), (2, 5))
class Broadcasts(Net):
    """pytorch/pytorch#2973: (batch, 1, channels) + (batch, places, channels)."""

    def __init__(self):
        super().__init__(a=nn.Linear(3, 4), b=nn.Linear(5, 4), head=nn.Linear(4, 2))

    def forward(self, x, t):
        return self.head(self.a(x) + self.b(t)[:, None])


@case("add concat", (2, 3))
class Alpha(Net):
    """pytorch/executorch#11777: x + 0.5 y is a scaled Add."""

    def __init__(self):
        super().__init__(a=nn.Linear(3, 4), b=nn.Linear(3, 4), head=nn.Linear(4, 2))

    def forward(self, x):
        return self.head(torch.add(self.a(x), self.b(x), alpha=0.5))


@case("add concat, cat AC109", (2, 3))
class OneFloatFunctional(Net):
    """pytorch/vision#1948: one FloatFunctional, several merges."""

    def __init__(self):
        super().__init__(a=nn.Linear(3, 4), b=nn.Linear(4, 4), head=nn.Linear(8, 2))
        self.functional = torch.ao.nn.quantized.FloatFunctional()

    def forward(self, x):
        x = self.a(x)
        x = self.functional.add(x, self.b(x))
        return self.head(self.functional.cat([x, self.b(x)], 1))


@case("add concat", (2, 3, 8, 8))
class TwoConvolutions(Net):
    """junyanz/interactive-deep-colorization#55: conv(a) + conv(b) is one convolution of cat(a, b)."""

    def __init__(self):
        super().__init__(a=nn.Conv2d(3, 4, 3, padding=1), b=pointwise(3, 4), head=pointwise(4, 2))

    def forward(self, x):
        return self.head(self.a(x) + self.b(x))


class WithFlag(Net):
    def __init__(self):
        super().__init__(linear=nn.Linear(4, 4))

    def forward(self, x, skip):
        return x + self.linear(x) if skip else self.linear(x)


@case("block.add AC116", (2, 4))
class CalledWithAnotherFlag(Net):
    """pytorch/pytorch#137013: one submodule, two graphs."""

    def __init__(self):
        super().__init__(block=WithFlag(), head=nn.Linear(4, 2))

    def forward(self, x):
        return self.head(self.block(self.block(x, True), False))


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


@case("cat AC109", (2, 3, 7, 9))
class OddSizes(Net):
    """qubvel-org/segmentation_models.pytorch#57: sizes differ by one, and are cropped before the merge."""

    def __init__(self):
        super().__init__(down=nn.Conv2d(3, 4, 3, 2, 1), up=nn.ConvTranspose2d(4, 4, 2, 2), head=pointwise(7, 2))

    def forward(self, x):
        y = self.up(self.down(x))
        return self.head(torch.cat([x, y[..., : x.shape[2], : x.shape[3]]], 1))


@case("add#2 concat", (2, 5, 3))
class TokenAndPosition(Net):
    """Positions, class token and bias are no merges."""

    def __init__(self):
        super().__init__(embed=nn.Linear(3, 4), f=nn.Linear(4, 4), head=nn.Linear(4, 2))
        self.token, self.position = nn.Parameter(torch.randn(1, 1, 4)), nn.Parameter(torch.randn(1, 6, 4))

    def forward(self, x):
        x = self.embed(x)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.position
        x = x + self.f(x)
        return self.head(x[:, 0] + 1.0)


@case("sum concat, add#2 concat, add#3 concat, add#4 concat", (2, 3))
class StackAndSum(Net):
    """A stack that is summed, and Python's sum."""

    def __init__(self):
        super().__init__(
            layers=nn.ModuleList(nn.Linear(3, 4) for _ in range(3)), head=nn.Linear(4, 2), last=nn.Linear(2, 2)
        )

    def forward(self, x):
        one = torch.stack([layer(x) for layer in self.layers]).sum(0)
        two = sum(layer(x) for layer in self.layers)
        return self.last(self.head(one) + self.head(two))


@case("add AC116", (2, 3))
class SliceGrows(Net):
    """Pitfall 1: a view written in place, as adapters and ControlNets do."""

    def __init__(self):
        super().__init__(a=nn.Linear(3, 6), b=nn.Linear(3, 3), head=nn.Linear(6, 2))

    def forward(self, x):
        y = self.a(x)
        y[:, :3] += self.b(x)
        return self.head(y)


@case("add concat", (4, 3))
class DropoutBehindATransposedAdd(Net):
    """Pitfall 7, pytorch/pytorch#103681: dropout draws in the order of memory."""

    def __init__(self):
        super().__init__(a=nn.Linear(3, 4), b=nn.Linear(3, 4), drop=nn.Dropout(0.5), head=nn.Linear(4, 2))

    def forward(self, x):
        return self.head(self.drop(self.a(x) + self.b(x)))


def made(cls, shapes):
    torch.manual_seed(0)
    return cls().eval(), tuple(torch.randn(shape) for shape in shapes)


@pytest.mark.parametrize("name", CASES)
def test_public_reports(name):
    cls, found, shapes = CASES[name]
    model, args = made(cls, shapes)
    inspected = addcat.inspect(model, example_inputs=args)
    listed = {merge.site: merge for merge in inspected.merges if merge.merge.op not in ("multiply", "stack")}
    wanted = dict(entry.split(" ", 1) for entry in found.split(", "))
    assert list(listed) == list(wanted)
    for site, way in wanted.items():
        to = "concat" if listed[site].merge.adds else "add"
        if way.startswith("AC"):
            assert listed[site].switch.code == way
            with pytest.raises(RefusedError, match=way):
                addcat.switch(model, {site: to}, example_inputs=args)
            continue
        assert way == to
        done = addcat.switch(model, {site: to}, example_inputs=args)
        torch.testing.assert_close(done.model(*args), model(*args))
        same_gradients(model, done.model, args)


@pytest.mark.parametrize(
    ("name", "site", "read"),
    [
        # what is concatenated, or added, is what the in-place ReLU has left
        ("BranchChangesSkip", "cat", ["branch.0", "branch.1"]),
        ("ShortcutBeforeInPlace", "add", ["branch.1", "short"]),
        ("ShortcutBeforeInPlace", "add#2", ["add", "branch.0"]),
        ("JoinedWithItself", "cat", ["a", "a"]),
        ("WideAndDeep", "cat", ["wide", "deep.3"]),
        # the empty tensor is no branch: its Concatenate passes on what it joins it with
        ("FromAnEmptyTensor", "cat#2", ["cat", "a"]),
        ("ListGrows", "cat", ["interpolate", "x"]),
        ("OneFloatFunctional", "add", ["a", "b"]),
        ("StackAndSum", "sum", ["layers.0", "layers.1", "layers.2"]),
    ],
)
def test_what_a_merge_reads_in_public_reports(name, site, read):
    cls, _, shapes = CASES[name]
    model, args = made(cls, shapes)
    graph = door_for(model, example_inputs=args).read(model)
    assert [edge.node for edge in graph.nodes[site].inputs] == read


def test_a_concatenate_with_an_empty_tensor_is_the_other_tensor():
    cls, _, shapes = CASES["FromAnEmptyTensor"]
    model, args = made(cls, shapes)
    node = door_for(model, example_inputs=args).read(model).nodes["cat"]
    assert (node.op, node.inputs, node.shape) == ("identity", (Edge("x"),), (None, 3, 8, 8))


def same_gradients(model, other, args):
    """Weights whose shape is as before have the gradients that they had."""
    grads = []
    for one in (model, other):
        one.zero_grad()
        one(*args).square().sum().backward()
        grads.append({name: p.grad for name, p in one.named_parameters() if p.grad is not None})
    weights = dict(model.named_parameters()), dict(other.named_parameters())
    for name, grad in grads[0].items():
        if name in grads[1] and torch.equal(weights[0][name], weights[1][name]):
            torch.testing.assert_close(grads[1][name], grad, rtol=1e-4, atol=1e-5)


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
            z = y
            z += self.b(x)
            return self.head(y)

    model, args = made(Old, [(2, 3)])
    with pytest.raises(addcat.ModelError) as error:
        addcat.switch(model, {"add": "concat"}, example_inputs=args)
    assert "adds in place ('add'), and reads the tensor under another name" in str(error.value)


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
