"""The forest plot: one scale for all that is in units of the loss, questions apart, nothing drawn that is not known."""

import math

import pytest
from advices import KEEP, OPEN, SWITCH, evidence
from hypothesis import given
from hypothesis import strategies as st

from addcat.verbs.advise.html.forest import _ticks, forest
from addcat.verbs.advise.result import Gain


def test_questions_stand_apart_and_the_verdict_is_marked():
    last = SWITCH[-1]
    panels = forest(SWITCH, margin=0.005, gain=Gain(last.estimate, last.low, last.high))
    assert [(panel.title, panel.unit) for panel in panels] == [
        ("If trained anew", "loss"),
        ("From here", "loss"),
        ("About the network as it is", "share of variance"),
    ]
    assert [[lane.label for lane in panel.lanes] for panel in panels] == [["retrain"], ["score", "refit"], ["forward"]]
    assert [lane.final for panel in panels for lane in panel.lanes] == [True, False, False, False]
    assert [lane.stands for panel in panels for lane in panel.lanes] == ["above", "across", "above", ""]
    assert panels[0].lanes[0].interval == "[+0.0341, +0.0835]"


def test_panels_in_loss_share_zero_and_margin():
    anew, here, fact = forest(SWITCH, margin=0.005)
    assert (anew.zero, anew.margin, anew.ticks) == (here.zero, here.margin, here.ticks)
    assert fact.margin is None
    assert [text for _, text in fact.ticks] == ["0", "0.5", "1"]


def test_below_the_margin():
    (panel,) = forest(KEEP, margin=0.005)
    assert panel.lanes[0].stands == "below"
    assert panel.lanes[0].low < panel.zero < panel.lanes[0].high < panel.margin


def test_an_endless_interval_is_cut_and_squeezes_nothing():
    anew, here = forest(OPEN, margin=0.005)
    (lane,) = anew.lanes
    assert (lane.cut_low, lane.cut_high, lane.interval) == (True, True, "[-0.410, +inf]")
    assert not here.lanes[0].cut_low
    assert not here.lanes[0].cut_high
    assert here.lanes[0].high - here.lanes[0].low > 25


def test_what_has_no_figure_is_not_drawn():
    assert forest([evidence("structure", "fact", None, None, None, unit="")]) == []
    assert forest([evidence("retrain", "trained anew", math.nan, math.nan, math.nan)]) == []


def test_an_estimate_without_an_interval_is_a_point():
    ((lane,),) = (panel.lanes for panel in forest([evidence("refit", "from here", 0.1, None, None)], margin=0.01))
    assert (lane.low, lane.high, lane.interval, lane.stands) == (lane.middle, lane.middle, "-", "")


@pytest.mark.parametrize(
    ("low", "high", "stands"),
    [(0.3, 0.5, "above"), (0.2, 0.5, "across"), (0.1, 0.2, "across"), (0.1, 0.15, "below"), (None, None, "")],
)
def test_an_interval_that_ends_on_the_margin_lies_across_it(low, high, stands):
    """As verdicts count: what is not beyond the margin has not cleared it."""
    (panel,) = forest([evidence("refit", "from here", 0.3, low, high)], margin=0.2)
    assert panel.lanes[0].stands == stands


FIGURE = st.floats(-1e6, 1e6)


@given(FIGURE, st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 1e3))
def test_every_lane_is_in_order_and_inside(estimate, below, above, margin):
    found = evidence("refit", "from here", estimate, estimate - below, estimate + above)
    (panel,) = forest([found], margin=margin)
    (lane,) = panel.lanes
    assert 0 <= lane.low <= lane.middle <= lane.high <= 100
    assert 0 <= panel.zero <= panel.margin <= 100
    assert all(0 <= at <= 100 for at, _ in panel.ticks)


@given(st.floats(1e-9, 1e9), st.floats(0, 1))
def test_ticks_are_few_round_and_hold_zero(reach, share):
    found = _ticks(-share * reach, reach)
    assert 0.0 in found
    assert 2 <= len(found) <= 13
    assert found == sorted(set(found))
    for value in found:
        mantissa = abs(value) / 10 ** math.floor(math.log10(abs(value))) if value else 0
        assert mantissa == pytest.approx(round(mantissa), abs=1e-6)
