"""The study's numbers: what a share is, what its intervals cover, and how rules are scored."""

import numpy as np
import pytest

from study.analysis import (
    choice_after,
    foretold,
    left_out,
    outcomes,
    over_values,
    proportion,
    rules_scored,
    scored,
    select,
    signs,
)
from study.facts import HALF_NAMES, ONE_TOWER, drawn, halves
from study.findings import Finding
from study.sayings import difference, mean_share, told

NAMES = ("residual/digits", "residual/boston", "views/digits-larger", "views/digits-total", "graph/wine")


def record(name, add, concat, matched, *, half_width=0.01, mismatch=0.0):
    """A task as results.json has it, from the losses of its three arms."""
    budgets = {}
    for budget, other in (("widths", concat), ("parameters", matched)):
        gain = add - other
        budgets[budget] = {
            "gain": {"estimate": gain, "low": gain - half_width, "high": gain + half_width, "level": 0.95, "n": 8},
            "verdict": "undecided",
            "probability": float(gain > 0),
            "regret": {"add": max(gain, 0.0), "concat": max(-gain, 0.0)},
            "mismatch": mismatch if budget == "parameters" else 0.0,
        }
    arms = {"add": (add, 100), "concat": (concat, 150), "concat, same parameters": (matched, 101)}
    return {
        "name": name,
        "family": name.split("/")[0],
        "examples": [800, 400],
        "arms": {arm: {"loss": loss, "parameters": count} for arm, (loss, count) in arms.items()},
        "budgets": budgets,
    }


@pytest.fixture
def results():
    losses = [(1.0, 0.8, 1.0), (1.0, 1.25, 2.0), (1.0, 0.5, 0.5), (1.0, 1.001, 1.1), (1.0, 0.9, 0.9)]
    return {"tasks": [record(name, *three) for name, three in zip(NAMES, losses, strict=True)]}


def test_a_share_is_what_the_better_merge_takes_off_the_loss_of_the_worse(results):
    wide = select(outcomes(results), budget="widths")
    assert [one.share for one in wide] == pytest.approx([0.2, -0.2, 0.5, -0.001 / 1.001, 0.1])
    assert [one.sign for one in wide] == ["concat", "add", "concat", "", "concat"]
    assert signs(wide) == {"add": 1, "concat": 3, "": 1}


def test_the_other_budget_is_of_the_narrower_arm(results):
    matched = select(outcomes(results), budget="parameters", family="residual")
    assert [one.share for one in matched] == pytest.approx([0.0, -0.5])


def test_totals_that_are_apart_are_left_out_and_said(results):
    results["tasks"][0] = record(NAMES[0], 1.0, 0.8, 0.9, mismatch=0.2)
    assert left_out(results) == ((NAMES[0], "parameters"),)
    assert len(select(outcomes(results), budget="parameters")) == 4


def test_a_merge_without_a_finite_loss_is_left_out_and_said(results):
    results["tasks"][0]["arms"]["concat"]["loss"] = None
    assert left_out(results) == ((NAMES[0], "widths"),)


@pytest.mark.parametrize("tasks", [4, 15])
@pytest.mark.parametrize("families", [1, 2])
def test_the_interval_over_tasks_covers(tasks, families):
    rng, covered = np.random.default_rng(0), 0
    strata = [str(family) for family in range(families) for _ in range(tasks)]
    for _ in range(150):
        figure = over_values([rng.normal(2 * int(family), 1) for family in strata], strata)
        covered += figure.low <= families - 1 <= figure.high
    assert 0.88 <= covered / 150 <= 0.99


def test_a_proportion_of_none_is_not_known_to_be_none():
    assert proportion(0, 36).high == pytest.approx(1 - 0.025 ** (1 / 36))
    assert proportion(36, 36).low == pytest.approx(0.025 ** (1 / 36))


def test_one_task_has_no_interval():
    assert np.isinf(over_values([0.1], ["a"]).high)


