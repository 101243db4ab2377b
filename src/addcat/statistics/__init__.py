"""What paired differences say, and how surely.

- `interval`: an estimate with its interval, and how independent sources of noise combine.
- `paired`: t and BCa intervals and the sign-flip test, for a number of pairs fixed in advance.
- `sequential`: intervals that stay valid however often one looks.
- `score`: tests of whether mean scores are zero that hold for networks that are not at a maximum.
"""

from addcat.statistics.interval import Interval, Noise, combined_interval, crossed_interval, satterthwaite
from addcat.statistics.paired import bca_interval, pairs_needed, sign_flip, smallest_p, t_interval
from addcat.statistics.score import ScoreTest, direction_test, score_test
from addcat.statistics.sequential import anytime_interval, e_value

__all__ = [
    "Interval",
    "Noise",
    "ScoreTest",
    "anytime_interval",
    "bca_interval",
    "combined_interval",
    "crossed_interval",
    "direction_test",
    "e_value",
    "pairs_needed",
    "satterthwaite",
    "score_test",
    "sign_flip",
    "smallest_p",
    "t_interval",
]
