"""Tied by regression: free where the parts are equal, dear where the order is needed."""

import time
from dataclasses import replace

import numpy as np
import pytest
from networks import keras, layers
from problems import encoded_pair, examples, linear_pair, problem, set_weights, two_inputs

from addcat.doors import keras as door
from addcat.errors import DataError
from addcat.evidence.tie import fitted_by, tie
from addcat.merges import find_merges

ENCODER = (np.eye(4)[:, :3], np.zeros(3))
FIRST = np.array([[1.0], [0.0], [0.0]])


def tied(parts, target):
    data, held = two_inputs(200, target, noise=0.1, seed=1), two_inputs(100, target, noise=0.1, seed=2)
    return tie(problem(set_weights(encoded_pair("concat"), encoder=ENCODER, head=(parts, [0.0])), data, held))


def test_equal_parts_lose_nothing_and_a_difference_loses_all():
    found = tied(np.r_[FIRST, FIRST], lambda x, y: x[:, 0] + y[:, 0])
    assert found.estimate == pytest.approx(0, abs=1e-5)
    assert found.facts["log_rise"] == pytest.approx(0, abs=1e-3)
    found = tied(np.r_[FIRST, -FIRST], lambda x, y: x[:, 0] - y[:, 0])
    assert found.low > 1
    assert found.facts["log_rise"] > 4
    assert (found.method, found.question, found.unit) == ("tie", "from here", "loss")


def test_an_add_is_refused():
    data = two_inputs(40, lambda x, y: x[:, 0])
    with pytest.raises(DataError) as caught:
        tie(problem(linear_pair("add", 4), data, data))
    assert str(caught.value) == "'merge' is an Add, which is tied already; 'tie' asks Concatenates."


def chain():
    """Three Concatenates one behind the other, and their problem as a family."""
    x = keras.Input((6,), name="x")
    h = x
    for place in range(3):
        h = layers.Dense(6, name=f"d{place}")(layers.Concatenate(name=f"m{place}")([h, layers.Dense(6)(h)]))
    data = two_inputs(80, lambda x, y: x[:, 0])
    one = examples((np.concatenate(data.inputs, axis=1)[:, :6],), data.targets[0])
    made = problem(keras.Model(x, layers.Dense(1)(h)), one, one, site="m0")
    return replace(made, family=tuple(find_merges(made.root)))


@pytest.mark.parametrize("late", ["longest", "deadline"])
def test_merges_that_would_take_too_long_stay_as_they_are(monkeypatch, late):
    """The first is tied whatever it takes: its time is in the reckoning before."""
    made = chain()
    if late == "longest":
        monkeypatch.setattr("addcat.evidence.tie.LONGEST", -1.0)
    else:
        made = replace(made, deadline=time.monotonic())
    found = tie(made)
    assert (found.facts["tied"], found.facts["merges"]) == (1, 3)
    assert found.words.startswith("Tied by regression at 1 of 3 merges, without training, the loss changes by ")
    assert found.estimate == pytest.approx(tie(replace(made, family=made.family[:1])).estimate)


class Clock:
    """Time that passes only where a door makes a program or runs one."""

    def __init__(self, monkeypatch, making, running):
        self.now, self.making, self.running = 0.0, making, running
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        for name in ("probe", "losses_of"):
            monkeypatch.setattr(door, name, self.slowed(getattr(door, name)))

    def slowed(self, method):
        def slow(*args):
            self.now += self.making
            made = method(*args)
            if not callable(made):
                return made

            def run(inputs):
                self.now += self.running
                return made(inputs)

            run.put = made.put
            return run

        return slow


def fan(readers=6):
    """A Concatenate that many layers read, and one behind it."""
    x = keras.Input((6,), name="x")
    merged = layers.Concatenate(name="m0")([x, layers.Dense(6)(x)])
    read = [layers.Dense(6, activation="relu", name=f"r{place}")(merged) for place in range(readers)]
    last = layers.Concatenate(name="m1")([layers.Add(name="sum")(read), x])
    data = two_inputs(80, lambda x, y: x[:, 0])
    one = examples((np.concatenate(data.inputs, axis=1)[:, :6],), data.targets[0])
    made = problem(keras.Model(x, layers.Dense(1)(last)), one, one, site="m0")
    return replace(made, family=tuple(merge for merge in find_merges(made.root) if merge.op == "concat"))


def test_a_merge_of_many_readers_makes_two_programs(monkeypatch):
    """However many read it: making them is what takes long."""
    made = fan()
    clock = Clock(monkeypatch, making=10.0, running=0.0)
    tie(replace(made, family=made.family[:1]))
    assert clock.now == 2 * 10 + 2 * 10  # two programs, and the loss before and after


@pytest.mark.parametrize(("allowed", "tied"), [(70, 1), (100, 1), (200, 2)])
def test_tying_ends_before_the_deadline(monkeypatch, allowed, tied):
    """A reader is not begun where the readers before say that it would end too late; nor is a merge."""
    monkeypatch.setattr("addcat.evidence.tie.LONGEST", 1e9)
    clock = Clock(monkeypatch, making=5.0, running=2.0)
    found = tie(replace(fan(), deadline=float(allowed)))
    assert found.facts["tied"] == tied
    assert clock.now <= allowed


@pytest.mark.parametrize("allowed", [10, 40])
def test_a_merge_that_cannot_be_tied_in_time_is_given_up(monkeypatch, allowed):
    """After its first reader, which says how long the others would take."""
    clock = Clock(monkeypatch, making=5.0, running=2.0)
    with pytest.raises(DataError) as caught:
        tie(replace(fan(), deadline=float(allowed)))
    assert str(caught.value) == "'m0': the time does not allow to tie it."
    assert clock.now == 5 + 2 * (5 + 2) + 2 * 2  # the loss, both programs made and run once, the first reader


def test_of_a_large_family_some_members_are_tied():
    """Two of three Concatenates: the reading is of them, and reaches to three halves of it."""
    made = chain()
    some, all_of_them = tie(made, members=2), tie(made)
    assert (some.facts["tied"], some.facts["merges"], all_of_them.facts["tied"]) == (2, 3, 3)
    assert some.words.startswith("Tied by regression at 2 of 3 merges, without training, the loss changes by ")
    assert all_of_them.words.startswith("Tied by regression, without training, ")


def test_members_that_the_data_cannot_fit_are_left_out():
    x = keras.Input((8, 8, 4), name="x")
    wide = layers.Concatenate(name="wide")([layers.Conv2D(8, 1)(x), layers.Conv2D(8, 1)(x)])
    small = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 1)(wide))
    late = layers.Concatenate(name="late")([layers.Dense(8)(small), layers.Dense(8)(small)])
    merges = find_merges(door.read(keras.Model(x, layers.Dense(1)(late))))
    assert [merge.site for merge in fitted_by(merges, 10)] == ["wide"]
    assert [merge.site for merge in fitted_by(merges, 30)] == ["wide", "late"]
    assert [merge.site for merge in fitted_by(merges[1:], 1)] == ["late"]
