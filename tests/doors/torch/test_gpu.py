"""On a GPU a module stays where it lies, computes and trains there what it does on the CPU, and leaves room for others.

Arms are trained on the device that was asked for, the caller's own module is not moved, and nothing starts CUDA for a
module that lies on the CPU. Comparisons of numbers are made in full precision: by default torch convolves in TF32.
"""

import copy
import os
import subprocess
import sys

import modules
import numpy as np
import pytest
import torch
from modules import NETWORKS, build
from torch import nn
from torch.utils import _pytree as pytree
from torch.utils.data import DataLoader, TensorDataset
from torch_tasks import CROSS_ENTROPY, HOW, adam, network, pairs_of, task, towers, trainer

import addcat
from addcat.data.examples import Examples
from addcat.doors.recipe import Plan, Recipe
from addcat.doors.torch import Example, TorchDoor
from addcat.doors.torch.devices import full_precision
from addcat.doors.torch.losses import resolve
from addcat.doors.torch.stream import of_arrays, of_loader
from addcat.doors.torch.training import TorchTrainer, Training

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU here"),
]
GPU = torch.device("cuda")


def moved(value):
    return pytree.tree_map(lambda leaf: leaf.to(GPU) if isinstance(leaf, torch.Tensor) else leaf, value)


def on_gpu(name, dtype=torch.float32):
    """A network of the table on the GPU, and what it is called with there."""
    model, args, kwargs = build(name)

    def real(leaf):
        return leaf.to(dtype) if isinstance(leaf, torch.Tensor) and leaf.is_floating_point() else leaf

    return model.to(GPU, dtype), *(moved(pytree.tree_map(real, given)) for given in (args, kwargs))


def devices(model):
    return {tensor.device.type for tensor in (*model.parameters(), *model.buffers())}


def outputs(model, args, kwargs):
    with full_precision():
        return pytree.tree_leaves(model(*args, **kwargs))


def assert_near(found, wanted, tolerance):
    for one, other in zip(found, wanted, strict=True):
        assert (one - other).abs().max() <= tolerance * other.abs().max().clamp_min(1e-30)


def held_state(model):
    return {name: (value.data_ptr(), value.clone()) for name, value in model.state_dict().items()}


def assert_untouched(model, before):
    for name, value in model.state_dict().items():
        assert value.data_ptr() == before[name][0], name
        assert torch.equal(value, before[name][1]), name


@pytest.mark.parametrize("name", NETWORKS)
def test_a_module_is_read_and_written_where_it_lies(name):
    model, args, kwargs = on_gpu(name)
    before, drawn = held_state(model), torch.cuda.get_rng_state()
    found = addcat.inspect(model, example_inputs=args or kwargs)
    on_cpu, *given = build(name)
    assert found.merges == addcat.inspect(on_cpu, example_inputs=given[0] or given[1]).merges
    assert found.merges == addcat.inspect(model, example_inputs=given[0] or given[1]).merges  # of inputs elsewhere
    door = TorchDoor(Example(args, kwargs))
    made = door.write(door.read(model))
    assert_untouched(model, before)
    assert torch.equal(torch.cuda.get_rng_state(), drawn)
    assert devices(made) <= {"cuda"}
    assert_near(outputs(made, args, kwargs), outputs(model, args, kwargs), 1e-6)


