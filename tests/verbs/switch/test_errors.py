"""What cannot be switched: every message whole, every refusal at once, and the caller's model as it was."""

import numpy as np
import pytest
from networks import Input, layers
from small import assert_untouched, dense_net, mlp, model, state

from addcat.errors import DataError, OptionError, RefusedError, SiteError
from addcat.switches.ladder import parse_rung
from addcat.verbs.switch import switch

RUNGS = "Expected drop, add, scale, channel_scale, low_rank:R (R = 1, 2, ...) or concat."


@pytest.fixture(scope="module")
def net():
    return dense_net("add")


def message(error, call):
    with pytest.raises(error) as caught:
        call()
    return str(caught.value)


def test_a_site_that_does_not_exist(net):
    assert message(SiteError, lambda: switch(net, {"merg": "concat"})) == (
        "'merg' is not a merge of this model. Nearest: 'merge'.\n`inspect` lists every merge."
    )
    assert message(SiteError, lambda: switch(net, {"a": "concat", "merge": "add", "merge2": "add"})) == (
        "'a' is not a merge of this model. Nearest: 'merge'.\n"
        "'merge2' is not a merge of this model. Nearest: 'merge'.\n"
        "`inspect` lists every merge."
    )


@pytest.mark.parametrize("changes", [["merge"], "merge=concat", {"merge": 3}, {0: "concat"}, None])
def test_changes_that_are_no_names_and_rungs(net, changes):
    assert message(OptionError, lambda: switch(net, changes)) == (
        f"changes={changes!r} does not say which merge becomes what. Pass a dict from the names of merges to rungs, "
        'such as {"add": "concat"}.'
    )


def test_a_model_without_merges():
    x = Input((4,), name="x")
    plain = model(x, layers.Dense(2)(x))
    assert message(SiteError, lambda: switch(plain, {"add": "concat"})) == (
        "The model has no merge, so 'add' cannot be switched."
    )


@pytest.mark.parametrize(
    "text", ["sum", "", "low_rank", "low_rank:0", "low_rank:x", "low_rank:-1", "add:2", "Add", "low_rank:1.5"]
)
def test_a_rung_that_does_not_exist(net, text):
    assert message(OptionError, lambda: switch(net, {"merge": text})) == f"{text!r} is not a rung. {RUNGS}"


@pytest.mark.parametrize("text", ["drop", "add", "scale", "channel_scale", "low_rank:12", "concat"])
def test_rungs_are_written_as_they_are_read(text):
    assert parse_rung(text).text == text


def test_a_way_to_widen_that_does_not_exist(net):
    assert message(OptionError, lambda: switch(net, {"merge": "add"}, widen="crop")) == (
        "widen='crop' is not a way to widen a branch. Expected 'project' or 'pad'."
    )


def test_all_refusals_come_at_once_and_nothing_is_changed():
    x, y = Input((8, 8, 4), name="x"), Input((1, 1, 4), name="y")
    wide = layers.Add(name="wide")([x, y])
    gate = layers.Multiply(name="gate")([wide, x])
    fine = layers.Add(name="fine")([gate, x])
    net = model([x, y], layers.Conv2D(2, 1)(layers.ReLU()(layers.Concatenate(name="cat")([fine, x]))))
    before = state(net)
    with pytest.raises(RefusedError) as caught:
        switch(net, {"wide": "concat", "gate": "scale", "fine": "concat", "cat": "add"})
    lines = str(caught.value).splitlines()
    assert lines[:2] == [
        "'wide' cannot become concat: Add 'wide' broadcasts (None, 1, 1, 4) against (None, 8, 8, 4); "
        "Concatenate never does [AC102].",
        "'gate' cannot become scale: Multiply 'gate' is neither an Add nor a Concatenate [AC108].",
    ]
    assert lines[2].startswith("'cat' cannot become add: its kernel parts differ, and 're_lu")
    assert lines[2].endswith("give data, and the closest Add is fitted [AC109].")
    assert [refusal.code for refusal in caught.value.refusals] == ["AC102", "AC108", "AC109"]
    assert [refusal.site for refusal in caught.value.refusals] == ["wide", "gate", "cat"]
    assert_untouched(net, before)


def test_drop_without_data(net):
    assert message(RefusedError, lambda: switch(net, {"merge": "drop"})) == (
        "'merge' cannot become drop: what the other branches of 'merge' add is lost: "
        "give data, and the closest network is fitted [AC114]."
    )


@pytest.mark.parametrize(
    ("shapes", "reason"),
    [
        (((10,), (5, 10)), "Add 'merge' broadcasts (None, 5, 10) against (None, 10); Concatenate never does [AC102]"),
        (
            ((5, 10), (5, 1)),
            "Add 'merge' broadcasts (None, 5, 1) against (None, 5, 10); Concatenate never does [AC102]",
        ),
    ],
)
def test_a_broadcasting_add_and_other_ranks_are_refused_with_and_without_data(shapes, reason):
    inputs = [Input(shape, name=f"x{n}") for n, shape in enumerate(shapes)]
    net = model(inputs, layers.Dense(2)(layers.Add(name="merge")(inputs)))
    data = ([np.ones((8, *shape), "float32") for shape in shapes], np.zeros(8))
    for options in ({}, {"data": data}, {"fresh": True}):
        said = message(RefusedError, lambda options=options: switch(net, {"merge": "concat"}, **options))
        assert said == f"'merge' cannot become concat: {reason}."


def test_data_that_do_not_fit_the_model():
    net = mlp(3, 3)
    rows = np.zeros((20, 5), "float32")
    with pytest.raises(DataError, match="x1"):
        switch(net, {"merge": "add"}, data=([rows, np.zeros((20, 6), "float32")], np.zeros(20)))
    with pytest.raises(DataError):
        switch(net, {"merge": "add"}, data=(rows, np.zeros(20)))
    bad = rows.copy()
    bad[3, 1] = np.nan
    with pytest.raises(DataError, match="finite"):
        switch(net, {"merge": "add"}, data=([rows, bad], np.zeros(20)))


def test_a_seed_below_zero(net):
    assert message(OptionError, lambda: switch(net, {"merge": "concat"}, seed=-1)) == (
        "seed=-1 is out of range. Expected 0 or more."
    )
