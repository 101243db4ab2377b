"""What tying some members of a family says of tying them all.

Each member that is tied as well can only take more away. Where k of n members raise the log loss by r, all raise it
by n / k times as much if members are alike and their losses add. So the family's reading lies between the reading of
the k members and n / k times that, and it misses altogether where the others are of another kind.
"""

from dataclasses import replace

from addcat.evidence.readings import read_tie
from addcat.statistics.belief import Reading

LAPSE = 0.2
"""Probability that the members that were not tied are of another kind."""


def read_tie_of(rise: float, error: float, tied: int, merges: int) -> Reading:
    """What tying says where some members of a family were tied.

    Args:
        rise: Of the logarithm of the loss.
        error: Its standard error.
        tied: How many members were tied.
        merges: How many there are.

    Examples:
        >>> all_of_them, some = read_tie_of(0.1, 0.01, 4, 4), read_tie_of(0.1, 0.01, 1, 4)
        >>> all_of_them == read_tie(0.1, 0.01), some.gain == all_of_them.gain, some.upto == 4 * all_of_them.upto
        (True, True, True)
    """
    reading = read_tie(rise, error)
    if tied >= merges:
        return reading
    more = merges / tied
    low, high = reading.gain, reading.gain if reading.upto is None else reading.upto
    return replace(reading, gain=min(low, more * low), upto=max(high, more * high), lapse=max(reading.lapse, LAPSE))
