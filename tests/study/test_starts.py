"""Which starts fall silent: how the head starts in each of the ways, and two starts trained anew."""

import json

import pytest
from study_installed import MISSING

if MISSING:
    pytest.skip(f"the extra `study` is not installed: {MISSING}", allow_module_level=True)

from study.again import STARTS
from study.data import split
from study.networks import mean_of_targets
from study.starts import HEADS, SEEDS, TASK, network, of_starts
from study.tasks import TASKS


@pytest.fixture(scope="module")
def examples():
    return split(TASKS[TASK].data())


def test_heads_start_as_they_are_named(examples):
    fit, _ = examples
    drawn, bias, both = (network(fit, weights).get_layer("head") for weights in HEADS.values())
    kinds = [type(head.kernel_initializer).__name__ for head in (drawn, bias, both)]
    assert kinds == ["GlorotUniform", "GlorotUniform", "Zeros"]
    assert type(drawn.bias_initializer).__name__ == "Zeros"
    assert [head.bias_initializer.value for head in (bias, both)] == [mean_of_targets(fit)] * 2


def test_every_start_is_written():
    held = json.loads(STARTS.read_text("utf-8"))
    assert {head: tuple(map(int, losses)) for head, losses in held["losses"].items()} == dict.fromkeys(HEADS, SEEDS)


@pytest.mark.slow
def test_a_start_that_fell_silent_does_so_again_and_learns_with_the_other_head(examples):
    held = json.loads(STARTS.read_text("utf-8"))
    for head in ("drawn", "kernel and bias"):
        losses = of_starts(network(examples[0], HEADS[head]), *examples, held["learning_rate"], (1, 20))
        for seed, loss in losses.items():
            assert loss == pytest.approx(held["losses"][head][seed], rel=0.5)
