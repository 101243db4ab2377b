"""Candidates: what follows a proposal, step by step, in a network that is known."""

from graphs import Sketch

from addcat.rules import RULES
from addcat.verbs.optimize.candidates import expand, find, lacking, tidy

BY_NAME = {rule.name: rule for rule in RULES}


def decoder():
    sketch = Sketch(first=True, dtype="float32")
    up = sketch.resize(sketch.input(32, (24, 24), name="deep"), 2, "bilinear", name="up")
    cat = sketch.concat(up, sketch.input(8, (48, 48), name="skip"), name="cat")
    sketch.relu(sketch.norm(sketch.conv(cat, 8, 1, name="conv"), name="norm"), name="relu")
    return sketch.graph()


def test_a_split_is_followed_by_what_it_makes_possible_and_nothing_else():
    graph = decoder()
    (proposal,) = find(graph, [BY_NAME["split"]])[0]
    (found,) = expand(graph, proposal, BY_NAME)
    assert [(step.rule, step.site) for step in found.steps] == [("split", "conv"), ("exchange-resize", "conv_part1")]
    assert found.predicted < 0
    assert found.nodes == {"conv", "cat"}


def test_what_has_no_form_is_no_candidate():
    graph = decoder()
    (proposal,) = find(graph, [BY_NAME["split"]])[0]

    def missing(node):
        return "no Add here" if node.op == "add" else ""

    assert expand(graph, proposal, BY_NAME, missing=missing) == []
    assert lacking(graph, BY_NAME["split"].apply(graph, proposal), missing) == "no Add here"
    assert lacking(graph, graph, missing) == ""


def test_tidying_leaves_what_has_no_form_as_it_was():
    graph = decoder()
    assert [one.steps[0].rule for one in tidy(graph, RULES)] == ["affine-after"]
    assert tidy(graph, RULES, lambda node: "edited" if node.edited else "") == []
