"""What evidence is expected to buy: held against what it does buy where the truth is drawn from the same belief."""

import numpy as np
import pytest

from addcat.evidence.expected import expected, of_kernel, of_order, of_pairs, of_score, of_swap, of_tie
from addcat.evidence.pairs import Stage
from addcat.evidence.readings import prior
from addcat.statistics.belief import POINTS, share_of


def test_more_pairs_buy_more():
    steps = [of_pairs(Stage("fresh", 1.0, pairs), examples=1000) for pairs in (4, 8, 16, 32)]
    bought = expected(prior(), steps)
    regrets = [one.regret for one in bought]
    assert regrets == sorted(regrets, reverse=True)
    assert regrets[0] > 5 * regrets[1]
    assert all(0.5 <= one.probability <= 1 for one in bought)


def test_the_first_entry_is_the_belief_itself():
    belief = prior(shared=True)
    (before,) = expected(belief, [])
    assert before.regret == pytest.approx(min(belief.regret("add"), belief.regret("concat")))


def test_a_method_that_says_nothing_buys_nothing():
    bought = expected(prior(), [of_score(0)])
    assert bought[1].regret == pytest.approx(bought[0].regret, rel=0.2)


def test_what_is_promised_is_what_following_it_gives_away():
    """The mean regret over true gains of the choice that the belief takes is the regret that it expects."""
    belief, step, rng = prior(), of_pairs(Stage("fresh", 1.0, 4), examples=500), np.random.default_rng(3)
    given = []
    for gain in rng.choice(POINTS, 1500, p=belief.mass):
        after = belief.told(step.reads(float(gain), rng))
        choice = min(("add", "concat"), key=after.regret)
        share = float(share_of(gain))
        given.append(max(0.0, share if choice == "add" else -share))
    promised = expected(belief, [step])[1].regret
    assert np.mean(given) == pytest.approx(promised, rel=0.5)


@pytest.mark.parametrize(
    "step",
    [
        of_tie(500),
        of_kernel(1000),
        of_pairs(Stage("warm", 0.2, 2), examples=500),
        of_pairs(Stage("beside", 0.8, 1), examples=500),
    ],
)
def test_cheap_methods_buy_something(step):
    before, after = expected(prior(), [step])
    assert after.regret < 0.9 * before.regret


@pytest.mark.parametrize("step", [of_order(1000), of_swap(1000)])
def test_what_the_order_tells_buys_something_where_branches_share_weights(step):
    before, after = expected(prior(shared=True), [step])
    assert after.regret < 0.9 * before.regret
