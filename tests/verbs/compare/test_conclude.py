"""From trials to findings: verdicts, leans, what diverged, and how often all that is right."""

import math
from dataclasses import replace

import numpy as np
import pytest

from addcat.statistics import Interval, balanced_design
from addcat.trials.trial import Key, Trial, failed, of_curve, of_value
from addcat.verbs.compare.conclude import conclude
from addcat.verbs.compare.settings import Arm, Contrast, Factorial, Settings
from addcat.verbs.compare.verdict import noises, sequence_interval, verdict_of

CHOICES = ("add", "concat")


def settings(pairs=8, *, arms=CHOICES, **options):
    contrasts = tuple(Contrast(f"{arm} over {arms[0]}", arms[0], arm, (arms[0], arm)) for arm in arms[1:])
    given = {"margin": 0.02, "stop": "fixed", **options}
    listed = tuple(Arm(arm, arm, parameters=100 + place) for place, arm in enumerate(arms))
    return Settings("net", "model", "Add or concat?", listed, contrasts, None, tuple(range(1, pairs + 1)), **given)


def trials(values, arms=CHOICES):
    """One trial for each value of (pairs, arms)."""
    return {
        Key(arm, seed): of_value(Key(arm, seed), value)
        for seed, row in enumerate(values, 1)
        for arm, value in zip(arms, row, strict=True)
    }


def drawn(gain, pairs=8, noise=0.05, seed=0):
    random = np.random.default_rng(seed)
    return np.column_stack([np.ones(pairs), np.full(pairs, 1 - gain)]) + noise * random.normal(size=(pairs, 2))


@pytest.mark.parametrize(
    ("gain", "noise", "verdict", "lean"),
    [
        (0.3, 0.05, "concat", "concat"),
        (-0.3, 0.05, "add", "add"),
        (0.0, 0.001, "equal", None),
        (0.0, 0.1, "undecided", None),
    ],
)
def test_verdicts(gain, noise, verdict, lean):
    (found,) = conclude(settings(), trials(drawn(gain, noise=noise, seed=2))).findings
    assert found.verdict == verdict
    assert lean in (None, found.lean)
    assert 0.5 <= found.probability <= 1
    assert found.margin == pytest.approx(0.02, rel=0.1)
    assert found.p == pytest.approx(2 / 2**8) or verdict in ("equal", "undecided")


def test_it_is_short_where_it_is_only_looked_at():
    found = conclude(settings(arms=("add", "scale", "low_rank:2", "low_rank:4", "concat")), {})
    assert repr(found) == (
        "<Comparison of 'net', 0 of 8 pairs, 0 trials; scale over add: undecided, lean add 50 %; low_rank:2 over add: "
        "undecided, lean add 50 %; low_rank:4 over add: undecided, lean add 50 %; 1 more>"
    )


@pytest.mark.parametrize("pairs", [0, 1, 2, 3])
def test_fewer_than_four_pairs_decide_nothing_but_still_lean(pairs):
    found = conclude(settings(), trials(drawn(0.5, pairs, noise=0.001)))
    assert found.verdict == "undecided"
    assert found.pairs == pairs
    assert (found.findings[0].lean == "concat") == (pairs > 1)
    assert ("Fewer than 4 pairs decide nothing." in found.notes) == (pairs > 0)
    found.to_dict()


def test_pairs_count_in_their_order_whoever_was_quicker():
    values = trials(drawn(0.3))
    del values[Key("add", 6)]
    assert conclude(settings(), values).pairs == 5
    assert len(conclude(settings(), values).trials) == 10


def test_a_sequence_takes_no_more_pairs_than_it_needs():
    values = drawn(0.3, 16)
    sequential = settings(16, stop="sequential")
    found = conclude(sequential, trials(values))
    assert found.decided
    assert found.complete
    assert 4 <= found.pairs < 16
    assert found.verdict == "concat"
    again = conclude(sequential, trials(values[: found.pairs]))
    assert again.findings == found.findings
    assert not conclude(sequential, trials(values[: found.pairs - 1])).decided
    assert [look[0] for look in found.findings[0].path] == list(range(1, found.pairs + 1))


