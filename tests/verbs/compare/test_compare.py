"""`compare` end to end: a model and data, the user's functions, a command; stores; options that will not do."""

import sys

import numpy as np
import pytest
from comparisons import DATA, HELD, arrays, compiled, ordered, two_merges
from networks import Input, keras, layers
from problems import encoded_pair, two_inputs
from small import assert_untouched, state

import addcat
from addcat.doors.keras.read import read
from addcat.errors import DataError, ModelError, OptionError, SiteError
from addcat.trials.store import Store
from addcat.verbs.compare.prepared import digest_of_graph, digest_of_settings


@pytest.fixture(scope="module")
def clear(tmp_path_factory):
    """A comparison of a model on an ordered target, its store, and the model with its state before."""
    net, store = compiled(), tmp_path_factory.mktemp("store") / "trials.db"
    before, told = state(net), []
    found = addcat.compare(
        net, DATA, validation=HELD, steps=60, pairs=4, store=store, progress=lambda *now: told.append(now)
    )
    return found, store, net, before, told


def test_an_ordered_target_is_for_concatenate(clear):
    found, _, net, before, told = clear
    assert found.verdict == "concat"
    assert found.findings[0].gain.estimate == pytest.approx(2, rel=0.35)
    assert found.settings.question == "Add or concat at the fusion merge, trained anew on these data?"
    assert [len(trial.curve) for trial in found.trials] == [len(found.trials[0].curve)] * 8
    assert len(told) == 8
    assert told[-1][0].findings == found.findings
    assert_untouched(net, before)


def test_every_arm_is_priced(clear):
    add, concat = clear[0].settings.arms
    assert (add.parameters, concat.parameters) == (19, 22)
    assert concat.multiply_adds == add.multiply_adds + 3
    assert concat.bytes == 4 * concat.parameters
    assert add.peak > 0
    assert concat.step_seconds > 0


def test_the_store_holds_all_of_it_and_the_same_call_trains_nothing(clear, monkeypatch):
    found, store, net, _, _ = clear
    monkeypatch.setattr("addcat.trials.model.ModelTrial.__call__", lambda *_: pytest.fail("trained again"))
    again = addcat.compare(net, DATA, validation=HELD, steps=60, pairs=4, store=store)
    assert again.findings == found.findings
    from addcat.verbs.compare.running import stored

    shown = stored(str(store))
    assert shown.findings == found.findings
    assert shown.settings == again.settings


def test_more_pairs_go_on_where_it_was(clear, tmp_path):
    found, store, net, _, _ = clear
    copy = tmp_path / "copy.db"
    with Store(store)._connected() as connection:
        connection.execute("VACUUM INTO ?", (str(copy),))
    more = addcat.compare(net, DATA, validation=HELD, steps=60, pairs=6, store=copy)
    assert more.findings[0].differences[:4] == found.findings[0].differences
    assert more.pairs == 6


def test_another_model_or_other_data_are_refused(clear):
    store = clear[1]
    for net, data, what in (
        (compiled(), arrays(two_inputs(200, ordered, seed=9)), "data"),
        (compiled("concat"), DATA, "model"),
    ):
        with pytest.raises(DataError, match=rf"(?s)holds trials of another comparison\. What differs:\n  {what}: "):
            addcat.compare(net, data, validation=HELD, steps=60, pairs=4, store=store)


def test_an_operation_that_a_counter_names_is_the_same_in_the_next_model():
    """`keras.ops` has no names of its own choosing; layers with weights do, and their weights are drawn by them."""

    def digest(name):
        i = Input((6, 4), name="x")
        turned = keras.ops.flip(layers.Dense(4, name=name)(i), axis=1)
        model = keras.Model(i, layers.Dense(2, name="head")(layers.Add()([turned, i])), name="net")
        return digest_of_graph(read(model)), model.operations[2].name

    (first, named), (again, named_again), (other, _) = digest("a"), digest("a"), digest("b")
    assert named != named_again
    assert first == again
    assert other != first


