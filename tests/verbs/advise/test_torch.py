"""`advise` on PyTorch modules: arrays and loaders, the same verdicts as on Keras where a task is clear."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torch_tasks import HOW, Towers, pairs_of, towers

import addcat
from addcat.errors import DataError, OptionError

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def model():
    return towers(900)


def task(count=900):
    return pairs_of(count)


def test_a_clear_task_on_arrays(model):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = addcat.advise(model, task(), effort="retrain", budget="60s", factory=Towers, **HOW)
    verdict = found.verdicts[0]
    assert (verdict.site, verdict.choice, found.loss) == ("add", "concat", "CrossEntropyLoss, given")
    assert found.notes[0] == (
        "Training recipe: the optimiser given, 12 epochs, 48 steps. Batches of 128 are assumed: if it was trained by "
        "others, say batch_size= (--batch-size)."
    )
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_loader_is_trained_on_as_it_is(model):
    x, y = task()
    data = TensorDataset(*(torch.from_numpy(array) for array in (*x, y)))
    fit, held = torch.utils.data.random_split(data, [600, 300], torch.Generator().manual_seed(0))
    loaders = [DataLoader(part, batch_size=64, shuffle=True) for part in (fit, held)]
    found = addcat.advise(model, loaders[0], validation=loaders[1], effort="retrain", budget="60s", **HOW)
    assert found.verdicts[0].choice == "concat"
    assert found.examples == (600, 300)
    assert found.notes[0] == "Training recipe: the optimiser given, 12 epochs, 120 steps."


@pytest.mark.parametrize("effort", ["structure", "forward", "score", "finetune"])
def test_every_other_method_runs(model, effort):
    found = addcat.advise(model, task(), effort=effort, **HOW)
    assert found.verdicts[0].evidence[-1].method == effort


@pytest.mark.parametrize("effort", ["refit", "finetune"])
def test_what_trains_from_here_is_counted(model, effort):
    found = addcat.advise(model, task(), effort=effort, **HOW)
    evidence = found.verdicts[0].evidence[-1]
    assert evidence.method == effort
    assert evidence.words.startswith("Branches frozen" if effort == "refit" else "Nothing frozen")
    # two runs of as many steps as a training, that of Concatenate dearer, the looks at the held-out examples, and the
    # first look at the network
    assert evidence.facts["steps"] == 48
    assert 2 < evidence.facts["trainings"] < found.trainings < 3


class Apart(Towers):
    """Concatenated, so that an exchange of the branches is asked for."""

    def __init__(self):
        super().__init__()
        self.head[0] = nn.Linear(24, 12)

    def forward(self, left, right):
        return self.head(torch.cat((self.tower(left), self.tower(right)), dim=-1))


@pytest.mark.parametrize("effort", ["swap", "refit"])
def test_methods_for_a_concatenate(effort):
    found = addcat.advise(Apart(), task(), effort=effort, **HOW)
    assert found.verdicts[0].evidence[-1].method == effort


@pytest.mark.parametrize("budget", ["0.3x", "1x"])
def test_the_ladder_is_climbed_within_a_budget(model, budget):
    found = addcat.advise(model, task(), budget=budget, regret=1e-9, **HOW)
    (verdict,) = found.verdicts
    assert 0 < found.trainings <= float(budget[:-1])
    assert verdict.choice in ("add", "concat")
    trained = [one.method for one in verdict.evidence if one.question == "trained anew"]
    assert bool(trained) == (budget == "1x")


def test_what_is_asked_of_data_and_options(model):
    x, y = task(100)
    loader = DataLoader(TensorDataset(*(torch.from_numpy(array) for array in (*x, y))), batch_size=20)
    cases = [
        (
            lambda: addcat.advise(model, loader, **HOW),
            DataError,
            "A loader is iterated as it is, so nothing of it can be put aside to judge on. Pass validation= "
            "(--validation).",
        ),
        (
            lambda: addcat.advise(model, (x, y), epochs=0),
            OptionError,
            "epochs=0 is out of range. Expected a whole number of 1 or more.",
        ),
        (
            lambda: addcat.advise(model, (x, y), learning_rate=-1),
            OptionError,
            "learning_rate=-1 is out of range. Expected a number above 0, such as 0.001.",
        ),
        (
            lambda: addcat.advise(model, (x, y), learning_rate=0.1),
            OptionError,
            "learning_rate= is for Keras models; a PyTorch module is trained by optimizer=, a function of its "
            "parameters. Set the rate there.",
        ),
        (
            lambda: addcat.advise(model, (x, y), batch_size=2.5),
            OptionError,
            "batch_size=2.5 is out of range. Expected a whole number of 1 or more.",
        ),
        (
            lambda: addcat.advise(model, loader, validation=(x, y), batch_size=8, **HOW),
            OptionError,
            "batch_size= (--batch-size) is for arrays; a loader has its own batches. Leave it out.",
        ),
        (
            lambda: addcat.advise(model, (x, y), optimiser=1),
            OptionError,
            "'optimiser' is no option of training. Expected one of epochs, batch_size, learning_rate, optimizer, "
            "scheduler, unpack, factory, device, autocast.",
        ),
        (
            lambda: addcat.advise(model, (x, y), class_weight={0: 1.0, 1: 5.0}),
            OptionError,
            "class_weight= is not taken: examples are weighed by the loss. Pass loss=, a function that multiplies what "
            "each example loses by its weight, or by that of its class.",
        ),
        (
            lambda: addcat.advise(model, ([x[0]], y), example_inputs=tuple(map(torch.from_numpy, x)), **HOW),
            DataError,
            "The data have 1 input, the model is called with 2 tensors.",
        ),
    ]
    for call, kind, text in cases:
        with pytest.raises(kind) as error:
            call()
        assert str(error.value) == text


def test_options_of_torch_are_not_for_keras():
    import networks

    with pytest.raises(OptionError) as error:
        addcat.advise(networks.network("residual"), (np.ones((4, 3)), np.ones(4)), optimizer=min)
    assert str(error.value) == (
        "optimizer= is for PyTorch modules; a Functional is trained as it was compiled. Leave it out."
    )


def test_a_plan_of_a_module(model):
    found = addcat.advise(model, task(), budget="60s", plan=True, **HOW)
    (course,) = found.courses
    names = [rung.name for rung in course.rungs]
    assert names[:5] == ["structure", "order", "kernel", "4 pairs, heads 40 % of the steps", "4 full pairs"]
    assert course.training_seconds > 0
    assert course.rungs[2].within