SWITCHES = [
    ("towers_added", "add", "concat"),
    ("towers_joined", "cat", "add"),
    ("signals", "cat", "channel_scale"),
    ("preact_resnet", "1.add", "concat"),
    ("preact_resnet", "1.add", "low_rank:1"),
    ("resnet", "layers.1.add", "concat"),
    ("resnet", "layers.1.add", "channel_scale"),
    ("volumes", "add", "concat"),
]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)], ids=str)
@pytest.mark.parametrize(("name", "site", "rung"), SWITCHES)
def test_exact_switches_are_exact_there_and_come_back(name, site, rung, dtype, tolerance):
    model, args, kwargs = on_gpu(name, dtype)
    before = held_state(model)
    done = addcat.switch(model, {site: rung}, example_inputs=args)
    assert done.record.exact
    assert done.record.difference.relative <= tolerance
    assert devices(done.model) == {"cuda"}
    assert {p.dtype for p in done.model.parameters()} == {dtype}
    wanted = outputs(model, args, kwargs)
    assert_near(outputs(done.model, args, kwargs), wanted, tolerance)
    assert_untouched(model, before)
    if rung == "concat":
        merges = [found.merge for found in addcat.inspect(done.model, example_inputs=args).merges]
        (new,) = [merge.site for merge in merges if merge.op == "concat"]
        back = addcat.switch(done.model, {new: "add"}, example_inputs=args)
        assert back.record.exact
        assert_near(outputs(back.model, args, kwargs), wanted, tolerance)


def test_a_switched_copy_trains_there_as_the_module_does():
    model, args, kwargs = on_gpu("resnet", torch.float64)
    made = addcat.switch(model, {"layers.1.add": "channel_scale"}, example_inputs=args).model
    grads = []
    for one in (model, made):
        one.train()
        sum(out.square().sum() for out in one(*args, **kwargs)).backward()
        grads.append({name: parameter.grad for name, parameter in one.named_parameters()})
    for name, grad in grads[0].items():
        torch.testing.assert_close(grads[1][name], grad)


def test_a_seed_draws_the_same_weights_on_every_device():
    model, args, _ = build("resnet")
    twin = copy.deepcopy(model).to(GPU)
    one, other = (
        addcat.switch(each, {"layers.1.add": "concat"}, fresh=True, seed=3, example_inputs=args).model
        for each in (model, twin)
    )
    assert devices(other) == {"cuda"}
    for name, value in one.state_dict().items():
        assert torch.equal(other.state_dict()[name].cpu(), value), name


class Split(nn.Module):
    """One part on the CPU, the rest on the GPU, as people lay large embeddings."""

    def __init__(self):
        super().__init__()
        self.table, self.left, self.right = (
            nn.Embedding(20, 6),
            nn.Linear(6, 5, device=GPU),
            nn.Linear(6, 5, device=GPU),
        )
        self.head = nn.Linear(5, 2, device=GPU)

    def forward(self, x):
        x = self.table(x).to(self.head.weight.device)
        return self.head(self.left(x) + self.right(x))


def test_a_module_on_two_devices_stays_on_both():
    model, x = Split().eval(), torch.arange(8)
    done = addcat.switch(model, {"add": "concat"}, example_inputs=(x,))
    where = {name: parameter.device.type for name, parameter in done.model.named_parameters()}
    assert where["table.weight"] == "cpu"
    assert where["left.weight"] == where["head.weight"] == "cuda"
    torch.testing.assert_close(done.model(x), model(x))


def sgd(parameters):
    return torch.optim.SGD(parameters, 0.1, momentum=0.9)


def test_training_gives_what_it_gives_on_the_cpu():
    found = trainer(network(), Training(optimizer=sgd, device=GPU)).run(0)
    np.testing.assert_allclose(found, trainer(network(), Training(optimizer=sgd)).run(0), rtol=1e-4)


@pytest.mark.parametrize("dtype", [None, torch.bfloat16, torch.float16], ids=str)
def test_training_is_the_loop_that_a_user_would_write(dtype):
    """Under autocast too, with the gradients scaled where its numbers are small."""
    made = trainer(network(dropout=0.3).to(GPU), Training(optimizer=sgd, autocast=dtype))
    found = made.run(5)
    model = network(dropout=0.3).to(GPU)
    optimizer, scaler = sgd(model.parameters()), torch.amp.GradScaler("cuda", enabled=dtype == torch.float16)
    torch.manual_seed(5)
    model.train()
    for call, target in of_arrays(task(), Plan(6, 3, 16), 5, Example.of((torch.zeros(2, 6),)), GPU):
        optimizer.zero_grad()
        with torch.autocast("cuda", dtype, enabled=dtype is not None):
            loss = CROSS_ENTROPY(model(*call.args), target)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
    model.eval()
    held = task(40, seed=1)
    with torch.no_grad():
        out = model(torch.from_numpy(held.inputs[0]).to(GPU))
        wanted = nn.functional.cross_entropy(out, torch.from_numpy(held.targets[0]).to(GPU), reduction="none")
    np.testing.assert_allclose(found[-1], wanted.cpu().numpy(), rtol=1e-5)


