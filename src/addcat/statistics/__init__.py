"""What paired differences say, and how surely.

- `interval`: an estimate with its interval, and how independent sources of noise combine.
- `paired`: t and BCa intervals and the sign-flip test, for a number of pairs fixed in advance.
- `sequential`: intervals that stay valid however often one looks; `few_pairs` for a few dear pairs.
- `posterior`: odds and regrets for somebody who has to choose; effect sizes; several questions at once.
- `factorial`: many questions from the same runs.
- `score`: tests of whether mean scores are zero that hold for networks that are not at a maximum.
"""

from addcat.statistics.factorial import Effect, balanced_design, interactions, main_effects, total_effect
from addcat.statistics.few_pairs import few_pairs_interval
from addcat.statistics.interval import Interval, Noise, combined_interval, crossed_interval, satterthwaite
from addcat.statistics.paired import bca_interval, pairs_needed, sign_flip, smallest_p, t_interval
from addcat.statistics.posterior import Odds, effect_size, holm, odds, paired_odds
from addcat.statistics.score import ScoreTest, direction_test, score_test
from addcat.statistics.sequential import anytime_interval, e_value

__all__ = [
    "Effect",
    "Interval",
    "Noise",
    "Odds",
    "ScoreTest",
    "anytime_interval",
    "balanced_design",
    "bca_interval",
    "combined_interval",
    "crossed_interval",
    "direction_test",
    "e_value",
    "effect_size",
    "few_pairs_interval",
    "holm",
    "interactions",
    "main_effects",
    "odds",
    "paired_odds",
    "pairs_needed",
    "satterthwaite",
    "score_test",
    "sign_flip",
    "smallest_p",
    "t_interval",
    "total_effect",
]
