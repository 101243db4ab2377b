"""A ladder whose methods take no time and say what a test wants: which rungs are climbed, in which order, and why."""

import math
import sys
import time
from dataclasses import replace

import pytest
from advices import evidence
from courses import Course, Headed
from problems import problem, two_inputs

from addcat.errors import DataError
from addcat.evidence.meter import Meter
from addcat.statistics.interval import Noise
from addcat.verbs.advise.climb import Climber
from addcat.verbs.advise.climbed import Wanted

module, rungs = (sys.modules[f"addcat.verbs.advise.{name}"] for name in ("climb", "rungs"))
NOISE = Noise(1.0, 4)
DATA = two_inputs(60, lambda x, y: x[:, 0] - y[:, 0])


def site(net, **options):
    return problem(net, DATA, DATA, steps=100, **options)


@pytest.fixture
def instant(monkeypatch):
    """Methods that take no time, by what they say; a sentence makes one refuse."""
    says = {"order": 0.0, "swap": 0.0, "kernel": 0.0, "score": 0.0, "tie": 0.0}

    def stand_in(name):
        def method(_, *, most=None, members=None):
            if isinstance(says[name], str):
                raise DataError(says[name])
            found = evidence(name, "from here", says[name], says[name] - 0.01, says[name] + 0.01, n=8)
            return replace(
                found, facts={"log_rise": says[name], "p": 0.02, "p_sizes": 0.5, "left": 1.0, "constant": 1.0}
            )

        method.__name__ = name
        return method

    for name in says:
        monkeypatch.setattr(module, name, stand_in(name))
        monkeypatch.setattr(rungs, name, stand_in(name))
    monkeypatch.setattr(rungs, "unfit", lambda _: "No infinitely wide head.")
    monkeypatch.setattr(module, "Pairs", type("One", (Course,), {}))
    monkeypatch.setattr(rungs, "Pairs", module.Pairs)
    heads = type("Headed", (Headed,), {})
    for one in (module, rungs):
        monkeypatch.setattr(one, "Heads", heads)
    monkeypatch.setattr(sys.modules["addcat.evidence.matched"], "Pairs", module.Pairs)
    return says


def climb(net, *, trainings=math.inf, seconds=math.inf, wanted=None, given=1.0, match="widths", **options):
    one = replace(site(net, **options), match=match)
    meter = Meter(one.recipe, trainings, time.monotonic() + seconds)
    return Climber(one, meter, wanted or Wanted(), 0.001, given).automatic(), meter


def methods(made):
    return [one.method for one in made.evidence]
