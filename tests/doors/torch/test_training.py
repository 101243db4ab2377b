"""Training in torch's own words: the user's optimiser, schedule and loader; arms of one seed see the same batches."""

import random
import threading

import modules
import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset
from torch_tasks import CROSS_ENTROPY, network, task, trainer

from addcat.doors.judged import cross_fitted
from addcat.doors.recipe import Plan, at_learning_rate
from addcat.doors.torch import Example, stream
from addcat.doors.torch.data import first_call, is_loader, sampled
from addcat.doors.torch.losses import resolve
from addcat.doors.torch.measure import assign_state, state
from addcat.doors.torch.stream import of_arrays, of_loader
from addcat.doors.torch.training import Training
from addcat.errors import DataError, OptionError

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


def test_training_leaves_the_callers_generators_alone():
    own = torch.Generator().manual_seed(5)
    data, state = loader(generator=own), own.get_state()
    model = network(dropout=0.5)
    made = trainer(model, Training(loader=data))
    torch.manual_seed(3)
    np.random.seed(3)
    random.seed(3)
    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    made.run(1)
    first_call(model, data, lambda batch: ((batch[0],), batch[1]))
    sampled(data, lambda batch: ((batch[0],), batch[1]), seed=0)
    assert torch.equal(own.get_state(), state)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]
    assert random.getstate() == before[2]


class Augmented(Dataset):
    """Draws from every generator that people draw from."""

    def __len__(self):
        return 24

    def __getitem__(self, place):
        noise = torch.rand(6) + float(np.random.rand()) + random.random()  # noqa: S311
        return torch.full((6,), float(place)) + noise, place % 2


def loader(workers=0, **options):
    return DataLoader(Augmented(), batch_size=8, shuffle=True, num_workers=workers, **options)


def batches(data, seed, draws=0, count=7):
    """Inputs and targets of some batches, while a model draws numbers of its own."""
    found = []
    for (call, target), _ in zip(of_loader(data, seed, lambda b: ((b[0],), b[1]), "cpu"), range(count), strict=False):
        torch.rand(draws)
        found.append((call.args[0].clone(), target.clone()))
    return found


def equal(one, other):
    return all(torch.equal(a, b) and torch.equal(s, t) for (a, s), (b, t) in zip(one, other, strict=True))


@pytest.mark.parametrize(
    "options", [{}, {"generator": torch.Generator()}, {"workers": 2}], ids=["global", "own", "workers"]
)
def test_arms_of_one_seed_see_the_same_batches_augmented_alike(options):
    one, other = batches(loader(**options), 5), batches(loader(**options), 5, draws=13)
    assert equal(one, other)
    assert not equal(one, batches(loader(**options), 6))
    assert not equal(one[:3], one[3:6])  # each pass is shuffled and augmented anew


def test_samplers_are_told_which_pass_it_is():
    passes = []

    class Sampler(torch.utils.data.RandomSampler):
        def set_epoch(self, number):
            passes.append(number)

    data = TensorDataset(torch.randn(16, 6), torch.zeros(16, dtype=torch.long))
    batches(DataLoader(data, batch_size=8, sampler=Sampler(data)), 0, count=5)
    assert passes == [0, 1, 2]


class Distributed(torch.utils.data.RandomSampler):
    epoch = 7

    def set_epoch(self, number):
        self.epoch = number


def test_a_count_of_passes_is_given_back():
    """Of samplers, of those within batch samplers, and of data sets; the run's own passes begin at 0."""

    class Counting(Augmented):
        def __init__(self):
            self.epoch = self.most = 7

        def set_epoch(self, number):
            self.epoch, self.most = number, max(self.most, 7) + number

    data = Counting()
    sampler, inner = Distributed(data), Distributed(data)
    sampler.set_epoch(5)
    nested = DataLoader(data, batch_sampler=torch.utils.data.BatchSampler(inner, 8, drop_last=False))
    for loader_ in (DataLoader(data, batch_size=8, sampler=sampler), nested):
        made = trainer(network(), Training(loader=loader_), plan=Plan(6, 3, 8))
        made.run(0)
        made.step_seconds()
    assert (sampler.epoch, inner.epoch, data.epoch, data.most) == (5, 7, 7, 7)
    assert "epoch" not in vars(inner)


