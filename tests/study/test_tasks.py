"""The tasks of the study: named once, from sources that are named, with the merge that they ask about."""

import numpy as np
import pytest
from study_installed import MISSING

if MISSING:
    pytest.skip(f"the extra `study` is not installed: {MISSING}", allow_module_level=True)

import addcat
from addcat.doors.base import door_for
from addcat.verbs.compare.questions import questions_of
from study.data import split
from study.task import METRICS
from study.tasks import FAMILIES, TASKS


def test_names_are_unique_and_begin_with_the_family():
    tasks = [task for tasks in FAMILIES.values() for task in tasks]
    assert len({task.name for task in tasks}) == len(tasks) == len(TASKS)
    assert all(task.name.startswith(f"{task.family}/") for task in tasks)
    assert {task.family for task in tasks} == set(FAMILIES)


@pytest.mark.parametrize("name", [tasks[0].name for tasks in FAMILIES.values()])
def test_the_first_task_of_a_family_can_be_asked(name):
    check(TASKS[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", [task.name for tasks in FAMILIES.values() for task in tasks[1:]])
def test_every_other_task_can_be_asked(name):
    check(TASKS[name])


@pytest.mark.parametrize("name", ["skips/denoise-china", "residual/boston"])
@pytest.mark.parametrize("rung", ["add", "concat"])
def test_a_regression_starts_at_the_mean_of_its_targets_with_either_merge(name, rung):
    fit, held = split(TASKS[name].data())
    model = TASKS[name].build(fit)
    (question,) = questions_of(door_for(model, needs="write").read(model), TASKS[name].site)
    arm = addcat.switch(model, dict.fromkeys(question.sites, rung), fresh=True, seed=3).model
    np.testing.assert_allclose(arm.predict(held.pair[0], verbose=0), fit.targets.mean(), atol=1e-4)


def check(task):
    data = task.data()
    assert data.source.title
    assert data.source.licence
    fit, held = split(data)
    assert len(fit) >= 20
    assert len(held) >= 10
    assert task.metric in METRICS
    assert (task.metric == "accuracy") == bool(data.classes)
    model = task.build(fit)
    assert model.optimizer is not None
    kernel, bias = (values.numpy() for values in model.get_layer("head").weights)
    if data.classes:
        assert np.abs(kernel).max() > 0
    else:
        np.testing.assert_array_equal(kernel, 0)
        np.testing.assert_allclose(bias, fit.targets.mean(), atol=1e-4)
    assert model.count_params() <= 20_000
    door = door_for(model, needs="write")
    (question,) = questions_of(door.read(model), task.site)
    assert question.sites