def test_two_processes_give_the_same_numbers(clear):
    found, _, net, _, _ = clear
    other = addcat.compare(net, DATA, validation=HELD, steps=60, pairs=2, workers=2)
    np.testing.assert_allclose(other.findings[0].differences, found.findings[0].differences[:2], rtol=0, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("place", ["ray", "dask"])
def test_a_cluster_gives_the_same_numbers(clear, place):
    found, _, net, _, _ = clear
    other = addcat.compare(net, DATA, validation=HELD, steps=60, pairs=2, workers=2, on=place)
    np.testing.assert_allclose(other.findings[0].differences, found.findings[0].differences[:2], rtol=0, atol=1e-6)


def test_the_answer_does_not_depend_on_which_network_was_given(clear):
    other = addcat.compare(compiled("concat"), DATA, validation=HELD, steps=60, pairs=4)
    assert other.findings[0].gain.estimate == pytest.approx(clear[0].findings[0].gain.estimate, rel=1e-3)


def test_more_arms_than_two():
    found = addcat.compare(
        compiled(), DATA, validation=HELD, steps=20, pairs=2, arms=("add", "channel_scale", "concat")
    )
    assert [finding.name for finding in found.findings] == ["channel_scale over add", "concat over add"]
    assert len(found.trials) == 6


def test_the_same_arm_twice_starts_elsewhere():
    found = addcat.compare(compiled(), DATA, validation=HELD, steps=10, pairs=2, self_check=True)
    assert [arm.name for arm in found.settings.arms] == ["add", "add again"]
    assert all(found.findings[0].differences)
    assert "against itself" in found.settings.question


def test_a_part_of_the_data_is_put_aside_where_none_is_given_to_judge_on():
    found = addcat.compare(compiled(), DATA, steps=10, pairs=2)
    assert found.notes[-2].startswith("No validation data were given")


def build(arm):
    return {"arm": arm}


def train(net, seed):
    noise = np.random.default_rng(seed).normal(scale=0.02, size=30)
    return 1 + noise - 0.3 * (net["arm"] == "concat")


def test_functions_of_the_user():
    found = addcat.compare(build, train=train, pairs=4)
    assert found.verdict == "concat"
    assert found.settings.title == f"{__name__}:build"
    assert [arm.parameters for arm in found.settings.arms] == [None, None]
    check = addcat.compare(build, train=train, pairs=4, self_check=True)
    assert check.verdict == "equal" or not check.findings[0].differs


def test_a_model_with_the_users_own_training():
    seen = []

    def own(net, seed):
        seen.append((net.get_layer("merge").__class__.__name__, float(net.get_layer("encoder").kernel[0, 0])))
        return 1.0 + 0.1 * seed

    found = addcat.compare(compiled(), train=own, pairs=2)
    assert [name for name, _ in seen] == ["Add", "Concatenate"] * 2
    assert seen[0][1] == seen[1][1] != seen[2][1]
    assert [arm.parameters for arm in found.settings.arms] == [19, 22]


SCRIPT = """
import json, sys, warnings
import numpy as np
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier
warnings.simplefilter("ignore")
arm, seed = sys.argv[1], int(sys.argv[2])
x, y = load_digits(return_X_y=True)
upper, lower = x[:, :32] / 16, x[:, 32:] / 16
x = upper + lower if arm == "add" else np.hstack([upper, lower])
net = MLPClassifier((32,), max_iter=30, random_state=seed).fit(x[:900], y[:900])
print(json.dumps({"accuracy": net.score(x[900:], y[900:])}))
"""


def test_a_script_of_another_framework(tmp_path):
    path = tmp_path / "mlp.py"
    path.write_text(SCRIPT)
    command = f"{sys.executable} {path} {{arm}} {{seed}}"
    found = addcat.compare(command=command, metric="accuracy", lower_is_better=False, pairs=4, workers=2)
    assert found.verdict == "concat"
    assert found.findings[0].gain.estimate > 0.05
    assert found.arms[1].loss > found.arms[0].loss > 0.2  # accuracies, as they are


UNRULY = """
import json, sys, time
arm, seed = sys.argv[1], int(sys.argv[2])
if (arm, seed) == ("concat", 2):
    raise SystemExit("out of memory")
if (arm, seed) == ("add", 3):
    time.sleep(60)
print(json.dumps({"loss": float("nan") if (arm, seed) == ("concat", 4) else 1 - 0.3 * (arm == "concat") + seed / 1000}))
"""


def test_a_script_that_crashes_hangs_and_diverges_is_recorded_as_such(tmp_path):
    path = tmp_path / "unruly.py"
    path.write_text(UNRULY)
    command = f"{sys.executable} {path} {{arm}} {{seed}}"
    found = addcat.compare(command=command, pairs=6, workers=4, trial_time_limit=2, store=tmp_path / "trials.db")
    ends = {(trial.arm, trial.seed): trial.status for trial in found.trials if trial.status != "done"}
    assert ends == {("concat", 2): "failed", ("add", 3): "timed out", ("concat", 4): "diverged"}
    assert next(t for t in found.trials if t.key == ("concat", 2)).detail == "out of memory\nended with exit code 1"
    assert found.findings[0].pairs == 4  # seeds 1, 4, 5, 6
    assert found.findings[0].differences[1] < 0
    assert found.verdict == "undecided"
    path.write_text(UNRULY.replace('("concat", 2)', "None").replace('("add", 3)', "None"))
    again = addcat.compare(command=command, pairs=6, workers=4, store=tmp_path / "trials.db")
    assert again.findings[0].pairs == 6
    assert [trial.key for trial in again.trials if trial.status != "done"] == [("concat", 4)]


def test_several_questions_share_their_trials_in_a_design():
    found = addcat.compare(two_merges(), DATA, validation=HELD, steps=10, pairs=4)
    assert [finding.name for finding in found.findings] == ["fusion", "residual"]
    assert found.pairs == 8  # whole runs through four rows
    assert len(found.trials) == 16
    assert found.together is not None
    assert {finding.pairs for finding in found.findings} == {8}


def test_one_at_a_time():
    found = addcat.compare(
        two_merges(), DATA, validation=HELD, sites=["first", "second"], design="one-at-a-time", steps=10, pairs=2
    )
    assert [arm.name for arm in found.settings.arms] == ["as it is", "first=concat", "second=concat"]
    assert [finding.name for finding in found.findings] == ["first", "second"]


def test_new_draws_of_the_data_ask_another_question():
    found = addcat.compare(compiled(), DATA, validation=HELD, steps=10, pairs=3, resample="data")
    same = addcat.compare(compiled(), DATA, validation=HELD, steps=10, pairs=3)
    assert found.settings.question.endswith("trained anew on new draws of 90 % of these data?")
    assert found.findings[0].differences != same.findings[0].differences


MODEL_WORDS = "Pass a model and data, a build function with train, or a command."


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({}, OptionError, f"Nothing to train. {MODEL_WORDS}"),
        ({"command": "x {arm} {seed}", "model": 1}, OptionError,
         "A command is compared alone: leave model, data and train out."),
        ({"model": build, "train": train, "data": 1}, OptionError,
         "train reads its data itself. Leave data out, or leave train out."),
        ({"model": 3, "train": train}, OptionError,
         "train needs what builds a model: pass a function build(arm), or a model."),
        ({"model": build, "train": train, "steps": 5, "resample": "data"}, OptionError,
         "resample and steps cannot be set for your own training: it decides that itself. Leave it out."),
        ({"model": build, "train": train, "folders": "x"}, OptionError,
         "trial_time_limit and folders are for a command, which runs in a process of its own."),
        ({"command": "x {arm} {seed}", "trial_time_limit": 0}, OptionError,
         "trial_time_limit=0 is out of range. Expected seconds, above 0."),
        ({"model": build, "train": train, "epochs": 3}, OptionError,
         "epochs= is for a model and data; train trains as it likes. Leave it out."),
        ({"command": "x {arm} {seed}", "batch_size": 3}, OptionError,
         "batch_size= is for a model and data; a command trains as it likes. Leave it out."),
        ({"arms": ("add",)}, OptionError, "arms=['add'] will not do. Expected two or more names, each once."),
        ({"pairs": 1}, OptionError, "pairs=1 is out of range. Expected 2 or more; fewer than 4 decide nothing."),
        ({"margin": 1}, OptionError,
         "margin=1 is out of range. Expected a share of the loss, at least 0 and below 1."),
        ({"stop": "soon"}, OptionError, "stop='soon' does not exist. Expected one of fixed, sequential."),
        ({"design": "x"}, OptionError, "design='x' does not exist. Expected one of factorial, one-at-a-time."),
        ({"resample": "x"}, OptionError, "resample='x' does not exist. Expected one of data."),
        ({"budgets": "time"}, OptionError,
         "budget 'time' does not exist. Expected one of widths, parameters, multiply_adds."),
        ({"budgets": ()}, OptionError, "budgets=[] will not do. Expected one or more names, each once."),
        ({"learning_rates": (0,)}, OptionError,
         "learning_rates=[0] will not do. Expected factors above 0, such as 0.5."),
        ({"steps": 0}, OptionError, "steps=0 is out of range. Expected 1 or more."),
        ({"seed": -1}, OptionError, "seed=-1 is out of range. Expected 0 or more."),
    ],
)  # fmt: skip
def test_options_that_will_not_do(options, error, text):
    with pytest.raises(error) as caught:
        addcat.compare(**options)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"sites": "merg"}, SiteError,
         "'merg' is neither a merge nor a family of this model. Nearest: 'merge'. `inspect` lists every merge."),
        ({"sites": []}, SiteError, "No site was named. Leave sites out to compare by family: fusion."),
        ({"arms": ("add", "more")}, OptionError,
         "'more' is not a rung. Expected drop, add, scale, channel_scale, low_rank:R (R = 1, 2, ...) or concat."),
        ({"data": (DATA[0], None)}, DataError,
         "The data have no labels, and a verdict needs a loss. Pass (x, y)."),
        ({"validation": ([part[:5] for part in HELD[0]], HELD[1][:5])}, DataError,
         "5 examples to judge on are too few; 10 are needed at least, and some hundred to decide anything but large "
         "gains."),
    ],
)  # fmt: skip
def test_models_and_data_that_will_not_do(options, error, text):
    with pytest.raises(error) as caught:
        addcat.compare(**{"model": compiled(), "data": DATA, "validation": HELD, **options})
    assert str(caught.value) == text


