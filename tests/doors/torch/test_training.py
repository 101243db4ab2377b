"""Training in torch's own words: the user's optimiser, schedule and loader; arms of one seed see the same batches."""

import threading
import time

import numpy as np
import pytest
import torch
from torch import nn
from torch_tasks import CROSS_ENTROPY, network, task, trainer

from addcat.doors.judged import cross_fitted
from addcat.doors.recipe import Plan, at_learning_rate
from addcat.doors.torch import Example, stream
from addcat.doors.torch.measure import assign_state, state
from addcat.doors.torch.stream import of_arrays
from addcat.doors.torch.training import Training
from addcat.errors import OptionError, OutOfTimeError

torch.set_num_threads(1)


def by_hand(model, plan, seed, optimizer, data, schedule=None, ticks=()):
    """The loop that a user would write."""
    torch.manual_seed(seed)
    model.train()
    batches = of_arrays(data, plan, seed, Example.of((torch.zeros(2, 6),)), "cpu")
    for number, (call, target) in enumerate(batches):
        optimizer.zero_grad()
        CROSS_ENTROPY(model(*call.args), target).backward()
        optimizer.step()
        if number in ticks:
            schedule.step()
    model.eval()
    held = task(40, seed=1)
    with torch.no_grad():
        out = model(torch.from_numpy(held.inputs[0]))
        return nn.functional.cross_entropy(out, torch.from_numpy(held.targets[0]), reduction="none").numpy()


def test_a_run_is_the_loop_that_a_user_would_write():
    training = Training(optimizer=lambda parameters: torch.optim.SGD(parameters, 0.1, momentum=0.9))
    arm, other = network(dropout=0.3), network(dropout=0.3)
    found = trainer(arm, training).run(5)
    assert found.shape == (3, 40)
    want = by_hand(other, Plan(6, 3, 16), 5, torch.optim.SGD(other.parameters(), 0.1, momentum=0.9), task())
    np.testing.assert_allclose(found[-1], want, rtol=1e-6)


@pytest.mark.parametrize(("epochs", "ticks"), [(3, (5, 11, 17)), (6, (2, 5, 8, 11, 14, 17))])
def test_a_schedule_runs_through_in_the_steps_of_the_run(epochs, ticks):
    training = Training(
        optimizer=lambda parameters: torch.optim.SGD(parameters, 0.5),
        scheduler=lambda optimizer: torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5),
        epochs=epochs,
    )
    other = network()
    optimizer = torch.optim.SGD(other.parameters(), 0.5)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    want = by_hand(other, Plan(6, 3, 16), 2, optimizer, task(), schedule, ticks)
    np.testing.assert_allclose(trainer(network(), training).run(2)[-1], want, rtol=1e-6)


def test_a_run_that_begins_a_longer_one_is_its_beginning():
    rates = Training(scheduler=lambda optimizer: torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.1), epochs=3)
    made = trainer(network(), rates)
    whole, begun, own = (
        made.run(2),
        made.run(2, shortened=Plan(6, 2, 16, begins=18)),
        made.run(2, shortened=Plan(6, 2, 16)),
    )
    assert np.array_equal(begun, whole[:2])
    assert not np.allclose(begun, own)


@pytest.mark.parametrize("seeds", [[2], [0, 1, 2]])
def test_a_run_whose_time_is_over_is_broken_off(seeds):
    """One alone, and side by side; what is trained after it is as if nothing had been."""
    made, other = trainer(network()), trainer(network())
    with pytest.raises(OutOfTimeError) as caught:
        made.run_many(seeds, shortened=Plan(6, 3, 16, until=time.monotonic() - 1))
    assert str(caught.value) == "The time ended while the network was being trained; a larger budget finishes it."
    later = Plan(6, 3, 16, until=time.monotonic() + 100)
    assert np.array_equal(made.run_many(seeds, shortened=later), other.run_many(seeds))


def test_a_schedule_by_steps_is_stretched_over_a_shorter_run():
    seen = []

    class Watched(torch.optim.lr_scheduler.OneCycleLR):
        def step(self, *args):
            seen.append(self.last_epoch)
            super().step(*args)

    Watched.__name__ = "OneCycleLR"
    training = Training(
        optimizer=lambda parameters: torch.optim.SGD(parameters, 0.1),
        scheduler=lambda optimizer: Watched(optimizer, 0.1, total_steps=19),
    )
    trainer(network(), training).run(0, shortened=Plan(3, 3, 16))
    assert len(seen) == 1 + 18  # the constructor's own, then as many as the whole training has