def test_a_diverged_trial_counts_against_its_arm():
    values = trials(drawn(0.3))
    clean = conclude(settings(), values).findings[0].gain.estimate
    values[Key("concat", 3)] = of_value(Key("concat", 3), math.nan)
    found = conclude(settings(), values)
    assert found.findings[0].pairs == 8
    assert found.findings[0].gain.estimate < clean - 0.05
    assert found.findings[0].differences[2] < 0
    assert found.findings[0].verdict != "concat"
    assert "concat diverged in 1 of 8 trials; each counts against it, as worse than the worst." in found.notes
    assert [(arm.diverged, arm.failed) for arm in found.arms] == [(0, 0), (1, 0)]
    assert found.to_dict()["trials"][5]["loss"] is None


def test_an_arm_that_never_trains_loses_and_one_that_both_lose_is_no_difference():
    values = trials(drawn(0.0))
    for seed in range(1, 9):
        values[Key("add", seed)] = of_value(Key("add", seed), math.inf)
    assert conclude(settings(), values).verdict == "concat"
    for seed in range(1, 9):
        values[Key("concat", seed)] = of_value(Key("concat", seed), math.nan)
    (found,) = conclude(settings(), values).findings
    assert found.differences == (0.0,) * 8


def test_a_failed_trial_leaves_its_pair_out_and_says_so():
    values = trials(drawn(0.3))
    values[Key("add", 2)] = failed(Key("add", 2), "timed out", "ended after 5 s")
    found = conclude(settings(), values)
    assert (found.pairs, found.findings[0].pairs) == (8, 7)
    assert found.notes == (
        "add gave no figure in 1 of 8 trials (timed out); their pairs are left out, and the same command runs them "
        "again.",
    )


def test_higher_may_be_better():
    """Losses are kept with their sign turned; means are shown as they are."""
    values = {key: of_value(key, -trial.loss) for key, trial in trials(drawn(0.3)).items()}
    found = conclude(settings(lower=False, unit="accuracy"), values)
    assert found.verdict == "add"
    assert found.arms[0].loss == pytest.approx(1, abs=0.1)


def test_metrics_are_reported_with_intervals():
    values = {
        key: replace(trial, metrics={"accuracy": 1 - trial.loss, "only_add": 1.0} if key.arm == "add" else
                     {"accuracy": 1 - trial.loss})
        for key, trial in trials(drawn(0.3)).items()
    }  # fmt: skip
    (one,) = conclude(settings(), values).measured
    assert (one.metric, one.finding) == ("accuracy", "concat over add")
    assert one.difference.estimate == pytest.approx(0.3, abs=0.1)
    assert one.difference.low > 0


def test_more_arms_are_adjusted_and_the_cheapest_that_will_do_is_named():
    arms = ("add", "scale", "concat")
    values = np.column_stack([np.ones(8), np.full(8, 0.701), np.full(8, 0.7)])
    values += 0.002 * np.random.default_rng(1).normal(size=values.shape)
    found = conclude(settings(arms=arms), trials(values, arms))
    assert [finding.name for finding in found.findings] == ["scale over add", "concat over add"]
    assert all(finding.p == pytest.approx(4 / 2**8) for finding in found.findings)
    assert found.cheapest == "scale"


def factorial(names, pairs):
    rows = tuple(tuple(int(sign) for sign in row) for row in balanced_design(len(names)))
    return replace(settings(pairs), arms=(), contrasts=(), factorial=Factorial(names, rows, CHOICES))