def test_runs_repeat_there_and_the_callers_generator_stays():
    made = trainer(network(dropout=0.5).to(GPU), Training())
    torch.manual_seed(3)
    before = torch.cuda.get_rng_state()
    one = made.run(1)
    assert made.step_seconds() > 0
    assert torch.equal(torch.cuda.get_rng_state(), before)
    np.testing.assert_array_equal(made.run(1), one)
    assert not np.array_equal(made.run(2), one)


def test_a_step_is_timed_to_its_end():
    """A device is given work faster than it does it; the time of the work itself is what a budget is reckoned with."""
    side = 4096
    layer = nn.Linear(side, side, bias=False, device=GPU)
    model = nn.Sequential(*(layer for _ in range(60)))
    data = Examples((np.zeros((64, side), "float32"),), (np.zeros((64, side), "float32"),))
    found, _ = resolve(nn.MSELoss(), torch.zeros(2, side), data.targets)
    made = TorchTrainer(
        model, Example.of((torch.zeros(2, side),)), found, Recipe(Training(optimizer=sgd), 4, 64, "given"),
        Plan(4, 1, 64), data, data,
    )  # fmt: skip
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    x = torch.randn(64, side, device=GPU)
    model(x).sum().backward()
    start.record()
    model(x).sum().backward()
    end.record()
    torch.cuda.synchronize()
    assert made.step_seconds() > 0.5 * start.elapsed_time(end) / 1000


def test_a_loader_of_pinned_memory():
    data = TensorDataset(torch.from_numpy(task().inputs[0]), torch.from_numpy(task().targets[0]))
    seen = []

    def unpack(batch):
        seen.append(batch[0].is_pinned())
        return (batch[0],), batch[1]

    found = []
    for pinned in (True, False):
        loader = DataLoader(data, batch_size=16, shuffle=True, pin_memory=pinned)
        made = trainer(network(), Training(optimizer=sgd, device=GPU, loader=loader, unpack=unpack))
        found.append(made.run(4))
    assert seen == [True] * 18 + [False] * 18
    np.testing.assert_array_equal(*found)


class DrawnThere(TensorDataset):
    """Augmented on the GPU, by its own generator."""

    def __getitem__(self, place):
        x, y = super().__getitem__(place)
        return x + torch.rand(6, device=GPU).cpu(), y


def test_what_a_loader_draws_there_is_alike_for_both_arms():
    data = DrawnThere(torch.zeros(24, 6), torch.zeros(24, dtype=torch.long))

    def batches(seed, draws):
        loader, found = DataLoader(data, batch_size=8), []
        for (call, _), _ in zip(of_loader(loader, seed, lambda b: ((b[0],), b[1]), GPU), range(5), strict=False):
            torch.rand(draws, device=GPU)
            found.append(call.args[0].clone())
        return torch.stack(found)

    assert torch.equal(batches(5, 0), batches(5, 13))
    assert not torch.equal(batches(5, 0), batches(6, 0))


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_an_advice_of_arms_that_train_there(device):
    """Of a module that lies there, and of one that stays on the CPU while its arms do not."""
    model = towers(600).to(device)
    before, drawn = held_state(model), torch.cuda.get_rng_state()
    found = addcat.advise(model, pairs_of(600), effort="retrain", budget="60s", device="cuda", **HOW)
    assert found.verdicts[0].choice == "concat"
    assert found.seconds <= 60
    assert devices(model) == {device}
    assert_untouched(model, before)
    assert torch.equal(torch.cuda.get_rng_state(), drawn)


