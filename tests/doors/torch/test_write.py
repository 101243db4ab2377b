"""Modules whose own code is written anew: they compute, train, save and copy as the user's own did."""

import copy
import io
import pickle

import modules
import pytest
import torch
from modules import NETWORKS, build
from token_modules import Encoder
from torch import nn
from torch.utils import _pytree as pytree

import addcat
from addcat.doors.torch import Example, TorchDoor
from addcat.doors.torch.calls import Owner
from addcat.doors.torch.edits import Round
from addcat.doors.torch.record import record
from addcat.doors.torch.rewritten import base_of, rewrite
from addcat.doors.torch.write import redraw, write


def shallow():
    """A Transformer of one layer: what two take is no other code, and the second takes as long as the first."""
    torch.manual_seed(0)
    return Encoder(depth=1).eval(), (torch.randn(2, 5, 8),), {}


def written(name):
    """A network, and a copy in which the code of every module that is no leaf was written anew, unchanged."""
    model, args, kwargs = shallow() if name == "shallow_transformer" else build(name)
    recording = record(model, Example(args, kwargs))
    made = copy.deepcopy(model)
    for path, owner in recording.owners.items():
        assert isinstance(owner, Owner)
        if not owner.problems:
            rewrite(made.get_submodule(path), Round(()))
    return model, made, (args, kwargs)


def outputs(model, call):
    args, kwargs = call
    return pytree.tree_leaves(model(*args, **kwargs))


