"""`advise`, end to end: verdicts of tiny networks whose answer is known, and every mistake a user can make."""

import json

import numpy as np
import pytest
import small
from networks import Input, keras, layers, network
from problems import encoded_pair, linear_pair, set_weights, two_inputs

import addcat
from addcat.errors import DataError, OptionError, SiteError
from addcat.verbs.advise import EFFORTS, Advice, Gain, Verdict

ENCODER = (np.eye(4)[:, :3], np.zeros(3))
FIRST = np.array([[1.0], [0.0], [0.0]])


def ordered(x, y):
    return x[:, 0] - y[:, 0]


def arrays(examples):
    inputs = list(examples.inputs)
    return inputs if len(inputs) > 1 else inputs[0], examples.targets[0]


DATA = arrays(two_inputs(300, ordered, noise=0.1, seed=1))
HELD = arrays(two_inputs(150, ordered, noise=0.1, seed=2))


def compiled(net, steps=60):
    """A copy that says how it was trained: Adam, so many steps."""
    copy = keras.models.clone_model(net)
    copy.set_weights(net.get_weights())
    copy.compile(keras.optimizers.Adam(0.05), "mse")
    copy.optimizer.iterations.assign(steps)
    return copy


@pytest.fixture(scope="module")
def add():
    """Adds x_0 and y_0, and should subtract them."""
    return compiled(set_weights(encoded_pair("add"), encoder=ENCODER, head=(FIRST, [0.0])))


@pytest.fixture(scope="module")
def advised(add):
    """The default effort on that network up to full pairs, with what it told and the state of everything before."""
    said, before = [], (small.state(add), [a.copy() for a in (*DATA[0], DATA[1])])
    found = addcat.advise(
        add, DATA, validation=HELD, budget="30x", regret=1e-9, progress=lambda *told: said.append(told)
    )
    return found, said, before


def test_the_verdict_of_a_target_that_minds_the_order(advised):
    found, _, _ = advised
    assert isinstance(found, Advice)
    (verdict,) = found.verdicts
    assert isinstance(verdict, Verdict)
    assert (verdict.site, verdict.sites, verdict.now, verdict.choice) == ("merge", ("merge",), "add", "concat")
    assert (verdict.question, verdict.certain) == ("merge 'merge'", True)
    assert verdict.probability > 0.9
    assert verdict.regret.share < 0.005
    assert isinstance(verdict.gain, Gain)
    assert verdict.gain.estimate == pytest.approx(2, rel=0.35)
    assert verdict.margin == pytest.approx(0.02 * verdict.loss)
    assert verdict.loss == pytest.approx(2, rel=0.35)
    assert (verdict.price.now.parameters, verdict.price.after.parameters) == (4, 7)
    assert [one.method for one in verdict.evidence] == ["structure", "order", "kernel", "heads", "retrain"]
    assert [look.method for look in verdict.looks][:4] == ["structure", "order", "kernel", "heads 40 %"]
    assert verdict.reason.startswith("Concatenate lowers the loss by +")
    assert verdict.reason.endswith(" trained anew over 4 pairs.")
    assert verdict.command == "addcat switch MODEL --set merge=concat -o switched.keras"


def test_what_else_advice_says(advised):
    found, said, _ = advised
    assert found.model == "encoded_add"
    assert found.loss == "mean_squared_error, of the compiled model"
    assert found.examples == (300, 150)
    assert found.notes[0] == (
        "Training recipe: Adam as compiled, learning rate 0.0500, 60 steps as it was trained. Batches of 32 are "
        "assumed: if it was trained by others, say batch_size= (--batch-size)."
    )
    assert found.notes[1].startswith("The network is past its best: ")  # x_0 + y_0 says nothing about x_0 - y_0
    assert found.notes[2].startswith("The model's loss of ")
    assert len(found.notes) == 3
    assert found.budget == "30.0x"
    assert 8 < found.trainings == found.verdicts[0].looks[-1].trainings < 12
    assert [merge.site for merge in found.inspection.merges] == ["merge"]
    told = ["merge: order", "merge: kernel", "merge: training 4 pairs", "merge: training 4 pairs"]
    assert [words for words, _, _ in said] == told
    seconds = [spent for _, spent, _ in said]
    assert seconds == sorted(seconds)