def test_a_time_for_a_step_is_taken_where_a_run_has_one_step():
    assert trainer(network(), plan=Plan(1, 1, 16)).step_seconds() > 0


def test_a_loader_trains_without_being_read_whole():
    class Counted(Augmented):
        seen = 0

        def __getitem__(self, place):
            Counted.seen += 1
            return super().__getitem__(place)

    training = Training(loader=DataLoader(Counted(), batch_size=8, shuffle=True))
    trainer(network(), training, plan=Plan(2, 2, 8)).run(0)
    assert Counted.seen == 4 * 8


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


def test_recipes_say_what_they_are():
    training = Training(optimizer=torch.optim.Adam, epochs=4)
    assert training.recipe(batch=16, examples=96).source == "the optimiser given, 4 epochs, 24 steps"
    assert Training().recipe(batch=None, examples=96).source == "AdamW, cosine decay, 1,500 steps"
    with_schedule = Training(optimizer=torch.optim.Adam, scheduler=print, epochs=2, loader=loader(), batch=8)
    recipe = with_schedule.recipe(batch=None, examples=24)
    assert (recipe.steps, recipe.batch) == (6, 8)
    assert recipe.source == "the optimiser given, with its schedule, 2 epochs, 6 steps"


def test_what_a_loader_gives_in_memory():
    data = TensorDataset(torch.arange(60.0).reshape(10, 6), torch.arange(10))
    found = sampled(DataLoader(data, batch_size=4), None, seed=0)
    assert (found.examples.count, found.batch, found.target) == (10, 4, None)
    assert found.examples.targets[0].tolist() == list(range(10))
    named = [{"image": torch.ones(4, 6), "mask": torch.zeros(4)}] * 2
    found = sampled(named, lambda batch: ((batch["image"],), batch["mask"]), seed=0)
    assert found.examples.inputs[0].shape == (8, 6)
    assert all(map(is_loader, (DataLoader(data), named)))
    assert not any(map(is_loader, ((1, 2), np.ones(3), {"x": np.ones(3)})))


@pytest.mark.parametrize(
    ("data", "unpack", "text"),
    [
        ([], None, "The data are empty: the loader gave no batch. Pass at least one."),
        (
            [{"a": torch.ones(2)}],
            None,
            "A batch of the loader is a dict of 'a', expected (x, y). Say what is in it: "
            'unpack=lambda batch: ((batch["image"],), batch["mask"]); on the command line, --unpack '
            "package.module:function.",
        ),
        (
            [{"image": torch.ones(2), "mask": torch.ones(2)}],
            lambda batch: ((batch["picture"],), batch["mask"]),
            "unpack fails on a batch of the loader, a dict of 'image', 'mask': KeyError: 'picture'. Expected (inputs, "
            "target), the inputs a tensor, a tuple of arguments or a dict of keyword arguments.",
        ),
        (
            [torch.ones(3)],
            lambda batch: batch,
            "unpack fails on a batch of the loader, a Tensor: ValueError: too many values to unpack (expected 2). "
            "Expected (inputs, target), the inputs a tensor, a tuple of arguments or a dict of keyword arguments.",
        ),
        (
            [(torch.ones(2, 3), torch.ones(2)), (torch.ones(2, 4), torch.ones(2))],
            None,
            "Batches of the loader differ in shape: ((3,), ()), ((4,), ()). "
            "Pad or crop the examples to one size in its collate_fn.",
        ),
        (
            [(torch.ones(2, 3), "cat")],
            None,
            "The target of a batch is a str. Expected a tensor, or a list, tuple or dict of them. "
            "Let unpack give what the loss takes, and that alone.",
        ),
        (
            [(torch.ones(2, 3), {"label": torch.ones(2), "name": ["a", "b"]})],
            None,
            "The target of a batch is a dict of 'label', 'name' that holds a str. Expected a tensor, or a list, tuple "
            "or dict of them. Let unpack give what the loss takes, and that alone.",
        ),
        (
            [(torch.ones(2, 3), {})],
            None,
            "The target of a batch is a dict of nothing. Expected a tensor, or a list, tuple or dict of them. A loss "
            "that needs none is given one all the same, with a row for each example, such as torch.zeros(len(x)).",
        ),
        (
            [(torch.ones(2, 3), torch.ones(2))],
            lambda batch: (batch[0], None),
            "The target of a batch is None. Expected a tensor, or a list, tuple or dict of them. A loss that needs "
            "none is given one all the same, with a row for each example, such as torch.zeros(len(x)).",
        ),
    ],
)
def test_loaders_that_do_not_fit(data, unpack, text):
    with pytest.raises(DataError) as error:
        sampled(data, unpack, seed=0)
    assert str(error.value) == text


