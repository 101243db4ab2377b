"""What all rules share: proposals are data, refusals are values, and stale proposals are refused."""

import re
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
from graphs import Sketch
from rules.checks import RULES, proposals

import addcat.rules
from addcat.errors import RefusedError
from addcat.graph import Edge, Graph
from addcat.rules import Proposal, Role, rules_for
from addcat.rules.split import SPLIT


def decoder() -> Graph:
    sketch = Sketch()
    up = sketch.resize(sketch.input(4, (3, 4), name="deep"), 2, name="up")
    cat = sketch.concat(up, sketch.input(2, (6, 8), name="skip"), name="cat")
    sketch.relu(sketch.norm(sketch.conv(cat, 3, name="conv"), name="bn"), name="act")
    return sketch.graph()


def test_names_and_codes_are_unique_and_goals_are_known() -> None:
    assert len({rule.name for rule in RULES}) == len({rule.code for rule in RULES}) == len(RULES)
    assert all(re.fullmatch(r"AC3\d\d", rule.code) for rule in RULES)
    assert all(set(rule.goals) <= {"latency", "memory", "parameters"} and rule.goals for rule in RULES)


def test_every_rule_is_written_down_once() -> None:
    folder = Path(addcat.rules.__file__).parent
    texts = [path.read_text() for path in folder.glob("*.py")]
    written = [name for text in texts for name in re.findall(r"= Rule\(\s*\"([a-z-]+)\"", text)]
    assert [written.count(rule.name) for rule in RULES] == [1] * len(RULES)


def test_a_proposal_is_data() -> None:
    (found,) = proposals(SPLIT, decoder())
    assert found == Proposal("split", "conv", ("conv", "cat"), found.words)
    assert hash(found) == hash(Proposal("split", "conv", ("conv", "cat"), found.words))
    with pytest.raises(FrozenInstanceError):
        found.site = "other"  # type: ignore[misc]


def test_a_proposal_can_be_applied_twice_and_later() -> None:
    graph = decoder()
    (found,) = proposals(SPLIT, graph)
    once, again = SPLIT.apply(graph, found), SPLIT.apply(graph, found)
    assert list(once.nodes) == list(again.nodes)
    assert once is not again


def test_a_stale_proposal_is_refused() -> None:
    graph = decoder()
    (found,) = proposals(SPLIT, graph)
    with pytest.raises(RefusedError) as caught:
        SPLIT.apply(SPLIT.apply(graph, found), found)
    assert str(caught.value) == (
        "split does not apply at 'conv': the graph has no node 'conv'. Call find() on this graph again."
    )
    assert caught.value.refusals[0].code == "AC301"
    conv = graph.nodes["conv"]
    other = graph.edit(put=[conv.edit(inputs=(Edge("skip"),), weights={"kernel": conv.weight("kernel")[:, :2]})])
    with pytest.raises(RefusedError) as caught:
        SPLIT.apply(other, found)
    assert str(caught.value) == (
        "split does not apply at 'conv': the nodes around 'conv' are no longer those of the proposal. "
        "Call find() on this graph again."
    )
    masked = graph.edit(put=[conv.edit(attrs={"masks": (True,)})])
    with pytest.raises(RefusedError) as caught:
        SPLIT.apply(masked, found)
    assert str(caught.value) == (
        "split does not apply at 'conv': 'conv' reads a masked tensor, and the mask would be lost. "
        "Call find() on this graph again."
    )


def test_a_proposal_of_another_rule_is_our_own_mistake() -> None:
    with pytest.raises(AssertionError, match="fold is not a proposal of split"):
        SPLIT.apply(decoder(), Proposal("fold", "conv", (), ""))


def test_each_goal_and_framework_has_its_rules() -> None:
    onnx, keras = ({rule.name for rule in rules_for(framework, "latency")} for framework in ("onnx", "keras"))
    assert onnx - keras == {
        *("pad-into", "split-shared", "resize-product", "sum-product", "phases-each", "phases-one"),
        *("named", "views", "exchange-layout", "dead-shift", "siblings"),
    }
    assert keras <= onnx
    tidy = {rule.name for rule in RULES if rule.role is Role.TIDY}
    for goal in ("latency", "memory", "parameters"):
        found = {rule.name for rule in rules_for("onnx", goal)}
        assert found == tidy | {rule.name for rule in RULES if goal in rule.goals}


def test_slack_is_given_to_rules_that_may_follow_up_and_to_no_other() -> None:
    for rule in RULES:
        assert rule.role in (Role.OPENING, Role.ALTERNATIVE) or (rule.slack, rule.memory_slack) == (None, None)
    assert {rule.name for rule in RULES if rule.role is Role.SAVING} == {
        "exchange-pool", "exchange-resize", "before-resize", "compose", "transposed-compose", "gather"
    }  # fmt: skip
    assert {rule.name for rule in RULES if rule.role is Role.ALTERNATIVE} == {"phases-each", "phases-one", "recompute"}