@pytest.mark.parametrize(("budget", "trainings"), [("0.05x", 0.05), ("0.5x", 0.5), ("1x", 1.0)])
@pytest.mark.parametrize("merge", ["add", "concat"])
def test_never_more_than_asked_and_always_an_answer(add, merge, budget, trainings):
    head = (np.r_[FIRST, -FIRST], [0.0])
    net = add if merge == "add" else set_weights(encoded_pair("concat"), encoder=ENCODER, head=head)
    found = addcat.advise(compiled(net, 200), DATA, validation=HELD, budget=budget, seed=3)
    (verdict,) = found.verdicts
    assert 0 < found.trainings <= trainings
    assert verdict.choice in ("add", "concat")
    assert 0 < verdict.regret.share < 1
    assert sum((verdict.odds.add, verdict.odds.either, verdict.odds.concat)) == pytest.approx(1)
    assert verdict.looks[-1].trainings <= found.trainings


def test_json_says_the_same(advised):
    found, _, _ = advised
    read = json.loads(json.dumps(found.to_dict()))
    verdict = found.verdicts[0]
    assert read["verdicts"][0]["gain"]["estimate"] == verdict.gain.estimate
    assert read["verdicts"][0]["probability"] == verdict.probability
    assert read["verdicts"][0]["evidence"][2] == json.loads(json.dumps(verdict.evidence[2].to_dict()))
    assert read["verdicts"][0]["price"]["after"]["parameters"] == 7
    assert (read["loss"], read["notes"]) == (found.loss, list(found.notes))


def test_model_and_data_stay_what_they_were(advised, add):
    _, _, (before, copies) = advised
    small.assert_untouched(add, before)
    assert int(add.optimizer.iterations.numpy()) == 60
    assert all(np.array_equal(a, b) for a, b in zip((*DATA[0], DATA[1]), copies, strict=True))


def test_the_switch_that_was_advised_can_be_made(advised, add):
    site = advised[0].verdicts[0].site
    switched = addcat.switch(add, {site: "concat"}).model
    found = addcat.advise(switched, DATA, validation=HELD, effort="structure")
    assert found.verdicts[0].now == "concat"


@pytest.mark.parametrize("effort", [effort for effort in EFFORTS if effort not in ("auto", "retrain", "swap", "tie")])
def test_a_named_effort_runs_that_method_and_structure(add, effort):
    (verdict,) = addcat.advise(add, DATA, validation=HELD, effort=effort).verdicts
    assert [one.method for one in verdict.evidence] == list(dict.fromkeys(["structure", effort]))
    assert (verdict.choice, verdict.certain) == ("concat", False)
    if effort in ("structure", "forward"):
        assert verdict.reason.startswith("Take Concatenate, with a probability of ")
    else:
        assert f"judged by {effort}" in verdict.reason


def test_swap_of_a_concatenate(add):
    net = set_weights(encoded_pair("concat"), encoder=ENCODER, head=(np.r_[FIRST, -FIRST], [0.0]))
    found = addcat.advise(net, DATA, validation=HELD, effort="swap")
    (verdict,) = found.verdicts
    assert verdict.evidence[1].estimate > 5
    assert not verdict.certain
    assert found.notes[0].startswith(
        "Training recipe: AdamW, cosine decay over 1500 steps (the model is not compiled). "
    )
    assert len(found.notes) == 1  # it is trained


def test_without_validation_the_data_are_split_by_the_seed(add):
    first, again, other = (addcat.advise(add, DATA, effort="refit", seed=seed) for seed in (0, 0, 1))
    assert first.examples == (210, 90)
    assert first.notes[1] == "No validation data were given: 90 examples of the data were put aside to judge on."
    figures = [one.verdicts[0].evidence[1].estimate for one in (first, again, other)]
    assert figures[0] == figures[1] != figures[2]


def four_inputs():
    """Two Adds that should both subtract, each with an output of its own."""
    keras.utils.set_random_seed(0)
    inputs = [Input((4,), name=name) for name in "xyzw"]
    outputs = []
    for n, (a, b) in enumerate((inputs[:2], inputs[2:])):
        encoder = layers.Dense(3, name=f"encoder{n}")
        merged = layers.Add(name=f"merge{n}")([encoder(a), encoder(b)])
        outputs.append(layers.Dense(1, name=f"head{n}")(merged))
    return compiled(keras.Model(inputs, outputs, name="four"))