RATES = torch.optim.lr_scheduler
BY_LENGTH = {
    "cosine_by_step": (lambda o: RATES.CosineAnnealingLR(o, 18), 18),
    "cosine_by_pass": (lambda o: RATES.CosineAnnealingLR(o, 3), 3),
    "linear_by_step": (lambda o: RATES.LinearLR(o, total_iters=16), 18),
    "milestones_by_step": (lambda o: RATES.MultiStepLR(o, [9, 15]), 18),
    "milestones_by_pass": (lambda o: RATES.MultiStepLR(o, [1, 2]), 3),
    "one_after_the_other": (
        lambda o: RATES.SequentialLR(o, [RATES.ConstantLR(o), RATES.StepLR(o, 4)], milestones=[12]),
        18,
    ),
    "without_a_length": (lambda o: RATES.LambdaLR(o, lambda step: 0.9**step), 3),
    "said_by_step": (lambda o: {"scheduler": RATES.LambdaLR(o, lambda step: 0.9**step), "interval": "step"}, 18),
    "said_by_pass": (lambda o: {"scheduler": RATES.CosineAnnealingLR(o, 18), "interval": "epoch"}, 3),
    "said_without_interval": (lambda o: {"scheduler": RATES.CosineAnnealingLR(o, 18)}, 3),
}


@pytest.mark.parametrize("given", [None, lambda parameters: torch.optim.SGD(parameters, 0.1)])
@pytest.mark.parametrize("name", BY_LENGTH)
def test_a_schedule_is_stepped_as_its_length_or_the_user_says(name, given):
    make, ticks = BY_LENGTH[name]
    training = Training(optimizer=given, scheduler=make, epochs=3)
    optimizer, after = training.made(network(), 18, 18)
    schedule = optimizer.param_groups[0]
    own = torch.optim.SGD(network().parameters(), schedule["initial_lr"])
    made = make(own)
    by_hand = made["scheduler"] if isinstance(made, dict) else made
    for step in range(18):
        optimizer.step()
        after(step, None)
        own.step()
        if (step + 1) % (18 // ticks) == 0:
            by_hand.step()
        assert schedule["lr"] == own.param_groups[0]["lr"]


class Told(RATES.ReduceLROnPlateau):
    """Keeps what it was told."""

    def __init__(self, *args, **options):
        self.told = []
        super().__init__(*args, **options)

    def step(self, metrics):
        """As the schedule does."""
        self.told.append(metrics)
        super().step(metrics)


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_schedule_that_waits_for_a_plateau_is_told_the_held_out_loss_after_every_pass(wrapped):
    made = []

    def scheduler(optimizer):
        made.append(Told(optimizer, factor=0.1, patience=0, threshold=0.5))
        return {"scheduler": made[-1], "monitor": "val_loss"} if wrapped else made[-1]

    training = Training(optimizer=lambda p: torch.optim.SGD(p, 0.5), scheduler=scheduler, epochs=3)
    arm = trainer(network(), training)
    losses = arm.run(2)
    np.testing.assert_allclose(made[-1].told, losses.mean(1))
    assert made[-1].optimizer.param_groups[0]["lr"] == pytest.approx(0.005)  # no loss is half of the one before
    arm.run(2, shortened=Plan(3, 3, 16))  # half as long: due as often
    assert len(made[-1].told) == 3
    assert arm.step_seconds() > 0


def test_passes_that_were_not_looked_at_are_no_better_where_the_next_look_is_no_better():
    made = []

    def scheduler(optimizer):
        made.append(Told(optimizer, factor=0.1, patience=1))
        return made[-1]

    _, after = Training(scheduler=scheduler, epochs=6).made(network(), 18, 18)
    for step, loss in ((8, 1.0), (11, None), (11, 0.5), (17, 0.7)):  # due 3, 4 and 6 times
        after(step, loss)
    assert made[0].told == [1.0, 0.5, 0.7, 0.7]
    assert made[0].optimizer.param_groups[0]["lr"] == pytest.approx(2e-4)  # two passes without a better one


def test_a_schedule_that_waits_for_something_to_rise():
    training = Training(scheduler=lambda o: RATES.ReduceLROnPlateau(o, mode="max"), epochs=3)
    with pytest.raises(OptionError) as error:
        training.made(network(), 18, 18)
    assert str(error.value) == (
        "scheduler= gave a ReduceLROnPlateau with mode='max'. It is told the held-out loss, so expected mode='min'."
    )


def test_a_dict_that_is_no_schedule():
    training = Training(scheduler=lambda _: {"lr": 0.1}, epochs=3)
    with pytest.raises(OptionError) as error:
        training.made(network(), 18, 18)
    assert str(error.value) == (
        'scheduler= gave {\'lr\': 0.1}. Expected a schedule, or {"scheduler": it, "interval": "step" or "epoch"}.'
    )


def test_batches_are_those_of_the_order_however_many_are_moved_at_once(monkeypatch):
    data, plan = task(), Plan(6, 3, 16)
    want = [(data.inputs[0][rows], data.targets[0][rows]) for rows in plan.order(96, 4).reshape(18, 16)]
    for size in (1, 5 * 16 * 32, 2**24):
        monkeypatch.setattr(stream, "BLOCK", size)
        found = list(of_arrays(data, plan, 4, Example.of((torch.zeros(2, 6),)), "cpu"))
        assert len(found) == 18
        for (call, target), (x, y) in zip(found, want, strict=True):
            np.testing.assert_array_equal(call.args[0].numpy(), x)
            np.testing.assert_array_equal(target.numpy(), y)


def test_runs_start_from_the_given_weights_and_repeat():
    model = network(dropout=0.5)
    made = trainer(model)
    start = state(network(dropout=0.5))
    one, two = made.run(1, start), made.run(1, start)
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, made.run(2, start))
    np.testing.assert_array_equal(made.run_many([1, 2], [start, start])[0], one)
    moved = [array + 0.1 for array in start]
    assert not np.array_equal(one, made.run(1, moved))
    assert made.step_seconds() > 0
    np.testing.assert_array_equal(made.run(1), one)


