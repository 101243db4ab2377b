"""What readings under one budget say under another: equal widths, or as many parameters in both arms.

Where Concatenate gains at equal widths and not at equal parameters, its gain is its parameters'. A second ladder would
measure that; readings of the first already say something of it, by the same shift and spread as the rest of the rule.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from addcat.evidence.readings import FULLY, LOOSER, NARROWER, at_equal_widths, prior
from addcat.statistics.belief import Belief, Reading
from addcat.statistics.interval import Noise

Match = Literal["widths", "parameters", "multiply_adds"]


def other_match(match: str) -> Match:
    """The budget to hold an answer against: parameters for widths, widths for the others."""
    return "parameters" if match == "widths" else "widths"


def believed_under(wanted: str, measured: str, readings: Mapping[str, Reading], *, shared: bool) -> Belief:
    """What is believed of the gain under one budget, by readings of which pairs ran under another.

    Args:
        wanted: The budget that is asked about.
        measured: The budget under which pairs were trained.
        readings: By method.
        shared: Whether the branches share their weights.

    Examples:
        A gain of 4 % at equal widths may be the parameters':

        >>> seen = {"full": Reading(0.04, Noise(0.005**2, 10))}
        >>> at_widths = believed_under("widths", "widths", seen, shared=False)
        >>> at_parameters = believed_under("parameters", "widths", seen, shared=False)
        >>> at_widths.above(0.0) > 0.99, at_parameters.above(0.0) < 0.6
        (True, True)
    """
    belief = prior(shared=shared, matched=wanted != "widths")
    for name, reading in readings.items():
        at = measured if name == FULLY else "widths"
        if (at == "widths") == (wanted == "widths"):
            belief = belief.told(reading)
        else:
            belief = belief.told(at_equal_widths(reading) if at == "widths" else _at_wider(reading))
    return belief


def _at_wider(reading: Reading) -> Reading:
    """What a reading of arms with as many parameters says of arms at equal widths: `at_equal_widths` turned round."""
    noise = Noise(reading.noise.variance + LOOSER**2, reading.noise.degrees)
    upto = None if reading.upto is None else reading.upto + NARROWER
    return replace(reading, gain=reading.gain + NARROWER, noise=noise, upto=upto)