def test_merges_are_asked_about_by_families_and_alone_where_they_are_named():
    net, rng = four_inputs(), np.random.default_rng(0)
    x = rng.normal(size=(4, 400, 4)).astype("float32")
    y = [ordered(x[0], x[1])[:, None], ordered(x[2], x[3])[:, None]]
    data, held = (list(x[:, :250]), [t[:250] for t in y]), (list(x[:, 250:]), [t[250:] for t in y])
    found = addcat.advise(net, data, validation=held, budget="12x", regret=1e-7)
    (verdict,) = found.verdicts
    assert (verdict.site, verdict.sites, verdict.choice) == ("fusion", ("merge0", "merge1"), "concat")
    assert verdict.question == "the 2 fusion merges together"
    assert verdict.gain.estimate == pytest.approx(4, rel=0.3)  # both losses fall
    assert verdict.command == "addcat switch MODEL --set merge0=concat --set merge1=concat -o switched.keras"
    assert 8 < found.trainings <= 12
    assert found.loss == "mean_squared_error, mean_squared_error, of the compiled model"
    both = addcat.advise(net, data, validation=held, sites=["merge1", "merge0"], budget="0.2x")
    assert [v.sites for v in both.verdicts] == [("merge1",), ("merge0",)]
    assert both.trainings <= 0.2
    one = addcat.advise(net, data, validation=held, sites=["merge1"], effort="forward")
    assert [v.site for v in one.verdicts] == ["merge1"]


def test_a_disguised_merge_costs_nothing_to_advise_on():
    net = set_weights(linear_pair("concat", 4), head=([[1.0], [2.0], [3.0], [4.0]] * 2, [0.0]))
    (verdict,) = addcat.advise(net, DATA, validation=HELD).verdicts
    assert (verdict.choice, verdict.gain, len(verdict.evidence)) == ("add", None, 1)
    assert verdict.reason == "This Concatenate already computes an Add, and Add is the cheaper way to write it."
    assert verdict.command == "addcat switch MODEL --set merge=add -o switched.keras"


def test_a_model_without_merges():
    x = Input((4,), name="x")
    net = keras.Model(x, layers.Dense(1)(x), name="plain")
    found = addcat.advise(net, (DATA[0][0], DATA[1]), validation=(HELD[0][0], HELD[1]))
    assert found.verdicts == ()


def test_an_untrained_model_is_noted():
    net = set_weights(linear_pair("add", 4), head=(np.zeros((4, 1)), [0.0]))
    found = addcat.advise(net, DATA, validation=HELD, effort="structure", loss="mae")
    value = np.abs(HELD[1]).mean()
    assert found.loss == "mean_absolute_error, given"
    assert found.notes[1] == (
        f"The model's loss of {value:.3g} would be no higher with the labels shuffled, so it is untrained, or the "
        "targets do not depend on what it can see. What is measured from here says little."
    )


def error(*args, **options):
    with pytest.raises((DataError, OptionError, SiteError)) as caught:
        addcat.advise(*args, **options)
    return type(caught.value), str(caught.value)


def test_options_out_of_range(add):
    assert error(add, DATA, seed=-1) == (OptionError, "seed=-1 is out of range. Expected 0 or more.")
    assert error(add, DATA, effort="all") == (
        OptionError,
        "effort='all' does not exist. Expected one of auto, structure, forward, order, swap, kernel, score, tie, "
        "heads, refit, finetune, retrain.",
    )
    for margin in (-0.1, 1, float("nan")):
        assert error(add, DATA, margin=margin) == (
            OptionError,
            f"margin={margin} is out of range. Expected a share of the loss, at least 0 and below 1.",
        )
    for regret in (-0.1, 1, float("nan")):
        assert error(add, DATA, regret=regret) == (
            OptionError,
            f"regret={regret} is out of range. Expected a share of the loss, at least 0 and below 1.",
        )
    assert error(add, DATA, budget="soon") == (
        OptionError,
        "budget='soon' is no budget. Expected a number above 0 with a unit: 0.5x (trainings of the given network), "
        "90s, 10min or 2h.",
    )


def test_sites_that_are_none(add):
    assert error(add, DATA, sites=["merg"]) == (
        SiteError,
        "'merg' is not a merge of this model. Nearest: 'merge'. `inspect` lists every merge.",
    )
    x = Input((4,), name="x")
    plain = keras.Model(x, layers.Dense(1)(x), name="plain")
    assert error(plain, (DATA[0][0], DATA[1]), sites=["merge"]) == (
        SiteError,
        "'merge' is not a merge of this model. It has none. `inspect` lists every merge.",
    )
    times = keras.Model(x, layers.Dense(1)(layers.Multiply(name="gate")([x, layers.Dense(4)(x)])))
    assert error(times, (DATA[0][0], DATA[1]), sites=["gate"]) == (
        SiteError,
        "'gate' cannot be advised on: Multiply 'gate' is neither an Add nor a Concatenate [AC108].",
    )


