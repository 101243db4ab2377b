"""Commands as trials: every way in which a script can end."""

import json
import math
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from addcat.errors import OptionError
from addcat.trials.command import CommandTrial, check_command
from addcat.trials.engine import run_trials
from addcat.trials.trial import Key
from addcat.trials.workers import Workers

KEY = Key("concat", 7)


def script(tmp_path, body):
    path = tmp_path / "script.py"
    path.write_text("import json, sys, time\narm, seed, folder = sys.argv[1:]\n" + textwrap.dedent(body))
    return f"{sys.executable} {path} {{arm}} {{seed}} {{folder}}"


def trial(tmp_path, body, **options):
    (found,) = CommandTrial(script(tmp_path, body), **options)((KEY,))
    return found


def test_the_last_line_of_json_decides(tmp_path):
    found = trial(
        tmp_path,
        """
        print('{"val_loss": 9}')
        print(json.dumps({"val_loss": 0.25, "accuracy": 0.9, "arm": arm, "seed": int(seed)}))
        print("done")
        """,
        metric="val_loss",
    )
    assert (found.arm, found.seed, found.status, found.loss) == (*KEY, "done", 0.25)
    assert found.metrics == {"accuracy": 0.9, "seed": 7.0}


def test_a_bare_number_serves_where_no_metric_was_named(tmp_path):
    assert trial(tmp_path, "print(0.5)").loss == 0.5
    assert trial(tmp_path, "print(0.5)", metric="loss").status == "no metric"


def test_a_file_in_the_folder_comes_first(tmp_path):
    body = """
    import pathlib
    pathlib.Path(folder, "metrics.json").write_text(json.dumps({"acc": 0.75}))
    print('{"acc": 0.1}')
    """
    assert trial(tmp_path, body, metric="acc", lower=False).loss == -0.75
    kept = trial(tmp_path, body, metric="acc", folders=str(tmp_path / "runs"))
    assert kept.loss == 0.75
    assert json.loads((tmp_path / "runs" / "concat-seed7" / "metrics.json").read_text()) == {"acc": 0.75}
    # what an earlier run left there is not taken for this one's
    assert trial(tmp_path, "pass", metric="acc", folders=str(tmp_path / "runs")).status == "no metric"


def test_nan_is_a_diverged_trial(tmp_path):
    found = trial(tmp_path, "print(json.dumps({'loss': float('nan')}))")
    assert found.status == "diverged"
    assert math.isnan(found.loss)


def test_a_crash_is_recorded_with_the_end_of_what_it_said(tmp_path):
    found = trial(tmp_path, "print('x' * 9000); print('nearly there'); raise SystemExit('no memory left')")
    assert found.status == "failed"
    assert found.detail.endswith("nearly there\nno memory left\nended with exit code 1")
    assert len(found.detail) <= 2_000
    found = trial(tmp_path, "import os; os.kill(os.getpid(), 9)")
    assert found.detail == "ended by SIGKILL"


@pytest.mark.parametrize(
    ("body", "there"),
    [
        ("print('all is well')", "there is no JSON"),
        ("print('{\"accuracy\": 0.5}')", "there are 'accuracy'"),
        ('print(\'{"loss": "low"}\')', "there are 'loss'"),
        ("print('{\"loss\": true}')", "there are 'loss'"),
    ],
)
def test_no_metric_is_recorded_with_what_there_was(tmp_path, body, there):
    found = trial(tmp_path, body)
    assert found.status == "no metric"
    assert found.detail.endswith(f"no number 'loss': {there}")


def test_one_that_never_ends_is_ended_with_all_that_it_started(tmp_path):
    mark = tmp_path / "mark"
    body = f"""
    import subprocess
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3); open({str(mark)!r}, 'w')"])
    print("begun", flush=True)
    time.sleep(60)
    """
    began = time.monotonic()
    found = trial(tmp_path, body, limit=1.0)
    assert time.monotonic() - began < 10
    assert (found.status, found.detail) == ("timed out", "ended after 1 s\nbegun")
    time.sleep(2.5)
    assert not mark.exists()


def test_several_at_a_time_are_the_same(tmp_path):
    command = script(tmp_path, "time.sleep(0.3); print(len(arm) + int(seed))")
    keys = [Key(arm, seed) for seed in (1, 2) for arm in ("add", "concat")]
    found = {t.key: t.loss for t in run_trials(keys, CommandTrial(command), workers=Workers(4))}
    assert found == {key: len(key.arm) + key.seed for key in keys}


def test_closing_the_trials_ends_the_commands(tmp_path):
    command = script(tmp_path, "time.sleep(0.2 if arm == 'a' else 60); print(1)")
    began = time.monotonic()
    trials = run_trials([Key("a", 1), Key("b", 1), Key("b", 2)], CommandTrial(command), workers=Workers(2))
    assert next(trials).arm == "a"
    trials.close()
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (
            "python train.py",
            "The command 'python train.py' has no {arm} and no {seed}: every trial would be the same. Expected, for "
            "instance, 'python train.py --merge {arm} --seed {seed} --out {folder}'.",
        ),
        ("train '{arm} {seed}", 'The command "train \'{arm} {seed}" cannot be taken apart: No closing quotation.'),
    ],
)
def test_commands_that_will_not_do(command, text):
    with pytest.raises(OptionError) as caught:
        check_command(command)
    assert str(caught.value) == text


def test_a_command_that_is_not_there_is_an_error():
    with pytest.raises(OptionError) as caught:
        list(run_trials([KEY], CommandTrial("no-such-program {arm} {seed}")))
    assert str(caught.value) == "The command cannot be started: No such file or directory: 'no-such-program'."


PARENT = """
import sys
from addcat.trials.command import CommandTrial
from addcat.trials.trial import Key
CommandTrial(sys.argv[1])((Key("add", 1),))
"""


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="looks at /proc")
def test_a_command_ends_with_the_process_that_runs_it_even_where_that_is_killed(tmp_path):
    """The command and what it has started: both are gone soon after."""
    body = """
    import os, pathlib, subprocess
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])
    pathlib.Path("pids.txt").write_text(f"{os.getpid()} {child.pid}")
    time.sleep(100)
    """
    parent = subprocess.Popen([sys.executable, "-c", PARENT, script(tmp_path, body)], cwd=tmp_path)  # noqa: S603
    try:
        pids = eventually(lambda: (tmp_path / "pids.txt").is_file() and (tmp_path / "pids.txt").read_text().split())
        assert len(pids) == 2
    finally:
        parent.kill()
        parent.wait()
    assert eventually(lambda: not any(lives(int(pid)) for pid in pids))


def eventually(asked, seconds=60):
    """What is asked for, as soon as it is true."""
    deadline = time.monotonic() + seconds
    while not (found := asked()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def lives(pid):
    """Whether a process runs; one that has ended and that nobody has waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