def gradients(model, call):
    model.zero_grad()
    sum(out.square().sum() for out in outputs(model, call)).backward()
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def assert_equal(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        torch.testing.assert_close(other[name], value, rtol=0, atol=0, msg=name)


DEEP = {"transformer_encoder"}
"""Networks whose code takes long to write, of which a smaller one is written always."""


@pytest.fixture(
    scope="module",
    params=[
        *(pytest.param(name, marks=[pytest.mark.slow] * (name in DEEP)) for name in NETWORKS),
        "shallow_transformer",
    ],
)
def once(request):
    return written(request.param)


@pytest.fixture
def rewritten(once):
    """One for all that is asked of a network: its code is written when it first runs, which takes the most."""
    model, made, call = once
    return model.eval(), made.eval(), call


def test_written_code_takes_other_batches(rewritten):
    model, made, call = rewritten
    larger = pytree.tree_map(lambda value: torch.cat([value, value.flip(0), value]), call)
    outputs(made, call)
    codes = [len(module.__dict__.get("_addcat_codes", ())) for module in made.modules()]
    for before, after in zip(outputs(model, larger), outputs(made, larger), strict=True):
        assert torch.equal(before, after)
    assert [
        len(module.__dict__.get("_addcat_codes", ())) for module in made.modules()
    ] == codes  # no code but the first


def test_written_code_computes_and_trains_the_same(rewritten):
    model, made, call = rewritten
    assert any(base_of(module)[1] for module in made.modules())
    for before, after in zip(outputs(model, call), outputs(made, call), strict=True):
        assert torch.equal(before, after)
    assert_equal(gradients(model, call), gradients(made, call))
    model.train()
    made.train()
    for both in (model, made):
        torch.manual_seed(3)
        both.grad = gradients(both, call)
    assert_equal(model.grad, made.grad)
    assert_equal(dict(model.named_buffers()), dict(made.named_buffers()))
    assert list(model.state_dict()) == list(made.state_dict())


@pytest.mark.parametrize("sizes", [(1, 3, 24, 24), (2, 3, 18, 22), (2, 3, 17, 30)])
def test_written_code_takes_other_images(sizes):
    model, made, _ = written("unet")
    x = modules.image(*sizes)
    assert torch.equal(model(x), made(x))


def switched(name, site, rung="concat"):
    model, args, kwargs = build(name)
    return model, addcat.switch(model, {site: rung}, example_inputs=args or kwargs).model, (args, kwargs)


SWITCHES = [("resnet", "layers.1.add"), ("preact_resnet", "1.add"), ("stochastic_depth", "add#2"), ("mixer", "add")]


@pytest.mark.parametrize(("name", "site"), SWITCHES)
def test_a_switched_module_is_the_users_own(name, site):
    model, made, call = switched(name, site)
    owner = site.rpartition(".")[0]
    assert isinstance(made, type(model))
    assert isinstance(made.get_submodule(owner), type(model.get_submodule(owner)))
    assert type(made.get_submodule(owner)).__name__ == type(model.get_submodule(owner)).__name__
    names = {path for path, _ in model.named_modules()}
    assert names < {path for path, _ in made.named_modules()}
    assert set(dict(model.named_parameters())) <= set(dict(made.named_parameters()))
    assert [type(m) for m in made.modules() if type(m).__module__.startswith("addcat.modules")]
    before = {key: value.clone() for key, value in model.state_dict().items()}
    made.train()
    for out in outputs(made, call):
        out.sum().backward()
    assert_equal(before, model.state_dict())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_users_checkpoint_is_loaded_strictly_where_nothing_changed():
    _, made, call = switched("resnet", "layers.0.add")
    other, _, _ = build("resnet", seed=1)
    own = {key: value for key, value in made.state_dict().items() if "project" in key}
    made.load_state_dict({**other.state_dict(), **own}, strict=True)
    for before, after in zip(outputs(other, call), outputs(made, call), strict=True):
        torch.testing.assert_close(after, before)
    assert list(own) == ["layers.0.add_project.weight"]


@pytest.mark.parametrize(("name", "site"), SWITCHES)
def test_it_can_be_saved_whole_pickled_and_copied(name, site):
    _, made, call = switched(name, site)
    want = outputs(made, call)
    buffer = io.BytesIO()
    torch.save(made, buffer)
    buffer.seek(0)
    # our own file: a whole module is pickled Python
    copies = [torch.load(buffer, weights_only=False), pickle.loads(pickle.dumps(made)), copy.deepcopy(made)]  # noqa: S301
    for other in copies:
        assert all(torch.equal(a, b) for a, b in zip(outputs(other, call), want, strict=True))
        other.train()
        sum(out.sum() for out in outputs(other, call)).backward()
        assert all(parameter.grad is None for parameter in made.parameters())


def test_train_and_eval_reach_everything():
    _, made, (args, _) = switched("stochastic_depth", "add#2")
    one, two = made(*args), made(*args)
    assert torch.equal(one, two)
    made.train()
    assert not torch.equal(made(*args), made(*args))
    assert made.drop.training
    made.eval()
    assert torch.equal(made(*args), one)


@pytest.mark.parametrize(("name", "site"), SWITCHES)
def test_types_and_autocast(name, site):
    model, made, (args, kwargs) = switched(name, site)
    double = pytree.tree_map(lambda value: value.double(), (args, kwargs))
    one, two = copy.deepcopy(model).double(), copy.deepcopy(made).double()
    for before, after in zip(outputs(one, double), outputs(two, double), strict=True):
        assert after.dtype == torch.float64
        torch.testing.assert_close(after, before)
    with torch.autocast("cpu", torch.bfloat16):
        for before, after in zip(outputs(model, (args, kwargs)), outputs(made, (args, kwargs)), strict=True):
            assert after.dtype == before.dtype
            torch.testing.assert_close(after, before, rtol=0.1, atol=0.1)


def test_half_precision_weights_are_read_and_written():
    model, args, _ = build("towers_added")
    model, args = model.bfloat16(), tuple(value.bfloat16() for value in args)
    made = addcat.switch(model, {"add": "concat"}, example_inputs=args).model
    assert {parameter.dtype for parameter in made.parameters()} == {torch.bfloat16}
    torch.testing.assert_close(made(*args), model(*args), rtol=0.05, atol=0.05)


def test_the_device_is_kept_and_moves():
    _, made, (args, _) = switched("fixed_shapes_added", "add")
    out = made.to("meta")(*(value.to("meta") for value in args))
    assert out.device.type == "meta"


def test_replicas_run_as_data_parallel_makes_them():
    _, made, (args, _) = switched("resnet", "layers.1.add")
    replica = made._replicate_for_data_parallel()
    assert torch.equal(replica(*args), made(*args))


def test_hooks_of_modules_that_stay_run():
    model, args, _ = build("resnet")
    seen = []
    model.layers[1].register_forward_hook(lambda *_: seen.append("block"))
    model.layers[1].conv1.register_forward_hook(lambda *_: seen.append("leaf"))
    made = addcat.switch(model, {"layers.1.add": "concat"}, example_inputs=args).model
    seen.clear()
    made(*args)
    assert seen == ["leaf", "block"]


def test_functional_call_and_frozen_weights():
    model, args, _ = build("resnet")
    model.stem.requires_grad_(False)
    model.layers[2].conv1.weight.requires_grad_(False)
    made = addcat.switch(model, {"layers.1.add": "concat"}, example_inputs=args).model
    frozen = {name for name, parameter in made.named_parameters() if not parameter.requires_grad}
    assert frozen == {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    out = torch.func.functional_call(made, dict(made.named_parameters()), args)
    assert torch.equal(out, made(*args))


def test_fresh_weights_depend_on_the_seed_and_the_path_alone():
    model, args, _ = build("preact_resnet")
    door = TorchDoor(Example.of(args))
    graph = door.read(model)
    torch.manual_seed(11)
    one, two, other = (write(graph, weights=False, seed=seed) for seed in (1, 1, 2))
    assert_equal(one.state_dict(), two.state_dict())
    assert not torch.equal(one[0].weight, other[0].weight)
    assert not torch.equal(one[0].weight, model[0].weight)
    arm = addcat.switch(model, {"1.add": "concat"}, fresh=True, seed=1, example_inputs=args).model
    assert torch.equal(arm[0].weight, one[0].weight)
    assert torch.equal(arm[1].conv.weight, one[1].conv.weight)
    assert arm[3].weight.shape == (8, 12, 3, 3)


def test_frozen_weights_are_not_drawn_anew():
    """A pretrained backbone stays what it is, its statistics too: no training would bring it back."""
    model, args, _ = build("preact_resnet")
    for parameter in model[1].parameters():
        parameter.requires_grad_(False)

    def zeros():
        made, _, _ = build("preact_resnet")
        for parameter in made.parameters():
            nn.init.zeros_(parameter)
        return made

    graph = TorchDoor(Example.of(args)).read(model)
    for factory in (None, zeros):
        made = write(graph, weights=False, seed=1, factory=factory)
        assert_equal(made[1].state_dict(), model[1].state_dict())
        assert not torch.equal(made[0].weight, model[0].weight)
    assert not any(parameter.requires_grad for parameter in made[1].parameters())


def test_what_a_constructor_draws_comes_from_the_factory():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.head = nn.Linear(3, 4), nn.Linear(3, 4), nn.Linear(4, 2)
            nn.init.constant_(self.a.weight, 7.0)
            self.gain = nn.Parameter(torch.randn(4))

        def forward(self, x):
            return self.head((self.a(x) + self.b(x)) * self.gain)

    model = Scaled()
    graph = TorchDoor(Example.of((torch.zeros(2, 3),)), factory=Scaled).read(model)
    plain, made = (write(graph, weights=False, seed=1, factory=factory) for factory in (None, Scaled))
    assert not (plain.a.weight == 7).any()
    assert (made.a.weight == 7).all()
    assert torch.equal(made.gain, write(graph, weights=False, seed=1, factory=Scaled).gain)
    assert not torch.equal(made.gain, model.gain)
    before = model.gain.clone()
    redraw(copy.deepcopy(model), 0, Scaled)
    assert torch.equal(model.gain, before)


def test_an_optimiser_made_before_a_switch_does_not_train_the_new_module():
    model, made, (args, _) = switched("preact_resnet", "1.add")
    stale = torch.optim.SGD(model.parameters(), 0.1)
    before = {name: value.clone() for name, value in made.named_parameters()}
    made(*args).sum().backward()
    stale.step()
    assert_equal(before, dict(made.named_parameters()))
    torch.optim.SGD(made.parameters(), 0.1).step()
    assert not torch.equal(before["0.weight"], made[0].weight)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "site"), SWITCHES)
