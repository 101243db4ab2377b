"""Ctrl-C ends a command, wherever it arrives."""

import gc
import os
import signal
import sys
import time

import pytest

from addcat import cli


@pytest.fixture
def dropped():
    """A callback of the garbage collector in which a signal arrives once: Python drops what it raises, as in JAX's."""
    arrived = []

    def callback(phase, _):
        if phase == "start" and not arrived:
            arrived.append(phase)
            os.kill(os.getpid(), signal.SIGINT)
            sum(range(1000))  # the signal is seen here

    gc.callbacks.append(callback)
    yield arrived
    gc.callbacks.remove(callback)


def test_ctrl_c_is_heard_in_a_callback_whose_errors_are_dropped(dropped, monkeypatch, capsys):
    went_on = []

    def work(**_):
        gc.collect()
        time.sleep(20)  # ends as soon as the signal is heard
        went_on.append("to the end")

    before = sys.unraisablehook
    monkeypatch.setattr(cli, "app", lambda **_: work())
    with pytest.raises(KeyboardInterrupt):
        cli.main(["explain", "8", "8"])
    assert (dropped, went_on) == (["start"], [])
    assert sys.unraisablehook is before


def test_other_errors_that_are_dropped_are_said_as_ever(monkeypatch):
    said = []
    monkeypatch.setattr(sys, "unraisablehook", lambda one: said.append(one.exc_type))

    class Failing:
        def __del__(self):
            raise ValueError("in vain")

    monkeypatch.setattr(cli, "app", lambda **_: Failing() and None)
    assert cli.main([]) == 0
    assert said == [ValueError]
