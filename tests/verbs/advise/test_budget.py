"""Budgets: every form, every mistake."""

import math

import pytest

from addcat.errors import OptionError
from addcat.verbs.advise.budget import Budget, default_budget, parse_budget


@pytest.mark.parametrize(
    ("text", "trainings", "seconds", "words"),
    [
        ("0.05x", 0.05, math.inf, "0.0500x"),
        (" 4 x ", 4, math.inf, "4.00x"),
        ("90s", math.inf, 90, "1 min 30 s"),
        ("10min", math.inf, 600, "10 min"),
        ("1.5h", math.inf, 5400, "1 h 30 min"),
        (".5sec", math.inf, 0.5, "500 ms"),
    ],
)
def test_every_form(text, trainings, seconds, words):
    found = parse_budget(text)
    assert (found.trainings, found.seconds, found.words, found.given) == (trainings, seconds, words, True)


@pytest.mark.parametrize("text", ["", "10", "0x", "-1x", "1e9x", "nanx", "ten minutes", "5 m", "1x 2s", 3])
def test_what_is_no_budget(text):
    with pytest.raises(OptionError) as caught:
        parse_budget(text)
    assert str(caught.value) == (
        f"budget={text!r} is no budget. Expected a number above 0 with a unit: 0.5x (trainings of the given network), "
        "90s, 10min or 2h."
    )


def test_the_default_is_a_minute_or_a_quarter_of_a_training_and_ten_minutes_at_most():
    assert [default_budget(seconds) for seconds in (0, 300, 10_000)] == [
        Budget(seconds=60, given=False), Budget(seconds=75, given=False), Budget(seconds=600, given=False)
    ]  # fmt: skip
    assert Budget().words == "no limit"
