"""Processes of this machine: how many trials wait in line for one."""

import pytest
from scripted import Scripted

from addcat.trials import processes
from addcat.trials.trial import Key
from addcat.trials.workers import Workers

UNITS = [(Key("add", seed),) for seed in range(24)]


@pytest.mark.parametrize(("seconds", "waiting"), [(2.0, 0), (0.1, 0), (0.09, 1), (0.05, 1), (0.02, 2), (0.0, 8)])
def test_the_shorter_a_trial_the_more_wait(seconds, waiting):
    assert processes.in_line(seconds) == waiting


def most_at_once(seconds):
    """The most trials that were drawn and had not ended, when one ended."""
    drawn, ended, most = [], 0, 0

    def units():
        for unit in UNITS:
            drawn.append(unit)
            yield unit

    for _ in Workers(2).run(units(), Scripted(seconds=seconds)):
        most = max(most, len(drawn) - ended)
        ended += 1
    assert ended == len(UNITS)
    return most


def test_a_long_trial_is_drawn_when_a_process_is_free(monkeypatch):
    assert most_at_once(0.0) > 4
    monkeypatch.setattr(processes, "BRIEF", 0.01)
    assert most_at_once(0.02) == 2
