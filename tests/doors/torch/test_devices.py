"""What torch's devices are asked for, as far as it can be seen on the CPU; the rest is in `test_gpu`."""

import logging
import os
from pathlib import Path

import modules
import numpy as np
import pytest
import torch
from torch import nn
from torch_tasks import task

import addcat
from addcat.doors.recipe import Plan, Recipe
from addcat.doors.torch import Example, devices, stream
from addcat.doors.torch.data import sampled
from addcat.doors.torch.devices import full_precision, kept_generators, name_of, resolve, seed_all, wait
from addcat.doors.torch.edits import NotRun
from addcat.doors.torch.frame import record_frame
from addcat.doors.torch.losses import resolve as loss_of
from addcat.doors.torch.measure import gradient, losses_of, predictions
from addcat.doors.torch.raised import data_error
from addcat.doors.torch.timer import TorchTimer
from addcat.doors.torch.training import TorchTrainer, Training
from addcat.errors import DataError, ModelError, OptionError
from addcat.trials.functions import FunctionTrial
from addcat.trials.processes import on_processes
from addcat.trials.trial import Key
from addcat.trials.workers import Task, Workers, _shipped

CPU = torch.device("cpu")
CROSS_ENTROPY = nn.CrossEntropyLoss()


@pytest.fixture
def second(monkeypatch):
    """A further generator, which stands for that of a GPU that this process has started."""
    made = torch.Generator().manual_seed(11)
    monkeypatch.setattr(torch.cuda, "default_generators", (made,))
    return made


def test_generators_of_every_started_device_are_seeded_and_kept(second):
    before = torch.get_rng_state(), second.get_state()
    with kept_generators():
        seed_all(5)
        drawn = torch.rand(3), torch.rand(3, generator=second)
    assert torch.equal(*drawn)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert torch.equal(second.get_state(), before[1])


def test_what_is_drawn_on_a_device_stays_the_callers(second):
    """Recordings, switches with fresh weights, loaders and trainings leave the generators of devices where they are."""
    before = second.get_state()
    model, args, _ = modules.build("resnet")
    addcat.switch(model, {"layers.1.add": "concat"}, fresh=True, seed=3, example_inputs=args)
    sampled([(torch.ones(4, 2), torch.ones(4))], None, seed=4)
    trainer().run(2)
    assert torch.equal(second.get_state(), before)


def test_a_loader_that_draws_on_a_device_is_alike_for_both_arms(second):
    class Drawn(torch.utils.data.Dataset):
        def __len__(self):
            return 24

        def __getitem__(self, place):
            return torch.rand(2, generator=second), 0

    def batches(draws):
        loader = torch.utils.data.DataLoader(Drawn(), batch_size=8)
        found = []
        for (call, _), _ in zip(stream.of_loader(loader, 5, lambda b: ((b[0],), b[1]), CPU), range(5), strict=False):
            torch.rand(draws, generator=second)
            found.append(call.args[0].clone())
        return torch.stack(found)

    assert torch.equal(batches(0), batches(13))


def test_a_device_that_is_not_there():
    assert resolve(None) is None
    assert resolve("cpu") == CPU
    model, data = nn.Sequential(nn.Linear(6, 2)), (np.ones((9, 6), "float32"), np.zeros(9, int))
    with pytest.raises(OptionError) as caught:
        addcat.advise(model, data, device="warp")
    said = str(caught.value)
    assert said.startswith("device='warp' cannot be used here: Expected one of cpu, cuda, ")
    assert said.endswith(
        ". Expected a device of torch that this machine has, such as 'cpu', 'cuda' or 'cuda:1'; left out, arms are "
        "trained where the model lies."
    )


def test_full_precision_is_for_a_while():
    places = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [place.allow_tf32 for place in places]
    try:
        for place in places:
            place.allow_tf32 = True
        with full_precision():
            assert [place.allow_tf32 for place in places] == [False, False]
        assert [place.allow_tf32 for place in places] == [True, True]
    finally:
        for place, value in zip(places, before, strict=True):
            place.allow_tf32 = value


