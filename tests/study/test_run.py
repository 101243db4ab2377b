"""The runner: which tasks it takes, what it keeps, and that one failure stops no other task."""

import json

import pytest
from study_installed import MISSING

if MISSING:
    pytest.skip(f"the extra `study` is not installed: {MISSING}", allow_module_level=True)

from addcat.frameworks import keras
from study import record, run
from study.data import split
from study.tasks import TASKS

NAMES = list(TASKS)
FOUND = {"verdict": "concat", "gain": {"estimate": 0.1}, "probability": 0.987}


def chosen(*words):
    return run.chosen_of(run.parser("").parse_args(words))


def test_parts_share_the_tasks_and_small_takes_a_tenth():
    assert sorted(chosen("--part", "1/2") + chosen("--part", "2/2")) == sorted(NAMES)
    assert chosen() == NAMES
    assert chosen("--small") == NAMES[::10]
    assert chosen("--tasks", NAMES[3], NAMES[1]) == [NAMES[3], NAMES[1]]
    with pytest.raises(SystemExit) as caught:
        chosen("--tasks", "residual/none")
    assert str(caught.value) == f"no such task: residual/none. There are: {', '.join(NAMES)}."


def test_all_that_is_measured_is_written_in_order_and_a_failure_is_said(tmp_path, monkeypatch, capsys):
    def measured(name, folder):
        if name == NAMES[1]:
            raise OSError("the disk is full")
        made = {"name": name, "seconds": 3.2, "arms": {"add": {"loss": 0.5}}, "budgets": {"widths": FOUND}}
        record.write(folder / f"{record.stem_of(name)}.json", made)
        return made

    monkeypatch.setattr(record, "measured", measured)
    output = tmp_path / "results.json"
    words = ["--tasks", NAMES[2], NAMES[1], NAMES[0], "--folder", str(tmp_path), "--output", str(output)]
    assert run.main(words) == 1
    said = capsys.readouterr().out
    assert f"1/3 {NAMES[2]}: widths concat, gain +20.0% of the loss, concat better 99% (3 s)\n" in said
    assert "OSError: the disk is full" in said
    assert said.endswith(f"1 of 3 tasks failed: {NAMES[1]}\n")
    written = json.loads(output.read_text(encoding="utf-8"))
    assert [task["name"] for task in written["tasks"]] == [NAMES[0], NAMES[2]]
    assert run.main([*words, "--budget-seconds", "0"]) == 0
    assert capsys.readouterr().out == "stopped after 0 s: 3 tasks are left\n"


def test_a_digest_is_of_the_task_alone():
    task = TASKS["residual/diabetes"]
    fit, held = split(task.data())
    once, again = (record.digest_of(task, task.build(fit), fit, held) for _ in range(2))
    assert once == again
    fewer = fit.rows(slice(0, 290))
    assert record.digest_of(task, task.build(fit), fewer, held) != once


def test_a_digest_tells_how_the_head_of_a_regression_starts():
    task = TASKS["residual/diabetes"]
    fit, held = split(task.data())
    model = task.build(fit)
    before = record.digest_of(task, model, fit, held)
    model.get_layer("head").bias_initializer = keras().initializers.Constant(0.5)
    assert record.digest_of(task, model, fit, held) != before
