"""`optimize` on PyTorch modules that stay modules: rewritten in their own code, verified, timed in torch itself."""

import copy
import io
import json

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812
from torch.nn.utils import parametrizations

import addcat
from addcat.doors.torch import Example, TorchDoor
from addcat.doors.torch import timer as timing
from addcat.doors.torch.eager import ModuleBench
from addcat.doors.torch.timer import TorchTimer
from addcat.errors import ModelError, OptionError, RefusedError


class Block(nn.Module):
    """A residual block; its second batch norm comes right before the Add."""

    def __init__(self, channels):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
        self.conv2, self.norm2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)

    def forward(self, x):
        y = F.relu_(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        y += x
        return F.relu_(y)


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace=True))
        self.layers, self.head = nn.Sequential(Block(8), Block(8)), nn.Linear(8, 2)

    def forward(self, x):
        return self.head(self.layers(self.stem(x)).mean((2, 3)))


class UNet(nn.Module):
    """A convolution reads the upsampled features and the skip, joined; a transposed one joins, too."""

    def __init__(self):
        super().__init__()
        self.down, self.deep = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 6, 3, stride=2, padding=1)
        self.up, self.norm = nn.ConvTranspose2d(6, 6, 2, 2), nn.BatchNorm2d(6)
        self.mix, self.head = nn.Conv2d(10, 4, 3, padding=1), nn.ConvTranspose2d(8, 2, 3, padding=1)

    def forward(self, x):
        skip = F.relu(self.down(x))
        deep = F.relu(self.deep(skip))
        joined = torch.cat([self.norm(self.up(deep)), skip], 1)
        return self.head(torch.cat([F.relu(self.mix(joined)), skip], dim=1))


class Dense(nn.Module):
    """A dense block: every layer reads all before it, through a batch norm of its own, and a transition."""

    class Layer(nn.Module):
        def __init__(self, inputs):
            super().__init__()
            self.norm, self.conv = nn.BatchNorm2d(inputs), nn.Conv2d(inputs, 4, 1, bias=False)
            self.grow = nn.Conv2d(4, 4, 3, padding=1)

        def forward(self, features):
            return self.grow(F.relu(self.conv(self.norm(torch.cat(features, 1)))))

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 1)
        self.layers = nn.ModuleList(self.Layer(4 * (i + 1)) for i in range(3))
        self.norm, self.pool = nn.BatchNorm2d(16), nn.Conv2d(16, 8, 1)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        features = [self.stem(x)]
        for layer in self.layers:
            features.append(layer(features))
        return self.head(self.pool(self.norm(torch.cat(features, 1))).mean((2, 3)))


