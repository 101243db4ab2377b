"""Where a graph could gain, without running it."""

import pytest
from graphs import Sketch

from addcat.rules import rules_for
from addcat.verbs.optimize import predict
from addcat.verbs.optimize.candidates import everything
from addcat.verbs.optimize.openings import openings

RULES = rules_for("onnx", "latency")


def network(heads=1, tidy=False):
    """Maps that are enlarged and mixed by a 1x1 convolution, whose exchange pays; and norms to fold, where asked."""
    sketch = Sketch(first=True, dtype="float32")
    edge = sketch.input(32, (16, 16))
    skip = sketch.input(16, (32, 32), name="skip")
    for number in range(heads):
        both = sketch.concat(sketch.resize(edge, method="bilinear"), skip)
        mixed = sketch.relu(sketch.conv(both, 16, 1, name=f"mix{number}"))
        edge = sketch.pool(sketch.relu(sketch.conv(mixed, 32, 3, name=f"down{number}")), kind="max")
    if tidy:
        edge = sketch.norm(sketch.conv(edge, 8, 3))
    return sketch.graph()


def test_nothing_is_open_where_no_rule_applies():
    sketch = Sketch(first=True)
    sketch.relu(sketch.conv(sketch.input(3, (8, 8)), 4, 3))
    found = openings(sketch.graph(), RULES, everything)
    assert (found.tidied, found.steps, found.places, found.left, found.sized) == (0.0, {}, (), 0, True)
    assert set(found.features.values()) == {0.0}


def test_places_are_shares_of_the_whole_and_want_other_nodes():
    graph = network(heads=2)
    found = openings(graph, RULES, everything)
    assert found.places
    assert [place.saves for place in found.places] == sorted((p.saves for p in found.places), reverse=True)
    assert found.places[0].rules[0] in ("split-resized", "split", "split-wide", "exchange-resize")
    assert 0 < found.places[0].saves < found.places[0].touches < 1
    assert len({place.site for place in found.places}) == len(found.places)
    total = sum(value for name, value in found.features.items() if name.endswith("saves"))
    assert total == pytest.approx(sum(max(place.saves, 0.0) for place in found.places))


def test_what_tidies_counts_apart():
    plain, normed = (openings(network(tidy=tidy), RULES, everything) for tidy in (False, True))
    assert not plain.steps
    assert sum(normed.steps.values()) == 1
    assert 0 < normed.tidied < 0.2
    assert normed.features["tidying"] == normed.tidied


def test_a_slice_of_all_there_is_takes_time_and_an_identity_none():
    def tidied(kind):
        sketch = Sketch(first=True, dtype="float32")
        same = sketch.node("identity", sketch.conv(sketch.input(3, (8, 8)), 4, 3), kind=kind)
        sketch.relu(same)
        return openings(sketch.graph(), RULES, everything).tidied

    assert 0 < tidied("Slice") < 1
    assert tidied("Identity") == 0


def test_without_time_no_place_is_looked_at():
    found = openings(network(heads=2), RULES, everything, seconds=0.0)
    assert not found.places
    assert found.left > 0


def test_an_unknown_size_leaves_nothing_to_expect():
    sketch = Sketch(first=True, known=False)
    sketch.conv(sketch.conv(sketch.input(3, (8, 8)), 4, 3), 4, 1)
    graph = sketch.graph()
    assert predict.seconds(graph) is None
    found = openings(graph, RULES, everything)
    assert not found.sized
    assert not found.places