@pytest.mark.skipif(not hasattr(torch.backends.cuda.matmul, "fp32_precision"), reason="torch 2.9 and newer have it")
def test_full_precision_where_the_user_speaks_of_it_in_newer_words():
    conv, rnn = torch.backends.cudnn.conv, torch.backends.cudnn.rnn
    before = conv.fp32_precision, rnn.fp32_precision
    try:
        conv.fp32_precision, rnn.fp32_precision = "ieee", "tf32"  # apart, so that the older words have no answer
        with full_precision():
            assert (conv.fp32_precision, rnn.fp32_precision) == ("ieee", "ieee")
        assert (conv.fp32_precision, rnn.fp32_precision) == ("ieee", "tf32")
    finally:
        conv.fp32_precision, rnn.fp32_precision = before


def test_a_device_has_a_name_and_is_waited_for(monkeypatch):
    waited = []
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("cuda"))
    monkeypatch.setattr(torch.accelerator, "synchronize", waited.append)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"a card {device.index}")
    wait(CPU)
    wait(torch.device("cuda:1"))
    assert waited == [torch.device("cuda:1")]
    assert name_of(torch.device("cuda:1")) == "a card 1"
    assert name_of(CPU).startswith("cpu ")


def test_a_step_is_waited_for_before_the_clock_is_read(monkeypatch):
    order = []
    monkeypatch.setattr("addcat.doors.torch.training.trainer.wait", lambda device: order.append(device.type))
    monkeypatch.setattr("time.perf_counter", lambda: order.append("clock") or float(len(order)))
    trainer().step_seconds()
    assert order == ["cpu", "clock", "cpu", "clock"]


def test_a_time_is_remembered_for_its_device_alone():
    one, other = (TorchTimer(print, print, "torch", 1, device) for device in ("cpu x86_64", "a card"))
    assert one.conditions != other.conditions


def trainer(model=None):
    torch.manual_seed(0)
    found, _ = loss_of(CROSS_ENTROPY, torch.zeros(2, 2), task(2).targets)
    model = model or nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4, 2))
    recipe = Recipe(Training(), 18, 16, "given")
    return TorchTrainer(model, Example.of((torch.zeros(2, 6),)), found, recipe, Plan(6, 3, 16), task(), task(40, 1))


def test_data_that_lie_on_the_device_give_the_same_batches(monkeypatch):
    """As they are on a GPU; here a copy on the CPU stands for it."""
    found = trainer().run(3)
    moved = []
    monkeypatch.setattr(stream, "fits", lambda size, device: moved.append(size) or True)
    made = trainer()
    np.testing.assert_array_equal(made.run(3), found)
    made.run(4)
    assert moved == [96 * 6 * 4 + 96 * 8]  # once for all runs


def test_what_is_moved_to_a_device_is_small_beside_its_memory(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (800, 8000))
    gpu = torch.device("cuda:0")
    assert [stream.fits(size, gpu) for size in (100, 101)] == [True, False]
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2**40, 2**40))
    assert [stream.fits(size, gpu) for size in (2**30, 2**30 + 1)] == [True, False]
    assert not stream.fits(1, CPU)


class Greedy(nn.Module):
    """Asks for more memory than there is, in training or for too many examples, as a CPU or a GPU would say it."""

    def __init__(self, most=None, error=None):
        super().__init__()
        self.linear, self.most, self.error, self.seen = nn.Linear(6, 2), most, error, []

    def forward(self, x):
        self.seen.append(len(x))
        if self.training if self.most is None else len(x) > self.most:
            if self.error is not None:
                raise self.error
            torch.empty(2**44)
        return self.linear(x)


ON_A_GPU = torch.OutOfMemoryError(
    "CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 79.11 GiB of which 1.21 GiB is "
    "free. See documentation for Memory Management."
)


@pytest.mark.parametrize(
    ("error", "asked"),
    [(ON_A_GPU, " (tried to allocate 2.50 GiB)"), (None, " (tried to allocate 70368744177664 bytes)")],
)
def test_memory_that_does_not_suffice_is_said(error, asked):
    with pytest.raises(ModelError) as caught:
        trainer(Greedy(error=error)).run(0)
    assert str(caught.value) == (
        f"Greedy does not fit into the memory of the device{asked} in training. Take smaller batches, smaller "
        "examples, or another device."
    )
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_a_loss_that_takes_too_much_memory():
    said = data_error("The loss dice", torch.OutOfMemoryError("out"))
    assert (type(said), str(said)) == (
        DataError,
        "The loss dice does not fit into the memory of the device. Take smaller batches, smaller examples, or another "
        "device.",
    )


