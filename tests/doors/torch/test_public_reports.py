"""What public reports say: every module is read; a switch keeps outputs, and gradients of the weights that stay."""

import pytest
import torch
from public_reports import CASES, made, same_gradients

import addcat
from addcat.doors.base import door_for
from addcat.errors import RefusedError
from addcat.graph import Edge


@pytest.mark.parametrize("name", CASES)
def test_public_reports(name):
    cls, found, shapes = CASES[name]
    model, args = made(cls, shapes)
    inspected = addcat.inspect(model, example_inputs=args)
    listed = {merge.site: merge for merge in inspected.merges if merge.merge.op not in ("multiply", "stack")}
    wanted = dict(entry.split(" ", 1) for entry in found.split(", "))
    assert list(listed) == list(wanted)
    for site, way in wanted.items():
        to = "concat" if listed[site].merge.adds else "add"
        if way.startswith("AC"):
            assert listed[site].switch.code == way
            with pytest.raises(RefusedError, match=way):
                addcat.switch(model, {site: to}, example_inputs=args)
            continue
        assert way == to
        done = addcat.switch(model, {site: to}, example_inputs=args)
        torch.testing.assert_close(done.model(*args), model(*args))
        same_gradients(model, done.model, args)


@pytest.mark.parametrize(
    ("name", "site", "read"),
    [
        # what is concatenated, or added, is what the in-place ReLU has left
        ("BranchChangesSkip", "cat", ["branch.0", "branch.1"]),
        ("ShortcutBeforeInPlace", "add", ["branch.1", "short"]),
        ("ShortcutBeforeInPlace", "add#2", ["add", "branch.0"]),
        ("JoinedWithItself", "cat", ["a", "a"]),
        ("WideAndDeep", "cat", ["wide", "deep.3"]),
        # the empty tensor is no branch: its Concatenate passes on what it joins it with
        ("FromAnEmptyTensor", "cat#2", ["cat", "a"]),
        ("ListGrows", "cat", ["interpolate", "x"]),
        ("OneFloatFunctional", "add", ["a", "b"]),
        ("StackAndSum", "sum", ["layers.0", "layers.1", "layers.2"]),
    ],
)
def test_what_a_merge_reads_in_public_reports(name, site, read):
    cls, _, shapes = CASES[name]
    model, args = made(cls, shapes)
    graph = door_for(model, example_inputs=args).read(model)
    assert [edge.node for edge in graph.nodes[site].inputs] == read


def test_a_concatenate_with_an_empty_tensor_is_the_other_tensor():
    cls, _, shapes = CASES["FromAnEmptyTensor"]
    model, args = made(cls, shapes)
    node = door_for(model, example_inputs=args).read(model).nodes["cat"]
    assert (node.op, node.inputs, node.shape) == ("identity", (Edge("x"),), (None, 3, 8, 8))
