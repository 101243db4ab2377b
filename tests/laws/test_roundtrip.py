"""Law: for every model m, `write(read(m))` computes what m computes, from weights of its own."""

import os
from itertools import pairwise
from typing import Any

import networks as reference
import numpy as np
from hypothesis import HealthCheck, given, settings
from laws.strategies import Recipe, Site, built, built_site, networks, sites

from addcat.doors.keras.read import read
from addcat.doors.keras.write import write
from addcat.graph import Edge

keras = reference.keras
DRAWS = int(os.environ.get("ADDCAT_DRAWS", "1"))
"""More of them where time allows: `make test-all`."""
slow = settings(max_examples=3 * DRAWS, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def names(model: Any) -> list[tuple[str, tuple[int, ...]]]:
    return [(variable.path, tuple(variable.shape)) for variable in model.weights]


def assert_round_trip(model: Any) -> None:
    data = reference.sample(model, unknown=6)
    expected = reference.outputs(model, data)
    copy = write(read(model))
    assert names(copy) == names(model)
    for old, new in zip(expected, reference.outputs(copy, data), strict=True):
        np.testing.assert_allclose(new, old, rtol=1e-6, atol=1e-6 * np.abs(old).max())
    for variable in copy.weights:
        variable.assign(np.zeros(variable.shape))
    for old, again in zip(expected, reference.outputs(model, data), strict=True):
        np.testing.assert_array_equal(old, again)


@slow
@given(networks())
def test_any_model_survives_read_and_write(recipe: Recipe) -> None:
    assert_round_trip(built(recipe))


@slow
@given(sites())
def test_any_site_survives_read_and_write(site: Site) -> None:
    assert_round_trip(built_site(site))


@slow
@given(sites())
def test_a_site_is_read_as_it_was_drawn(site: Site) -> None:
    graph = read(built_site(site))
    merge = graph.nodes["merge"]
    assert merge.op == site.op
    assert len(merge.inputs) == site.branches
    assert (merge.inputs[0] == merge.inputs[-1]) is site.twice
    assert merge.channels == (4 if site.op == "add" else 4 * site.branches)
    assert [f"head{i}" for i in range(site.consumers)] == [edge.node for edge in graph.outputs]
    chain = ["merge", *(f"after{place}" for place in range(len(site.after)))]
    for before, after in pairwise(chain):
        assert graph.nodes[after].inputs == (Edge(before),)
