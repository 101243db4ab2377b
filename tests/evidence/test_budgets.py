"""Readings under one budget, read for another."""

import pytest

from addcat.evidence.budgets import believed_under, other_match
from addcat.evidence.readings import NARROWER, prior
from addcat.statistics.belief import Reading
from addcat.statistics.interval import Noise

CLEAR = {"full": Reading(0.3, Noise(0.01**2, 20))}


def test_the_other_budget():
    assert [other_match(match) for match in ("widths", "parameters", "multiply_adds")] == [
        "parameters",
        "widths",
        "widths",
    ]


@pytest.mark.parametrize("match", ["widths", "parameters"])
def test_under_its_own_budget_a_reading_stays_what_it_is(match):
    told = prior(matched=match != "widths").told(CLEAR["full"])
    found = believed_under(match, match, CLEAR, shared=False)
    assert found.mass == pytest.approx(told.mass)


def test_narrower_readers_gain_less_and_wider_ones_more():
    widths = believed_under("widths", "widths", CLEAR, shared=False).interval()
    narrower = believed_under("parameters", "widths", CLEAR, shared=False).interval()
    wider = believed_under("widths", "parameters", CLEAR, shared=False).interval()
    assert narrower.estimate < widths.estimate - NARROWER / 3
    assert wider.estimate > widths.estimate
    assert narrower.high - narrower.low > widths.high - widths.low


@pytest.mark.parametrize("name", ["tie", "heads", "warm", "tied", "fresh", "factorial"])
def test_all_but_full_pairs_is_said_at_equal_widths(name):
    seen = {name: Reading(0.3, Noise(0.01**2, 20))}
    for measured in ("widths", "parameters"):
        found = believed_under("widths", measured, seen, shared=False)
        assert found.mass == pytest.approx(prior().told(seen[name]).mass)