@pytest.mark.parametrize("effort", ["structure", "forward", "score", "refit", "finetune"])
def test_every_other_method_runs_there(effort):
    model = towers(600).to(GPU)
    before = held_state(model)
    found = addcat.advise(model, pairs_of(600), effort=effort, budget="60s", **HOW)
    assert found.verdicts[0].site == "add"
    assert_untouched(model, before)


def where(arm):
    return nn.Linear(3, 2 if arm == "add" else 4, device=GPU)


def what_it_sees(model, seed):
    return {
        "loss": float(model.weight.square().mean()),
        "visible": float(os.environ["CUDA_VISIBLE_DEVICES"]),
        "count": float(torch.cuda.device_count()),
        "there": float(model.weight.is_cuda),
        "process": float(os.getpid()),
    }


def test_a_worker_has_the_gpu_that_it_was_given(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", os.environ.get("CUDA_VISIBLE_DEVICES", "0"))
    found = addcat.compare(where, train=what_it_sees, pairs=4, workers=1, gpus=1)
    for trial in found.trials:
        assert trial.status == "done", trial.detail
        wanted = {"visible": float(os.environ["CUDA_VISIBLE_DEVICES"]), "count": 1.0, "there": 1.0}
        assert {name: trial.metrics[name] for name in wanted} == wanted
        assert trial.metrics["process"] != os.getpid()


@pytest.mark.parametrize("options", [{"workers": 1, "gpus": 1}, {"workers": 2}], ids=str)
def test_workers_give_the_numbers_of_this_process(options):
    """A worker of a GPU of its own, and two that share it: a module on CUDA is sent as it is."""
    how = {"optimizer": adam, "steps": 60, "pairs": 4, "validation": pairs_of(120, 1)}
    here = addcat.compare(towers(600).to(GPU), pairs_of(600), **how)
    there = addcat.compare(towers(600).to(GPU), pairs_of(600), **how, **options)
    assert here.verdict == there.verdict == "concat"
    assert {trial.status for trial in there.trials} == {"done"}
    np.testing.assert_allclose(there.findings[0].differences, here.findings[0].differences, atol=1e-4)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch.*", "ignore::UserWarning:torch.*")  # of its compiler
@pytest.mark.parametrize("runtime", ["torch", "torch.compile"])
def test_a_module_is_optimised_where_it_lies(runtime):
    model, args, kwargs = on_gpu("resnet")
    before = held_state(model)
    found = addcat.optimize(model, runtime=runtime, goal="parameters", example_inputs=args, time_limit=20, cache=False)
    assert devices(found.model) == {"cuda"}
    assert found.record.verification.allowed < 1e-4  # verified in full precision, though it runs in TF32
    assert sum(p.numel() for p in found.model.parameters()) < sum(p.numel() for p in model.parameters())
    assert_near(outputs(found.model, args, kwargs), outputs(model, args, kwargs), 1e-5)
    assert_untouched(model, before)


UNSTARTED = """
import modules, torch, addcat
model, args, _ = modules.build("resnet")
addcat.inspect(model, example_inputs=args)
addcat.switch(model, {"layers.1.add": "concat"}, example_inputs=args)
addcat.switch(model, {"layers.1.add": "concat"}, fresh=True, example_inputs=args)
data = torch.randn(64, 3, 16, 16).numpy(), torch.randint(0, 5, (64,)).numpy()
addcat.advise(model, data, effort="finetune", budget="10s", epochs=1, batch_size=32)
assert not torch.cuda.is_initialized()
"""


def test_nothing_starts_a_gpu_for_a_module_on_the_cpu():
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([os.path.dirname(modules.__file__), *sys.path])}  # noqa: PTH120
    subprocess.run([sys.executable, "-c", UNSTARTED], env=environment, check=True, timeout=120)  # noqa: S603
