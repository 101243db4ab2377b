"""From evidence to a verdict: each rule, each reason as it is read."""

import numpy as np
import pytest
from advices import evidence
from problems import encoded_pair, linear_pair, problem, two_inputs

from addcat.verbs.advise.climb import Climb
from addcat.verbs.advise.verdict import verdict_of

DATA = two_inputs(20, lambda x, y: x[:, 0])
FACTS = {"equal_power": False, "shared_branches": False, "disguised": False}


def structure(**facts):
    return evidence("structure", "fact", None, None, None, unit="", n=0, **{**FACTS, **facts})


def decided(*found, merge="add", margin=0.02, path=(), **facts):
    site = problem(linear_pair(merge, 4), DATA, DATA)
    return verdict_of(site, Climb([structure(**facts), *found], list(path)), margin, 0.8)


def retrained(choice, estimate, low, high, n=8):
    return evidence("retrain", "trained anew", estimate, low, high, n=n, choice=choice, reference_loss=0.5)


@pytest.mark.parametrize(
    ("merge", "choice", "gain", "reason", "command"),
    [
        (
            "add", "concat", (0.1, 0.06, 0.14),
            "Concatenate lowers the loss by +0.100 [+0.0600, +0.140], 20 % of Add's 0.500, trained anew over 8 pairs, "
            "for 4 parameters more.",
            "addcat switch MODEL --set merge=concat -o switched.keras",
        ),
        (
            "concat", "concat", (0.1, 0.06, 0.14),
            "Concatenate lowers the loss by +0.100 [+0.0600, +0.140], 20 % of Add's 0.500, trained anew over 8 pairs, "
            "for 4 parameters more.",
            "",
        ),
        (
            "concat", "add", (0.001, -0.003, 0.005),
            "Concatenate gains too little to pay for itself, +0.00100 [-0.00300, +0.00500] against a margin of 0.0100, "
            "trained anew over 8 pairs; Add saves 4 parameters.",
            "addcat switch MODEL --set merge=add -o switched.keras",
        ),
        (
            "add", "add", (-0.02, -0.03, -0.01),
            "Concatenate does worse, -0.0200 [-0.0300, -0.0100] against a margin of 0.0100, trained anew over 8 pairs; "
            "Concatenate would cost 4 parameters.",
            "",
        ),
        (
            "add", "undecided", (0.02, -0.01, 0.05),
            "Undecided: Concatenate gains +0.0200 [-0.0100, +0.0500] against a margin of 0.0100, trained anew over 8 "
            "pairs; more time (time_limit) would narrow it.",
            "",
        ),
    ],
)  # fmt: skip
def test_training_anew_decides(merge, choice, gain, reason, command):
    found = decided(retrained(choice, *gain), merge=merge)
    assert (found.choice, found.now, found.reason, found.command) == (choice, merge, reason, command)
    assert (found.gain.estimate, found.gain.low, found.gain.high) == gain
    assert (found.loss, found.margin) == (0.5, pytest.approx(0.01))


def test_training_anew_outweighs_what_a_switch_would_do_from_here():
    from_here = evidence("finetune", "from here", 0.3, 0.2, 0.4, reference_loss=0.6)
    assert decided(from_here, retrained("add", 0.0, -0.005, 0.005)).choice == "add"


@pytest.mark.parametrize("method", ["score", "refit", "finetune"])
def test_a_gain_from_here_speaks_for_concatenate_and_its_absence_for_nothing(method):
    found = decided(evidence(method, "from here", 0.3, 0.2, 0.4, reference_loss=0.6))
    assert (found.choice, found.gain.estimate) == ("concat", 0.3)
    assert found.reason == (
        f"Concatenate lowers the loss by +0.300 [+0.200, +0.400], 50 % of Add's 0.600, from here ({method}), "
        "for 4 parameters more."
    )
    found = decided(evidence(method, "from here", 0.0, -0.001, 0.001, reference_loss=0.6))
    assert (found.choice, found.command) == ("undecided", "")
    assert found.reason == (
        f"Undecided: Concatenate gains 0 [-0.00100, +0.00100] against a margin of 0.0120, from here ({method}); "
        "that is no evidence for Add either."
    )


def test_the_most_faithful_method_speaks():
    ladder = [
        evidence(method, "from here", gain, gain - 0.01, gain + 0.01, reference_loss=0.6)
        for method, gain in (("score", 0.1), ("refit", 0.2), ("finetune", 0.3))
    ]
    for last in (1, 2, 3):
        assert decided(*ladder[:last]).gain.estimate == ladder[last - 1].estimate


def test_facts_alone_do_not_decide():
    found = decided()
    assert (found.choice, found.gain, found.loss, found.command) == ("undecided", None, 0.8, "")
    assert found.reason == "Undecided. Only facts were asked for, and facts alone do not decide."
    found = decided(path=["The time limit is reached."])
    assert found.reason == "Undecided. The time limit is reached."
    assert found.path == ("The time limit is reached.",)


def test_a_disguised_merge_is_decided_by_its_price():
    found = decided(merge="concat", disguised=True)
    assert (found.choice, found.gain) == ("add", None)
    assert found.reason == "This Concatenate already computes an Add, and Add is the cheaper way to write it."
    assert found.command == "addcat switch MODEL --set merge=add -o switched.keras"


def test_a_loss_of_zero_has_no_share():
    site = problem(encoded_pair("add"), DATA, DATA)
    anew = evidence("retrain", "trained anew", 0.0, 0.0, 0.0, n=4, choice="undecided", reference_loss=0.0)
    found = verdict_of(site, Climb([structure(), anew]), 0.02, 0.0)
    assert (found.choice, found.margin) == ("undecided", 0)


def test_networks_that_learnt_nothing_decide_nothing():
    anew = evidence(
        "retrain",
        "trained anew",
        0.1,
        0.06,
        0.14,
        n=8,
        choice="concat",
        reference_loss=0.5,
        constant_loss=0.3,
        learnt=False,
    )
    found = decided(anew)
    assert (found.choice, found.command) == ("undecided", "")
    assert found.reason == (
        "Undecided: neither network, trained anew over 8 pairs, does better than a constant output: Add reaches 0.500, "
        "Concatenate 0.400, the constant 0.300. There is nothing to decide here."
    )


@pytest.mark.parametrize(("loss", "choice"), [("mse", "undecided"), ("poisson", "concat")])
def test_more_than_all_of_a_loss_is_refused_where_it_cannot_go_below_zero(loss, choice):
    data = two_inputs(20, lambda x, y: np.abs(x[:, 0]))
    site = problem(linear_pair("add", 4), data, data, loss=loss)
    found = verdict_of(site, Climb([structure(), evidence("score", "from here", 1.1, 1.0, 1.2)], []), 0.02, 0.8)
    assert found.choice == choice
    if choice == "undecided":
        assert found.reason == (
            "Undecided: the estimate by score, +1.10, is more than all of Add's loss, 0.800, which cannot go below "
            "zero; so it says nothing."
        )