@pytest.mark.parametrize("schedule", [None, lambda o: torch.optim.lr_scheduler.OneCycleLR(o, 0.2, total_steps=19)])
def test_a_factor_of_the_learning_rate_is_that_of_the_optimiser_and_its_schedule(schedule):
    def training(rate):
        faster = schedule and (lambda o: torch.optim.lr_scheduler.OneCycleLR(o, 0.2 * rate, total_steps=19))
        return Training(optimizer=lambda p: torch.optim.SGD(p, 0.1 * rate), scheduler=faster, epochs=3)

    given, made = trainer(network(), training(3.0)), trainer(network(), training(1.0))
    made._recipe = at_learning_rate(made._recipe, 3.0)
    np.testing.assert_allclose(made.run(1), given.run(1), rtol=1e-5)


def test_outputs_are_kept_of_the_evaluation_that_judges():
    made = trainer(network(dropout=0.5))
    runs = made.run_judged([1, 2])
    for seed, one in zip([1, 2], runs, strict=True):
        np.testing.assert_array_equal(one.curve, made.run(seed))
        (outputs,) = one.outputs
        target = torch.from_numpy(task(40, seed=1).targets[0])
        again = nn.functional.cross_entropy(torch.from_numpy(outputs), target, reduction="none")
        np.testing.assert_allclose(again, cross_fitted(one.curve), rtol=1e-5)


def test_arms_that_two_threads_train_do_not_disturb_each_other():
    alone = [trainer(network(dropout=0.5)).run(seed) for seed in (1, 2)]
    together = {}

    def run(seed):
        together[seed] = trainer(network_of_a_thread[seed]).run(seed)

    network_of_a_thread = {seed: network(dropout=0.5) for seed in (1, 2)}
    threads = [threading.Thread(target=run, args=(seed,)) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed, want in zip((1, 2), alone, strict=True):
        np.testing.assert_array_equal(together[seed], want)


def test_a_time_for_a_step_is_taken_where_a_run_has_one_step():
    assert trainer(network(), plan=Plan(1, 1, 16)).step_seconds() > 0


def test_autocast_and_device_are_the_users():
    training = Training(autocast=torch.bfloat16, device=torch.device("cpu"))
    seen = []
    model = network()
    model[0].register_forward_hook(lambda _, __, out: seen.append(out.dtype))
    trainer(model, training).run(0)
    assert torch.bfloat16 in seen
    assert model[0].weight.dtype == torch.float32


def test_frozen_weights_stay_and_buffers_are_state():
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Linear(8, 2))
    model[0].requires_grad_(False)
    before = model[0].weight.clone()
    made = trainer(model)
    start = state(model)
    made.run(0)
    assert torch.equal(model[0].weight, before)
    assert not torch.equal(model[1].running_mean, torch.zeros(8))
    assign_state(model, start)
    assert torch.equal(model[1].running_mean, torch.zeros(8))


@pytest.mark.gpu
def test_training_on_a_gpu():
    if not torch.cuda.is_available():
        pytest.skip("torch sees no GPU here")
    found = trainer(network(), Training(device=torch.device("cuda"))).run(0)
    np.testing.assert_allclose(found, trainer(network()).run(0), rtol=1e-3)