def test_a_model_without_a_merge_and_a_design_that_will_not_do():
    plain = keras.Sequential([Input((4,)), layers.Dense(1)])
    with pytest.raises(ModelError) as caught:
        addcat.compare(plain, (DATA[0][0], DATA[1]))
    assert str(caught.value) == "The model has no Add or Concatenate that could be the other one: nothing to compare."
    for options, text in (
        ({"arms": ("add", "scale", "concat")},
         "A factorial design has two arms, and 3 were given. Ask one question at a time (sites)."),
        ({"stop": "sequential"},
         "A factorial design runs all its pairs: stop='sequential' is for one question."),
        ({"budgets": "parameters"}, "budgets is for one question. Name one site or one family (sites)."),
    ):  # fmt: skip
        with pytest.raises(OptionError) as caught:
            addcat.compare(two_merges(), DATA, validation=HELD, **options)
        assert str(caught.value) == text


def test_a_build_function_that_fails():
    def broken(arm):
        raise KeyError(arm)

    with pytest.raises(ModelError) as caught:
        addcat.compare(broken, train=train)
    assert str(caught.value) == "build('add') raised KeyError: 'add'. Correct the function."


def test_every_arm_is_tuned_alike(tmp_path):
    """With a rate far too small, both arms take the largest factor; the trials that chose are kept."""
    net = keras.models.clone_model(encoded_pair("add"))
    net.compile(keras.optimizers.SGD(1e-3), "mean_squared_error")
    options = {"validation": HELD, "steps": 40, "pairs": 2, "store": tmp_path / "trials.db"}
    found = addcat.compare(net, DATA, learning_rates=(1, 100), **options)
    assert found.notes[-2] == (
        "Learning rates tuned alike for every arm on 2 seeds, of x1, x100, by 40 of the examples to train on: "
        "add x100, concat x100."
    )
    tried = {key.arm for key in Store(tmp_path / "trials.db").trials()}
    assert tried == {"add", "concat"} | {f"{arm}, learning rate x{r}" for arm in ("add", "concat") for r in (1, 100)}
    slow = addcat.compare(net, DATA, **{**options, "store": None})
    assert found.arms[0].loss < slow.arms[0].loss