def test_example_inputs_come_from_the_data():
    model, _, _ = modules.build("towers_added")
    left, right = np.ones((9, 5), "float32"), np.ones((9, 7), "float32")
    assert [tuple(t.shape) for t in first_call(model, ([left, right], np.ones(9)), None).tensors] == [(2, 5), (2, 7)]
    named = first_call(model, ({"left": left, "right": right}, np.ones(9)), None)
    assert set(named.kwargs) == {"left", "right"}
    model, _, _ = modules.build("two_tower_dict")
    batch = {"user": np.ones((9, 5), "float32"), "item": np.ones((9, 7), "float32"), "id": np.ones(9, int)}
    assert set(first_call(model, (batch, np.ones(9)), None).args[0]) == {"user", "item", "id"}
    assert {t.dtype for t in first_call(model, (left.astype(float), np.ones(9)), None).tensors} == {torch.float32}
    loader_of_pairs = [(torch.ones(4, 5), torch.ones(4, 7), torch.ones(4))]
    model, _, _ = modules.build("towers_added")
    assert len(first_call(model, loader_of_pairs, None).tensors) == 2


def dice(output, target):
    return 1 - (output.softmax(1)[:, 1] * target).sum() / (output.softmax(1)[:, 1].sum() + target.sum() + 1)


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (nn.CrossEntropyLoss(), "CrossEntropyLoss, given"),
        (nn.functional.cross_entropy, "cross_entropy, given"),
        (None, "CrossEntropyLoss, which whole numbers as targets suggest"),
        (dice, "dice, given; it has no value for one example, so pairs of seeds alone carry the interval"),
    ],
)
def test_losses(loss, words):
    output, target = torch.randn(6, 3), torch.tensor([0, 1, 2, 0, 1, 2])
    found, said = resolve(loss, output, (target.numpy(),))
    assert said == words
    values = found.per_example(output, target, 6)
    assert values.shape == (6,)
    torch.testing.assert_close(values.mean(), found.mean(output, target))
    assert found.coupled == (loss is dice)


def test_losses_of_maps_and_of_objects():
    class Output:
        logits = torch.randn(4, 3, 2, 2)

    target = torch.zeros(4, 2, 2, dtype=torch.long)
    found, _ = resolve(nn.CrossEntropyLoss(ignore_index=-1), Output(), (target.numpy(),))
    assert found.per_example(Output(), target, 4).shape == (4,)
    found, said = resolve(None, torch.randn(4, 1), (np.zeros((4, 1), "float32"),))
    assert said == "MSELoss, which targets like the output suggest"
    assert found.per_example([torch.ones(4, 1)], torch.zeros(4, 1), 4).tolist() == [1.0] * 4


def test_losses_that_are_none():
    with pytest.raises(OptionError) as error:
        resolve("mse", torch.ones(2, 1), (np.ones(2),))
    assert str(error.value) == (
        "loss='mse' is not a loss of torch. Expected a module or function of (output, target), such as "
        "torch.nn.CrossEntropyLoss(); on the command line torch.nn:CrossEntropyLoss."
    )
    with pytest.raises(DataError) as error:
        resolve(None, torch.ones(2, 1), (np.ones(2),))
    assert str(error.value) == (
        "The targets, of shape (2,), suggest no loss. Pass loss= (--loss), such as torch.nn.CrossEntropyLoss()."
    )


@pytest.mark.gpu
def test_training_on_a_gpu():
    if not torch.cuda.is_available():
        pytest.skip("torch sees no GPU here")
    found = trainer(network(), Training(device=torch.device("cuda"))).run(0)
    np.testing.assert_allclose(found, trainer(network()).run(0), rtol=1e-3)