@pytest.mark.filterwarnings("ignore")  # of torch's compiler about the machine
def test_it_compiles_with_its_backward_pass(name, site):
    _, made, call = switched(name, site)
    made.train()
    for module in made.modules():
        if isinstance(module, nn.Dropout | modules.DropPath):
            module.eval()
    want = gradients(copy.deepcopy(made), call)
    compiled = torch.compile(copy.deepcopy(made))
    for key, value in gradients(compiled, call).items():
        torch.testing.assert_close(value, want[key.removeprefix("_orig_mod.")], rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of torch's exporter about its own operators
@pytest.mark.parametrize(("name", "site"), SWITCHES)
def test_it_is_exported_to_onnx(name, site, tmp_path):
    import numpy as np
    import onnxruntime

    _, made, (args, _) = switched(name, site)
    batch = torch.export.Dim("batch")
    shapes = tuple({0: batch} for _ in args)
    path = tmp_path / "made.onnx"
    torch.onnx.export(made, args, path, dynamo=True, dynamic_shapes=shapes, verbose=False)
    session = onnxruntime.InferenceSession(path)
    larger = [torch.cat([value, value]) for value in args]
    feed = {put.name: value.numpy() for put, value in zip(session.get_inputs(), larger, strict=True)}
    np.testing.assert_allclose(session.run(None, feed)[0], made(*larger).detach().numpy(), rtol=1e-4, atol=1e-5)


class Towers(nn.Module):
    """Two inputs through one tower, concatenated."""

    def __init__(self):
        super().__init__()
        self.tower, self.head = nn.Linear(3, 4), nn.Linear(8, 2)

    def forward(self, left, right):
        return self.head(torch.cat((self.tower(left), self.tower(right)), dim=-1))


def test_a_merge_reads_its_branches_in_another_order():
    model, left, right = Towers(), torch.randn(5, 3), torch.randn(5, 3)
    graph = TorchDoor(Example((left, right), {})).read(model)
    node = graph.nodes["cat"]
    made = write(graph.edit(put=[node.edit(inputs=node.inputs[::-1])]))
    torch.testing.assert_close(made(left, right), model(right, left))
    torch.testing.assert_close(made(right, left), model(left, right))


@pytest.mark.parametrize("rung", ["concat", "low_rank:2"])
def test_new_layers_leave_the_callers_generator_as_it_is(rung):
    model, call = nn.Sequential(nn.Linear(4, 4), Residual()), (torch.randn(5, 4),)
    before = torch.get_rng_state()
    assert addcat.switch(model, {"1.add": rung}, example_inputs=call).record.steps[0].exact
    assert torch.equal(torch.get_rng_state(), before)


class Residual(nn.Module):
    """Read by a ReLU, so that a Concatenate needs a projection."""

    def __init__(self):
        super().__init__()
        self.block = nn.Linear(4, 4)

    def forward(self, x):
        return torch.relu(x + self.block(x))


class Photograph(nn.Module):
    """A padded convolution, batch norm, a layer normalised by its own parameter, and a residual merge."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU())
        self.shift = nn.Parameter(torch.randn(4, 1, 1))
        self.block = nn.Conv2d(4, 4, 3, padding=1)
        self.weight = nn.Parameter(torch.randn(3, 4))

    def forward(self, x):
        x = self.stem(x) + self.shift
        x = torch.relu(x + self.block(x))
        return nn.functional.linear(x.mean((2, 3)), self.weight)


def test_layers_of_another_copy_are_taken_over_with_all_that_they_hold():
    x = torch.randn(5, 1, 6, 6)
    trained, fresh = Photograph(), Photograph()
    trained(x)  # batch-norm statistics
    door = TorchDoor(Example((x,), {}))
    source, target = door.read(trained.eval()), door.read(fresh.eval())
    with_values = [node for node in source.nodes.values() if node.weights]
    made = write(target.edit(put=with_values))
    assert_equal(trained.state_dict(), made.state_dict())
    assert torch.equal(made(x), trained(x))
    stem = write(target.edit(put=[node for node in with_values if node.name.startswith("stem")])).state_dict()
    for name, value in stem.items():
        assert torch.equal(value, (trained if name.startswith("stem") else fresh).state_dict()[name])
