"""`compare` on a PyTorch module: arrays and loaders, metrics, learning rates; the module is left as it was."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import addcat
from addcat.doors.base import door_for
from addcat.errors import OptionError
from addcat.verbs.compare.prepared import digest_of_settings

torch.set_num_threads(1)


class Ordered(nn.Module):
    """One encoder of two inputs, added: which came first is lost."""

    def __init__(self):
        super().__init__()
        self.encoder, self.hidden, self.head = nn.Linear(4, 3), nn.Linear(3, 8), nn.Linear(8, 2)

    def forward(self, x, y):
        return self.head(torch.relu(self.hidden(self.encoder(x) + self.encoder(y))))


def arrays(count, seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, count, 4)).astype("float32")
    return [x, y], (x[:, 0] > y[:, 0]).astype("int64")


def module():
    torch.manual_seed(0)
    return Ordered()


def fast(parameters):
    return torch.optim.Adam(parameters, 0.02)


DATA, HELD = arrays(160, 1), arrays(80, 2)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    net, store = module(), tmp_path_factory.mktemp("store") / "trials.db"
    before = {name: value.clone() for name, value in net.state_dict().items()}
    made = addcat.compare(
        net, DATA, validation=HELD, optimizer=fast, steps=60, pairs=4, metric=["accuracy", "auc"], store=store
    )
    for name, value in net.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
    return made, store


def test_an_order_that_add_loses_is_for_concatenate(found):
    made, _ = found
    assert made.verdict == "concat"
    assert made.notes[0].startswith("Loss: CrossEntropyLoss")
    accuracy, auc = made.measured
    assert accuracy.base < 0.7
    assert min(accuracy.other, auc.other) > 0.85
    assert [arm.step_seconds > 0 for arm in made.settings.arms] == [True, True]


def test_a_store_is_gone_on_with_though_functions_are_made_anew(found, monkeypatch):
    made, store = found
    monkeypatch.setattr("addcat.trials.model.ModelTrial.__call__", lambda *_: pytest.fail("trained again"))
    again = addcat.compare(
        module(), DATA, validation=HELD, optimizer=fast, steps=60, pairs=4, metric=["accuracy", "auc"], store=store
    )
    assert again.findings == made.findings


def test_a_loader_is_trained_on_as_it_is():
    loaders = [
        DataLoader(TensorDataset(*map(torch.from_numpy, (*x, y))), batch_size=40, shuffle=shuffle)
        for (x, y), shuffle in ((DATA, True), (HELD, False))
    ]
    made = addcat.compare(module(), loaders[0], validation=loaders[1], optimizer=fast, epochs=15, pairs=2, metric="f1")
    assert made.notes[1].startswith("Training recipe: the optimiser given, 15 epochs, 60 steps; 60 steps of 40 a trial")
    assert [len(trial.losses) for trial in made.trials] == [80] * 4
    assert made.findings[0].gain.estimate > 0
    with pytest.raises(OptionError) as caught:
        addcat.compare(module(), loaders[0], validation=loaders[1], pairs=2, learning_rates=(1, 2))
    assert str(caught.value) == (
        "learning_rates are tuned on a part of the training data, and a loader is iterated as it is. Pass arrays, or "
        "leave learning_rates out."
    )


def test_learning_rates_are_tuned_on_examples_that_do_not_judge(monkeypatch):
    """With a rate far too small every arm takes the largest factor, whatever the judging examples are."""
    from addcat.trials.model import ModelTrial

    seen = []
    run = ModelTrial.__call__
    monkeypatch.setattr(
        ModelTrial, "__call__", lambda self, unit: seen.append((self.data, self.held)) or run(self, unit)
    )
    made = addcat.compare(
        module(), DATA, validation=HELD, optimizer=lambda p: torch.optim.Adam(p, 2e-4), steps=40, pairs=2,
        learning_rates=(1, 100),
    )  # fmt: skip
    assert made.notes[-2] == (
        "Learning rates tuned alike for every arm on 2 seeds, of x1, x100, by 32 of the examples to train on: "
        "add x100, concat x100."
    )
    tuning, judging = seen[0], seen[-1]
    assert (tuning[0].count, tuning[1].count, judging[0].count, judging[1].count) == (128, 32, 160, 80)
    rows = [{row.tobytes() for row in part.inputs[0]} for part in (*tuning, judging[1])]
    assert not rows[0] & rows[1]
    assert not rows[1] & rows[2]


@pytest.mark.slow
def test_two_processes_give_the_same_numbers(found):
    made, _ = found
    other = addcat.compare(
        module(), DATA, validation=HELD, optimizer=fast, steps=60, pairs=2, metric="accuracy", workers=2
    )
    np.testing.assert_allclose(other.findings[0].differences, made.findings[0].differences[:2], atol=1e-6)


def test_what_a_module_was_made_with_tells_one_store_from_another():
    def settings(**options):
        net = nn.Sequential(nn.Linear(4, 4), nn.Dropout(**options))
        example = torch.zeros(2, 4)
        return digest_of_settings(door_for(net, needs="write", example_inputs=example).read(net))

    assert settings(p=0.1) == settings(p=0.1)
    assert settings(p=0.1) != settings(p=0.2)