def test_data_that_do_not_serve(add):
    assert error(add, DATA[0]) == (DataError, "The data have no labels, and a verdict needs a loss. Pass (x, y).")
    assert error(add, DATA, validation=HELD[0]) == (
        DataError,
        "The validation data have no labels, and a verdict needs a loss. Pass (x, y).",
    )
    assert error(add, ([a[:19] for a in DATA[0]], DATA[1][:19]), validation=HELD) == (
        DataError,
        "19 examples to fit on are too few; 20 are needed at least, and some hundred to decide anything but large "
        "gains.",
    )
    assert error(add, DATA, validation=([a[:9] for a in HELD[0]], HELD[1][:9])) == (
        DataError,
        "9 examples to judge on are too few; 10 are needed at least, and some hundred to decide anything but large "
        "gains.",
    )
    assert error(add, (DATA[0], DATA[1][:, [0, 0]])) == (
        DataError,
        "mean_squared_error: targets have shape (2,) for each example, expected targets of shape (1,).",
    )


def test_labels_that_the_network_has_no_class_for():
    net = linear_pair("add", 4, 3)
    labels = np.arange(300) % 3
    bad = np.where(np.arange(150) == 70, 3, 0)
    assert error(net, (DATA[0], labels), validation=(HELD[0], bad)) == (
        DataError,
        "sparse_categorical_crossentropy from logits: labels reach from 0 to 3, the output has 3 classes (0 to 2).",
    )


def test_weights_that_are_not_finite():
    net = set_weights(linear_pair("add", 4), head=(np.full((4, 1), np.nan), [0.0]))
    assert error(net, DATA) == (
        DataError,
        "The model's loss on the data is nan: its activations or the loss are not finite. "
        "Check the inputs, the labels and the weights before asking for a verdict.",
    )


def test_a_method_that_does_not_apply_is_an_error(add):
    text = "'merge' is an Add, which no exchange of branches can change; 'swap' asks Concatenates."
    assert error(add, DATA, effort="swap", sites="merge") == (DataError, text)


def test_a_method_that_does_not_apply_is_passed_over_where_no_site_was_named(add):
    (verdict,) = addcat.advise(add, DATA, effort="swap").verdicts
    assert not verdict.certain
    assert verdict.path[-1].startswith("'merge' is an Add")


def test_nested_merges_are_advised_on():
    net = network("nested")
    x = np.random.default_rng(0).normal(size=(60, 8, 8, 4)).astype("float32")
    found = addcat.advise(net, (x, np.arange(60) % 2), effort="forward")
    assert [verdict.site for verdict in found.verdicts] == ["middle/inner/inner_add"]
    assert 0 < found.verdicts[0].evidence[1].estimate < 1


def test_targets_of_a_dict_of_outputs_are_matched_by_name():
    x = Input((4,), name="x")
    merged = layers.Add(name="merge")([x, layers.Dense(4, name="branch")(x)])
    heads = {"zeta": layers.Dense(1, name="p")(merged), "alpha": layers.Dense(2, name="q")(merged)}
    net = keras.Model(x, heads)
    rng = np.random.default_rng(0)
    inputs, zeta, alpha = (rng.normal(size=(100, size)).astype("float32") for size in (4, 1, 2))
    found = addcat.advise(net, (inputs, {"zeta": zeta, "alpha": alpha}), effort="structure")
    assert found.loss == "mean_squared_error, mean_squared_error, inferred from the targets"
    text = "The model's outputs are written 'zeta', 'alpha' and counted 'alpha', 'zeta', so a list of targets could be "
    assert error(net, (inputs, [zeta, alpha]), effort="structure") == (
        DataError,
        f"{text}meant in either order. Pass a dict of targets by these names.",
    )


def test_a_recipe_takes_the_size_of_batches():
    model = small.dense_net()
    model.compile("adam", "mse")
    batches = [(np.ones((5, 4), "float32"), np.ones((5, 3), "float32"))] * 6
    (note,) = [note for note in addcat.advise(model, batches, validation=batches, plan=True).notes if "recipe" in note]
    assert note == (
        "Training recipe: Adam as compiled, learning rate 0.00100, 1500 steps. 1500 steps are assumed: if it was "
        "trained for longer or shorter, say epochs= (--epochs)."
    )