MADE = {
    "activation": {"activation": "tanh"}, "initialiser": {"kernel_initializer": "zeros"},
    "penalty": {"kernel_regularizer": "l2"}, "constraint": {"kernel_constraint": "non_neg"},
}  # fmt: skip


def settings(rate=0.2, inner=0.1, **options):
    i = Input((4,), name="x")
    nested = keras.Sequential([Input((4,)), layers.Dropout(inner)], name="nested")
    hidden = layers.Dense(4, name="hidden", **options)(layers.Dropout(rate)(nested(i)))
    return digest_of_settings(read(keras.Model(i, hidden, name="net")))


@pytest.mark.parametrize("options", [*MADE.values(), {"rate": 0.3}, {"inner": 0.3}], ids=[*MADE, "rate", "nested"])
def test_whatever_a_layer_was_made_with_tells_one_store_from_another(options):
    assert settings() == settings()
    assert settings(**options) != settings()


def test_a_layer_that_does_not_say_how_it_was_made_has_no_settings():
    class Silent(layers.Layer):
        def __init__(self):
            super().__init__(name="silent")

        def call(self, x):
            return x

        def get_config(self):
            raise RuntimeError("no")

    i = Input((4,), name="x")
    assert read(keras.Model(i, Silent()(i))).nodes["silent"].native.settings == ""


def test_a_store_is_refused_where_dropout_differs(tmp_path):
    def net(rate):
        i, j = Input((4,), name="x"), Input((4,), name="y")
        encode = layers.Dense(3, name="encoder")
        merged = layers.Add(name="merge")([encode(i), encode(j)])
        made = keras.Model([i, j], layers.Dense(1, name="head")(layers.Dropout(rate, name="drop")(merged)), name="net")
        made.compile("sgd", "mse")
        return made

    store = tmp_path / "store.db"
    addcat.compare(net(0.1), DATA, validation=HELD, steps=2, pairs=2, store=store)
    with pytest.raises(DataError, match=r"(?s)What differs:\n  settings of layers: "):
        addcat.compare(net(0.2), DATA, validation=HELD, steps=2, pairs=2, store=store)
