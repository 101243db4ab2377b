"""Optimisers and schedules that people pass: what is wrong with one is said before anything is trained."""

import numpy as np
import pytest
import torch
from torch import nn
from torch_tasks import HOW, Towers, network, pairs_of, trainer

import addcat
from addcat.doors.recipe import Plan
from addcat.doors.torch.training import Training
from addcat.errors import ModelError, OptionError

torch.set_num_threads(1)
SCHEDULES = torch.optim.lr_scheduler
MODEL = Towers()


def advised(**options):
    options = {**HOW, **options}
    return addcat.advise(MODEL, pairs_of(60), validation=pairs_of(40, 1), budget="0.1x", **options)


@pytest.mark.parametrize(
    ("optimizer", "text"),
    [
        (
            torch.optim.Adam(MODEL.parameters()),
            "optimizer= is a Adam. Expected a function, such as optimizer=lambda parameters: "
            "torch.optim.AdamW(parameters, 1e-3).",
        ),
        (
            "adamw",
            "optimizer= is a str. Expected a function, such as optimizer=lambda parameters: "
            "torch.optim.AdamW(parameters, 1e-3).",
        ),
        (
            lambda parameters: None,
            "optimizer= gave a NoneType. Expected one optimiser, such as torch.optim.AdamW(parameters, 1e-3).",
        ),
        (
            lambda parameters: [torch.optim.Adam(parameters[:2]), torch.optim.SGD(parameters[2:], 0.1)],
            "optimizer= gave a list of 2. Expected one optimiser, such as torch.optim.AdamW(parameters, 1e-3).",
        ),
        (
            torch.optim.LBFGS,
            "optimizer= gave a LBFGS, whose step asks for a closure. Expected one that is stepped once for each batch, "
            "such as torch.optim.AdamW(parameters, 1e-3).",
        ),
        (
            lambda parameters: torch.optim.Adam(MODEL.parameters()),
            "optimizer= gave a Adam of other parameters than it was called with, so it would train another model. Make "
            "it of those: optimizer=lambda parameters: torch.optim.Adam(parameters, ...).",
        ),
    ],
)
def test_what_is_no_optimiser_of_the_arms(optimizer, text):
    with pytest.raises(OptionError) as error:
        advised(optimizer=optimizer)
    assert str(error.value) == text


def test_parameters_of_a_loss_may_be_trained_beside_and_some_may_be_left_out():
    temperature = nn.Parameter(torch.ones(()))
    for optimizer in (
        lambda parameters: torch.optim.Adam([*parameters, temperature]),
        lambda parameters: torch.optim.Adam([{"params": parameters[:2], "lr": 1e-2}]),
    ):
        assert len(advised(optimizer=optimizer).verdicts) == 1


@pytest.mark.parametrize(
    ("scheduler", "text"),
    [
        (
            SCHEDULES.StepLR(torch.optim.SGD(MODEL.parameters(), 0.1), 1),
            "scheduler= is a StepLR. Expected a function, such as scheduler=lambda optimizer: "
            "torch.optim.lr_scheduler.StepLR(optimizer, 10).",
        ),
        (
            lambda optimizer: [SCHEDULES.StepLR(optimizer, 1)],
            "scheduler= gave a list of 1. Expected one schedule, such as torch.optim.lr_scheduler.StepLR(optimizer, "
            "10).",
        ),
    ],
)
def test_what_is_no_schedule(scheduler, text):
    with pytest.raises(OptionError) as error:
        advised(scheduler=scheduler)
    assert str(error.value) == text


def test_a_schedule_that_is_too_short_is_named():
    training = Training(scheduler=lambda optimizer: SCHEDULES.OneCycleLR(optimizer, 0.1, total_steps=4))
    with pytest.raises(OptionError) as error:
        trainer(network(), training, Plan(6, 3, 16), steps=6).run(0)
    assert str(error.value) == (
        "scheduler= gave a OneCycleLR, whose step 5 raised ValueError: Tried to step 5 times. The specified number of "
        "total steps is 4. It is stepped 6 times in a whole training: expected one of that length."
    )


def test_a_model_that_is_frozen_as_a_whole():
    model = Towers().requires_grad_(False)
    for options in (HOW, {**HOW, "optimizer": None}):
        with pytest.raises(ModelError) as error:
            addcat.advise(model, pairs_of(60), validation=pairs_of(40, 1), **options)
        assert str(error.value) == (
            "No weight of Towers is trained: requires_grad is False for all of them. Let those be trained that a "
            "training is to change: model.head.requires_grad_(True)."
        )


@pytest.mark.parametrize("autocast", [True, "bf16", torch.float32])
def test_a_type_that_is_none_for_training(autocast):
    with pytest.raises(OptionError) as error:
        advised(autocast=autocast)
    assert str(error.value) == (
        f"autocast={autocast!r} is no type to train in. Expected torch.bfloat16 or torch.float16."
    )


def by_steps(parameters):
    """Clips the gradients of all parameters together, as a loop would between backward and step."""
    optimizer = torch.optim.SGD(parameters, 0.5)

    def clip(*_):
        nn.utils.clip_grad_norm_(parameters, 0.01)

    optimizer.register_step_pre_hook(clip)
    return optimizer


def by_gradients(parameters):
    """Clips every gradient as it comes; one clipped twice is the same."""
    for parameter in parameters:
        parameter.register_hook(lambda gradient: gradient.clamp(-1e-3, 1e-3))
    return torch.optim.SGD(parameters, 0.5)


@pytest.mark.parametrize("optimizer", [by_steps, by_gradients])
def test_gradients_that_hooks_clip_are_clipped_in_runs_side_by_side_too(optimizer):
    plan, training = Plan(6, 6, 16), Training(optimizer=optimizer)
    one = trainer(network(), training, plan)
    alone = np.stack([one.run(seed) for seed in (0, 1)])
    np.testing.assert_allclose(trainer(network(), training, plan).run_many([0, 1]), alone, rtol=1e-6)
    unclipped = trainer(network(), Training(optimizer=lambda p: torch.optim.SGD(p, 0.5)), plan).run(0)
    assert np.abs(unclipped - alone[0]).max() > 0.1