class Signals(nn.Module):
    """Two batch norms in a row behind a nonlinear layer, and linear layers that read two towers."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(5, 4), nn.Linear(5, 3)
        self.first, self.second, self.head = nn.BatchNorm1d(7), nn.BatchNorm1d(7), nn.Linear(7, 2)

    def forward(self, x):
        joined = torch.cat([torch.tanh(self.a(x)), torch.sigmoid(self.b(x))], -1)
        found = torch.tanh(self.second(self.first(joined)))
        return self.head(found), joined


NETWORKS = {"resnet": ResNet, "unet": UNet, "dense": Dense, "signals": Signals}
SIZES = {"signals": (3, 5)}


def trained(cls, sizes=(2, 3, 8, 8)):
    """A network in eval mode whose batch norms have statistics and weights of their own."""
    torch.manual_seed(0)
    model = cls()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    for _ in range(3):
        model(torch.randn(sizes) * 2 + 1)
    return model.eval(), torch.randn(sizes)


def flat(out):
    return list(out) if isinstance(out, tuple) else [out]


def optimized(model, x, **options):
    options = {"goal": "parameters", "runtime": "torch", "measure": False, **options}
    return addcat.optimize(model, example_inputs=(x,), **options)


def rewritten(model, x, *rules):
    """The module with these rules applied wherever they can be, one after the other, whatever they cost."""
    from addcat.rules import IN_A_MODULE, Proposal
    from addcat.verbs.optimize.rewrites import writable

    bench = TorchDoor(Example((x,), {})).bench_of(model, runtime="torch")
    graph, done = bench.graph, []
    for rule in writable([rule for rule in IN_A_MODULE if rule.name in rules], bench):
        while found := [one for one in rule.find(graph) if isinstance(one, Proposal)]:
            graph = rule.apply(graph, found[0])
            done.append(f"{rule.name} {found[0].site}")
    return bench.write(graph), done


FOLDED = {
    "resnet": ["stem.1", *(f"layers.{i}.norm{n}" for i in range(2) for n in (1, 2))],
    "unet": ["norm"],
    "dense": ["layers.0.norm", "layers.1.norm", "layers.2.norm", "norm"],
    "signals": ["second"],
}


def same(one, other, x):
    """In float32, and in float64 up to the rounding of weights that were folded in float32."""
    for a, b in zip(flat(one(x)), flat(other(x)), strict=True):
        torch.testing.assert_close(b, a, rtol=1e-4, atol=1e-5)
    wide = copy.deepcopy(one).double(), copy.deepcopy(other).double()
    for a, b in zip(*(flat(model(x.double())) for model in wide), strict=True):
        torch.testing.assert_close(b, a, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", NETWORKS)
def test_batch_norms_are_folded_and_the_module_stays_the_users_own(name):
    model, x = trained(NETWORKS[name], SIZES.get(name, (2, 3, 8, 8)))
    before, held = copy.deepcopy(model.state_dict()), dict(model.__dict__)
    found = optimized(model, x)
    new = found.model
    assert [rewrite.site for rewrite in found.record.rewrites] == FOLDED[name]
    assert type(new) is type(model)
    for path in FOLDED[name]:
        assert isinstance(new.get_submodule("first" if path == "second" else path), nn.Identity)
    same(model, new, torch.randn(5, *x.shape[1:]))
    assert new is not model
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert held == dict(model.__dict__)
    assert not any(module.training for module in (*model.modules(), *new.modules()))
    assert found.record.after.parameters < found.record.before.parameters
    assert found.record.verification.reference is not None
    assert found.record.verification.precision == "float32"


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("unet", ["split mix", "split head"]),
        ("dense", [f"split {path}" for path in ("layers.0.conv", "layers.1.conv", "layers.2.conv", "pool")]),
    ],
)
def test_readers_of_a_concatenate_are_split_in_the_modules_own_code(name, wanted):
    model, x = trained(NETWORKS[name])
    new, done = rewritten(model, x, "affine-after", "affine-before", "split")
    splits = [one for one in done if one.startswith("split")]
    if name == "dense":
        wanted = wanted[1:]  # the first layer joins one tensor, which is none
    assert splits == wanted
    for one in splits:
        owner, _, child = one.removeprefix("split ").rpartition(".")
        assert isinstance(new.get_submodule(owner), type(model.get_submodule(owner)))
        assert isinstance(new.get_submodule(owner).get_submodule(child), nn.Identity)
        assert type(new.get_submodule(owner).get_submodule(f"{child}_part1")) is type(
            model.get_submodule(owner).get_submodule(child)
        )
    same(model, new, torch.randn(3, 3, 8, 8))
    same(model, new, torch.randn(1, 3, 12, 16))
    codes = [code for module in new.modules() for code in module.__dict__.get("_addcat_codes", ())]
    called = {getattr(node.target, "__name__", "") for code in codes for node in code.frame.graph.nodes}
    assert codes
    assert "cat" not in called  # what nobody reads is not made


def test_a_row_of_batch_norms_becomes_one():
    model, x = trained(Signals, (3, 5))
    new, done = rewritten(model, x, "affine-chain")
    assert done == ["affine-chain second"]
    assert isinstance(new.first, nn.Identity)
    assert isinstance(new.second, nn.BatchNorm1d)
    assert new.second.eps == 0.0
    same(model, new, torch.randn(6, 5))


def test_a_gain_that_is_slower_is_not_kept(monkeypatch):
    model, x = trained(ResNet)
    monkeypatch.setattr(timing, "interleave", lambda *_, **__: timing.Ratio(1.2, 1.1, 1.3, 8, 1.0, 1.2))
    found = optimized(model, x, goal="latency", measure=True, cache=False)
    assert found.model is model
    assert found.record.rewrites == ()
    assert {step.outcome for step in found.record.steps} == {"refused"}


def test_a_gain_that_is_measured_is_kept_and_said_for_the_other_runtime(monkeypatch):
    model, x = trained(ResNet)
    seen = []

    def ratio(self, old, new, runtime, **_):
        seen.append(runtime)
        if runtime == "torch.compile":
            raise ModelError("It does not run under torch.compile: no compiler.")
        return timing.Ratio(0.8, 0.7, 0.9, 8, 1.0, 0.8)

    monkeypatch.setattr(TorchTimer, "_ratio", ratio)
    found = optimized(model, x, goal="latency", measure=True, cache=False)
    assert found.record.runtime == "torch"
    assert found.record.ratio.estimate == 0.8
    assert [rewrite.site for rewrite in found.record.rewrites] == FOLDED["resnet"]
    assert set(seen) == {"torch", "torch.compile"}
    assert list(found.record.notes) == [
        "Nothing was timed under torch.compile. It does not run under torch.compile: no compiler.",
        "ResNet stays a module: a copy in eval mode, with the same classes, is what comes out.",
    ]
    assert "It takes 0.800 of the time (0.700 to 0.900) in torch on 1 thread" in str(found).replace("\n", " ")


def test_modules_are_timed_against_each_other():
    model, x = trained(ResNet)
    bench = TorchDoor(Example((x,), {})).bench_of(model, runtime="torch")
    assert isinstance(bench, ModuleBench)
    twice = nn.Sequential(model, nn.Flatten(), nn.Linear(2, 2))
    twice.forward = lambda value: (model(value), model(value))
    found = bench.timing.compare_whole(model, twice, limit=1.0)
    assert 1.3 < found.estimate < 3.0
    assert bench.timing.signature(bench.graph, bench.graph)[0] == bench.timing.signature(bench.graph, bench.graph)[1]
    threads = torch.get_num_threads()
    bench.runner(model)(bench.feeds(0))
    assert torch.get_num_threads() == threads


def test_a_record_makes_the_module_again(tmp_path):
    model, x = trained(Dense)
    found = optimized(model, x)
    path = tmp_path / "record.json"
    path.write_text(json.dumps(found.record.to_dict()), encoding="utf-8")
    buffer = io.BytesIO()
    torch.save(found.model.state_dict(), buffer)
    buffer.seek(0)
    again = addcat.apply(Dense().eval(), path, example_inputs=(x,))  # batch norms that shift by nothing yet
    again.load_state_dict(torch.load(buffer, weights_only=True), strict=True)
    assert torch.equal(again(x), found.model(x))
    other = addcat.apply(model, found.record, example_inputs=(x,))
    assert torch.equal(other(x), found.model(x))
    with pytest.raises(RefusedError) as caught:
        addcat.apply(trained(ResNet)[0], found.record, example_inputs=(x,))
    assert str(caught.value) == (
        "affine-before does not apply at 'layers.0.norm': the model has no such node. Pass a model of the architecture "
        "that was optimised."
    )


def test_training_mode_is_refused_by_name():
    model, x = trained(ResNet)
    model.layers[1].train()
    with pytest.raises(ModelError) as caught:
        optimized(model, x)
    assert str(caught.value) == (
        "ResNet cannot be optimised as a module while its 'layers.1' is in training mode, where a batch norm goes by "
        "the batch and can be folded into nothing. Call model.eval() before; or take the runtime 'onnxruntime', for "
        "which it is exported at inference."
    )


def test_hooks_and_parametrizations_are_left_and_said():
    model, x = trained(ResNet)
    model.layers[0].norm1.register_forward_hook(lambda *_: None)
    parametrizations.weight_norm(model.layers[1].conv2)
    model.eval()  # the parametrization came in training mode
    found = optimized(model, x)
    assert [rewrite.site for rewrite in found.record.rewrites] == ["stem.1", "layers.0.norm2", "layers.1.norm1"]
    (refusal,) = [one for one in found.record.refusals if one.site == "layers.0.norm1" and one.code == "AC307"]
    assert refusal.reason == "BatchNorm2d 'layers.0.norm1' has hooks, which would see other numbers"
    assert found.record.notes[-1] == (
        "ParametrizedConv2d 'layers.1.conv2' computes its 'weight' anew at each call (a parametrization), so nothing "
        "is folded into it."
    )
    same(model, found.model, torch.randn(3, 3, 8, 8))


class Apart(nn.Module):
    """The Concatenate stands in other code than its reader."""

    def __init__(self):
        super().__init__()
        self.a, self.body = nn.Conv2d(3, 4, 1), nn.Sequential(nn.Conv2d(7, 2, 3, padding=1), nn.ReLU())

    def forward(self, x):
        return self.body(torch.cat([self.a(x), x], 1))


def test_what_is_out_of_reach_of_the_code_is_refused_by_name():
    model, x = trained(Apart)
    found = optimized(model, x, goal="memory")
    assert found.model is model
    (refusal,) = [one for one in found.record.refusals if one.code == "AC301"]
    assert refusal.reason == (
        "'body.0' would read 'a', which is out of reach of the code of 'body'. Change one merge at a time"
    )


def test_sizes_and_inputs_that_are_given_are_those_of_the_run():
    model, x = trained(ResNet)
    door = TorchDoor(Example((x,), {}))
    bench = door.bench_of(model, runtime="torch", shapes=((4, 3, 10, 6),))
    assert bench.shapes == {"x": (4, 3, 10, 6)}
    assert [bench.feeds(seed)["x"].shape for seed in (0, 1)] == [(4, 3, 10, 6), (8, 3, 10, 6)]
    given = torch.randn(1, 3, 9, 9).numpy()
    bench = door.bench_of(model, runtime="torch", inputs={"x": given})
    assert bench.feeds(3)["x"] is given
    with pytest.raises(OptionError, match=r"^The model has no input 'y'\."):
        door.bench_of(model, runtime="torch", shapes={"y": (1, 3, 8, 8)})


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of torch's compiler about the machine
def test_it_can_be_optimised_for_the_compiler():
    model, x = trained(ResNet)
    found = optimized(model, x, runtime="torch.compile")
    assert [rewrite.site for rewrite in found.record.rewrites] == FOLDED["resnet"]
    same(model, found.model, torch.randn(3, 3, 8, 8))
    bench = TorchDoor(Example((x,), {})).bench_of(model, runtime="torch")
    (words,) = bench.timing.elsewhere(model, found.model)
    assert words.startswith("Under torch.compile it takes ")