def test_a_factorial_design_answers_every_question_from_all_pairs():
    design = factorial(("a", "b", "c"), 8)
    random, values = np.random.default_rng(0), dict[Key, Trial]()
    gains = np.array([0.4, 0.0, -0.3])
    for place, seed in enumerate(design.seeds):
        row = np.array(design.factorial.rows[place % 4])
        for arm, signs in zip(design.arms_of(place), (-row, row), strict=True):
            values[Key(arm, seed)] = of_value(Key(arm, seed), 2 - signs @ gains / 2 + 0.01 * random.normal())
    assert design.arms_of(0) == ("a=add b=add c=add", "a=concat b=concat c=concat")
    found = conclude(design, values)
    assert [finding.verdict for finding in found.findings] == ["concat", "equal", "add"]
    assert [finding.gain.estimate for finding in found.findings] == pytest.approx(list(gains), abs=0.02)
    assert found.together.gain.estimate == pytest.approx(0.1, abs=0.03)
    assert len(found.interactions) == 3
    assert len(design.keys()) == 16
    few = conclude(design, {key: trial for key, trial in values.items() if key.seed <= 3})
    assert [finding.verdict for finding in few.findings] == ["undecided"] * 3
    found.to_dict()
    few.to_dict()


def test_settings_survive_json():
    import json

    for one in (settings(arms=("add", "scale", "concat")), factorial(("a", "b"), 4)):
        assert Settings.from_dict(json.loads(json.dumps(one.to_dict()))) == one


def test_single_examples_add_their_own_noise():
    """Many seeds on ten examples: the interval is no narrower than the examples allow."""
    random = np.random.default_rng(0)
    examples = random.normal(size=10)
    values = {}
    for seed in range(1, 9):
        base = 5 + random.normal(size=10) * 0.01
        for arm, losses in zip(CHOICES, (base, base - examples), strict=True):
            values[Key(arm, seed)] = of_curve(Key(arm, seed), losses[None])
    (found,) = conclude(settings(), values).findings
    expected = 2.262 * examples.std(ddof=1) / math.sqrt(10)
    assert (found.gain.high - found.gain.low) / 2 == pytest.approx(expected, rel=0.02)
    assert found.sequence.high - found.sequence.low >= found.gain.high - found.gain.low


@pytest.mark.parametrize("spread", [0.0, 0.5])
def test_the_sequence_covers_at_all_looks_with_noise_of_examples_too(spread):
    """Gains of seeds and of 20 examples vary; the interval after every one of 20 pairs."""
    random = np.random.default_rng(3)
    missed, repetitions = 0, 400
    for _ in range(repetitions):
        examples = spread * random.normal(size=20)
        single = examples + random.normal(size=(20, 1)) + 0.3 * random.normal(size=(20, 20))
        each = single.mean(axis=1)
        looks = (sequence_interval(each[:n], single[:n] if spread else None) for n in range(4, 21))
        missed += any(look.excludes(0.0) for look in looks)
    assert missed / repetitions <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / repetitions)


def test_overlapping_draws_widen_the_interval():
    each = np.array([0.1, 0.3, 0.2, 0.25])
    (plain,), (drawn_anew,) = noises(each, None), noises(each, None, 0.9)
    assert drawn_anew.variance == pytest.approx(plain.variance * (1 + 4 / 9))
    assert sequence_interval(each, None, 0.9).high > sequence_interval(each, None).high


def test_the_same_arm_twice_is_called_different_at_most_one_time_in_twenty():
    random = np.random.default_rng(5)
    different = 0
    for _ in range(300):
        values = trials(1 + 0.05 * random.normal(size=(16, 2)))
        (found,) = conclude(settings(16, stop="sequential", margin=0.0), values).findings
        different += found.differs
    assert different / 300 <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 300)


def test_an_interval_of_few_pairs_claims_nothing():
    assert verdict_of(Interval(0.5, 0.4, 0.6, 0.95, 3), 0.02, CHOICES) == "undecided"
    assert verdict_of(None, 0.02, CHOICES) == "undecided"