def test_a_task_that_is_hardly_known_counts_little(results):
    results["tasks"][0] = record(NAMES[0], 1.0, 0.8, 1.0, half_width=10.0)
    wide = select(outcomes(results), budget="widths")
    assert wide[0].weight < 0.001
    assert wide[1].weight > 0.99
    assert mean_share(wide).value == pytest.approx(mean_share(wide[1:]).value, abs=1e-3)


def test_the_interval_is_the_same_every_time():
    assert over_values([0.1, 0.5, -0.2], ["a", "a", "b"]) == over_values([0.1, 0.5, -0.2], ["a", "a", "b"])


def test_the_difference_of_groups_is_that_of_their_means(results):
    wide = select(outcomes(results), budget="widths")
    assert difference(wide[:2], wide[2:]).value == pytest.approx(
        mean_share(wide[:2]).value - mean_share(wide[2:]).value
    )


def test_rules_are_scored_by_tasks_with_a_winner_and_by_regret(results):
    wide = select(outcomes(results), budget="widths")
    by_name = {one.name: one for one in rules_scored(wide)}
    assert by_name["always concatenate"].right.value == pytest.approx(3 / 4)
    assert by_name["always add"].right.value == pytest.approx(1 / 4)
    assert by_name["always add"].regret.value == pytest.approx((0.2 + 0.5 + 0.1) / 5, abs=1e-3)
    assert by_name["with the results known"].regret.value == 0
    assert by_name["add a correction"].right.value == pytest.approx(3 / 4)
    assert by_name["concatenate what has an order"].right.value == pytest.approx(3 / 4)


def test_a_way_that_is_always_wrong_is_never_right(results):
    wide = select(outcomes(results), budget="widths")
    assert scored("wrong", lambda one: "add" if one.share > 0 else "concat", wide).right.value == 0


def test_what_foretells_is_scored_on_the_tasks_that_have_evidence(results):
    looks = [{"choice": "add", "trainings": 0.02}, {"choice": "concat", "trainings": 0.9}]
    values = {"add": 1.0, "concat": 2.0}
    proxies = {"parameters": values, "gradient norm": values, "SNIP": values, "synflow": {"add": 3.0, "concat": 2.0}}
    for record in results["tasks"][:2]:
        record["evidence"] = {"advise": {"looks": looks}, "proxies": proxies}
    by_name = {one.name: one for one in foretold(results, outcomes(results))}
    assert by_name["advise, a tenth of a training"].regret.value == pytest.approx(0.2 / 2, abs=1e-3)
    assert by_name["advise, one training"].right.value == pytest.approx(1 / 2)
    assert by_name["higher synflow"].regret.value == by_name["advise, a tenth of a training"].regret.value
    assert foretold({"tasks": []}, outcomes(results)) == ()


def test_the_first_look_is_free():
    looks = [{"choice": "add", "trainings": 0.5}, {"choice": "concat", "trainings": 0.6}]
    assert [choice_after(looks, spent) for spent in (0.1, 1.0)] == ["add", "concat"]


def test_halves_are_fixed_and_balanced_in_every_family():
    fixed = halves()
    families = {}
    for name in fixed:
        families.setdefault(name.split("/")[0], []).append(name)
    assert drawn(families) == fixed
    for names in families.values():
        counts = [sum(fixed[name] == half for name in names) for half in HALF_NAMES]
        assert abs(counts[0] - counts[1]) <= 1
    assert set(ONE_TOWER) <= set(fixed)


def test_a_finding_is_held_against_its_bound():
    above, below = Finding("", mean_share, above=0.0), Finding("", mean_share, below=0.0)
    figures = [over_values([value, value], ["a", "a"]) for value in (0.1, -0.1)]
    assert [above.holds(figure) for figure in figures] == ["yes", "no"]
    assert [below.holds(figure) for figure in figures] == ["no", "yes"]
    assert above.holds(over_values([0.1, -0.1], ["a", "a"])) == "open"


def test_every_saying_is_judged_by_what_was_seen(results):
    found = {one.saying: one for one in told(outcomes(results))}
    assert found["A sum cannot tell its inputs apart."].words.startswith(
        "Where one tower made both inputs and their order mattered, Concatenate led by +50 % (one task) over 1 tasks"
    )
