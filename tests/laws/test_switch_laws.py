"""Laws of `switch`: an exact step is exact, a refusal changes nothing, and no site is passed over in silence."""

import os
from typing import Any

import numpy as np
from graphs import Sketch, feed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from laws.strategies import Recipe, Site, built, built_site, networks, sites
from small import assert_untouched, difference, evaluate, relative, state, taken

from addcat.doors.keras import read
from addcat.errors import RefusedError
from addcat.graph import Edge, Graph, Refusal
from addcat.graph.cost import parameters
from addcat.merges import find_merges
from addcat.merges.price import price, switched
from addcat.switches.apply import Changed
from addcat.verbs.switch import switch

RUNGS = ("drop", "add", "scale", "channel_scale", "low_rank:1", "concat")
EXACT = {"tie", "project", "twice", "equal parts", "absorb", "raise", "lower", "unchanged"}
relaxed = settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
DRAWS = int(os.environ.get("ADDCAT_DRAWS", "1"))
few = settings(relaxed, max_examples=3 * DRAWS)  # more in `make test-all`


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Small graphs of images or vectors, every merge of any width, in float64."""
    images, first = draw(st.booleans()), draw(st.booleans())
    sketch = Sketch(draw(st.integers(0, 99)), first=first and images)
    edges = [sketch.input(draw(st.integers(1, 3)), (4, 4) if images else ())]
    numbers = st.integers(0, 99)
    kinds = ("linear", "wide", "relu", "norm", "add", "add", "concat", "concat", "reads twice")
    for kind in draw(st.lists(st.sampled_from(kinds), min_size=2, max_size=9)):
        choice, source = draw(numbers), edges[draw(numbers) % len(edges)]
        edges.append(_grown(sketch, kind, choice, source, edges, images=images))
    read_inside = {edge for node in sketch.nodes for edge in node.inputs}
    outputs = [edge for edge in edges if edge not in read_inside]  # a model has no other ends
    outputs += [edges[draw(numbers) % len(edges)] for _ in range(draw(st.integers(0, 1)))]
    return sketch.graph(*dict.fromkeys(outputs))


def _grown(sketch: Sketch, kind: str, choice: int, source: Edge, edges: list[Edge], *, images: bool) -> Edge:
    like = [source, *(edge for edge in edges if sketch.channels(edge) == sketch.channels(source))]
    others = [like[choice % len(like)], *([like[choice // 7 % len(like)]] if choice % 3 == 0 else [])]
    if kind == "add":
        return sketch.add(source, *others)
    if kind in ("concat", "reads twice"):
        others = [source] if kind == "reads twice" else [edges[choice % len(edges)], *others[1:]]
        joined = sketch.concat(source, *others)
        return joined if choice % 4 else _grown(sketch, "linear", choice, joined, edges, images=images)
    if kind == "relu":
        return sketch.relu(source)
    if kind == "norm":
        return sketch.norm(source)
    width = 4 if kind == "linear" else 2 + choice % 3
    activation = ("linear", "linear", "relu")[choice % 3]
    if not images:
        return sketch.dense(source, width, bias=choice % 2 == 0, activation=activation)
    return sketch.conv(source, width, (1, 3)[choice // 3 % 2], bias=choice % 2 == 0, activation=activation)


def assert_step(graph: Graph, site: str, rung: str) -> Graph:
    """Check one step; give the graph behind it."""
    nodes = dict(graph.nodes)
    outcome = taken(graph, site, rung)
    assert dict(graph.nodes) == nodes
    if isinstance(outcome, Refusal):
        assert outcome.site == site
        assert outcome.code.startswith("AC1")
        assert outcome.reason
        return graph
    assert isinstance(outcome, Changed)
    assert outcome.exact
    assert outcome.rule in EXACT
    outcome.graph.check()
    data = feed(graph)
    assert relative(evaluate(graph, data), evaluate(outcome.graph, data)) < 1e-10
    return outcome.graph


@relaxed
@given(graphs(), st.data())
def test_any_step_of_any_site_is_exact_or_refused(graph: Graph, data: Any) -> None:
    for merge in find_merges(graph):
        rung = data.draw(st.sampled_from(RUNGS))
        new = assert_step(graph, merge.site, rung)
        if new is not graph:
            after = next(m for m in find_merges(new) if m.site == merge.site)
            assert after.op == {"scale": "scaled_add", "low_rank:1": "projected_add"}.get(
                rung, rung if rung in ("add", "concat") else "channel_scaled_add"
            )


@relaxed
@given(graphs(), st.data())
def test_any_walk_over_the_ladder_keeps_the_function(graph: Graph, data: Any) -> None:
    now = graph
    for _ in range(3):
        merges = find_merges(now)
        if not merges:
            return
        site = data.draw(st.sampled_from([merge.site for merge in merges]))
        now = assert_step(now, site, data.draw(st.sampled_from(RUNGS)))
    inputs = feed(graph)
    assert relative(evaluate(graph, inputs), evaluate(now, inputs)) < 1e-9


@relaxed
@given(graphs())
def test_opening_an_add_is_always_exact_and_can_be_taken_back(graph: Graph) -> None:
    for merge in find_merges(graph):
        if merge.op == "add":
            opened = taken(graph, merge.site, "concat")
            assert isinstance(opened, Changed)
            form = opened.rule
            assert form in ("tie", "project")
            gained = parameters(opened.graph) - parameters(graph)
            assert gained == switched(graph, merge, form).parameters - price(graph, merge).now.parameters
            closed = taken(opened.graph, merge.site, "add")
            assert isinstance(closed, Changed)
            assert set(closed.graph.nodes) == set(graph.nodes)
            inputs = feed(graph)
            assert relative(evaluate(graph, inputs), evaluate(closed.graph, inputs)) < 1e-10


def _changes(model: Any, data: Any) -> dict[str, str]:
    merges = find_merges(read(model))
    return {merge.site: data.draw(st.sampled_from(RUNGS)) for merge in merges if data.draw(st.booleans())}


def _assert_switch(model: Any, changes: dict[str, str]) -> None:
    before = state(model)
    alone = {site: _refused(model, {site: rung}) for site, rung in changes.items()}
    try:
        done = switch(model, changes)
    except RefusedError as refused:
        # switching one site can block another, but never free it
        named = {refusal.site for refusal in refused.refusals}
        assert named >= {site for site, no in alone.items() if no}
    else:
        assert {step.site: step.now for step in done.record.steps} == changes
        assert not any(alone.values())
        assert done.record.exact
        assert difference(model, done.model) < 2e-5
        assert done.record.steps[-1:] == () or (done.record.steps[-1].after.parameters == done.model.count_params())
    assert_untouched(model, before)


def _refused(model: Any, changes: dict[str, str]) -> bool:
    try:
        switch(model, changes)
    except RefusedError:
        return True
    return False


@few
@given(networks(most=5), st.data())
def test_any_keras_model(recipe: Recipe, data: Any) -> None:
    model = built(recipe)
    _assert_switch(model, _changes(model, data))


@few
@given(sites(), st.sampled_from(RUNGS))
def test_any_keras_site(site: Site, rung: str) -> None:
    _assert_switch(built_site(site), {"merge": rung})


@settings(relaxed, max_examples=3 * DRAWS)
@given(sites(op="concat"), st.sampled_from(["project", "pad"]))
def test_a_fitted_site_keeps_the_shapes_and_tells_what_is_lost(site: Site, widen: str) -> None:
    model = built_site(site)
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(60, *model.input.shape[1:])).astype("float32")
    done = switch(model, {"merge": "add"}, data=rows, widen=widen)
    (step,) = done.record.steps
    assert [out.shape for out in done.model.outputs] == [out.shape for out in model.outputs]
    assert step.exact == (step.rule != "fit")
    assert all(0 <= lost < 2 for lost in step.distortion.values())
    if step.exact:
        assert difference(model, done.model) < 2e-5