def test_examples_are_judged_in_smaller_batches_where_many_do_not_fit():
    model, plain = Greedy(most=30), Greedy(most=1000)
    plain.load_state_dict(model.state_dict())
    loss, _ = loss_of(CROSS_ENTROPY, torch.zeros(2, 2), task(2).targets)
    example = Example.of((torch.zeros(2, 6),))
    found, wanted = (losses_of(one, loss, task(), example) for one in (model, plain))
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    assert model.seen == [96, 48, 24, 24, 24, 24]
    assert plain.seen == [96]
    np.testing.assert_allclose(predictions(model, task(), example), predictions(plain, task(), example), rtol=1e-5)
    for one, other in zip(
        gradient(model, loss, task(), ["linear"], example).values(),
        gradient(plain, loss, task(), ["linear"], example).values(),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


def test_a_loss_of_whole_batches_is_judged_on_whole_batches():
    loss, _ = loss_of(lambda output, target: output.square().mean(), torch.zeros(2, 2), task(2).targets)
    with pytest.raises(ModelError, match="does not fit into the memory of the device"):
        losses_of(Greedy(most=30), loss, task(), Example.of((torch.zeros(2, 6),)))


def test_what_fake_tensors_cannot_do_is_not_logged(caplog):
    """It is done with real numbers, or raised; torch would print a traceback beside that."""
    caplog.set_level(logging.ERROR)
    with pytest.raises(ModelError):
        addcat.inspect(nn.Sequential(nn.Linear(6, 2)), example_inputs=(torch.ones(2, 5),))
    assert caplog.records == []


def test_what_a_modules_own_code_cannot_do_on_them_is_not_logged(caplog):
    caplog.set_level(logging.ERROR)
    with pytest.raises(NotRun):
        record_frame(nn.Linear(3, 2), nn.Linear.forward, (torch.zeros(2, 4),), {})
    assert caplog.records == []


def where(model, seed):
    found = {name: os.environ.get(name, "") for name in ("CUDA_VISIBLE_DEVICES", "XLA_PYTHON_CLIENT_PREALLOCATE")}
    return {
        "loss": 1.0,
        "gpu": float(found["CUDA_VISIBLE_DEVICES"] or -1),
        "shares": float(found["XLA_PYTHON_CLIENT_PREALLOCATE"] == "false"),
        "process": float(os.getpid()),
    }


def one_worker(gpus):
    workers = Workers(1, gpus=gpus)
    with _shipped(FunctionTrial(lambda arm, seed: arm, where), workers) as task:
        assert isinstance(task, Task)
        units = iter([(Key("add", seed),) for seed in range(2)])
        return [trial.metrics for trial in on_processes(units, task, 1, [str(4 + n) for n in range(gpus)])]


def test_a_process_keeps_the_gpu_that_it_was_started_with(monkeypatch):
    """Libraries look once: one that idles is asked again only by whoever wants that GPU, never by others."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("XLA_PYTHON_CLIENT_PREALLOCATE", raising=False)
    with_one, again, without = one_worker(1), one_worker(1), one_worker(0)
    assert {one["gpu"] for one in with_one + again} == {4.0}
    assert {one["process"] for one in again} == {one["process"] for one in with_one}
    assert {one["gpu"] for one in without} == {-1.0}
    assert {one["process"] for one in without}.isdisjoint({one["process"] for one in with_one})
    assert {one["shares"] for one in with_one + without} == {1.0}


def test_devices_is_the_one_place_that_knows_generators():
    """`fork_rng` starts CUDA, and `torch.manual_seed` seeds devices that nobody has started."""
    for path in Path(devices.__file__).parent.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for word in ("fork_rng", "torch.manual_seed(", "cuda.is_available"):
            assert word not in text or path.name == "devices.py", (path.name, word)
