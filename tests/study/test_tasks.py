"""The tasks of the study: named once, from sources that are named, with the merge that they ask about."""

import pytest
from study_installed import MISSING

if MISSING:
    pytest.skip(f"the extra `study` is not installed: {MISSING}", allow_module_level=True)

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
    assert model.count_params() <= 20_000
    door = door_for(model, needs="write")
    (question,) = questions_of(door.read(model), task.site)
    assert question.sites
