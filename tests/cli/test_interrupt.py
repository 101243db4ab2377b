"""Ctrl-C ends a command, wherever it arrives."""

import gc
import os
import signal
import subprocess
import sys
import time

import pytest

from addcat import __version__, cli


@pytest.fixture
def dropped():
    """A callback of the garbage collector in which a signal arrives once: Python drops what it raises, as in JAX's."""
    arrived = []

    def callback(phase, _):
        if phase == "start" and not arrived:
            arrived.append(phase)
            os.kill(os.getpid(), signal.SIGINT)
            sum(range(1000))  # the signal is seen here

    def collect():
        gc.callbacks.append(callback)  # not before: garbage is collected at any time
        gc.collect()

    yield arrived, collect
    gc.callbacks.remove(callback)


def test_ctrl_c_is_heard_in_a_callback_whose_errors_are_dropped(dropped, monkeypatch, capsys):
    (arrived, collect), went_on = dropped, []

    def work(**_):
        collect()
        time.sleep(20)  # ends as soon as the signal is heard
        went_on.append("to the end")

    before = sys.unraisablehook
    monkeypatch.setattr(cli, "app", lambda **_: work())
    assert cli.main(["explain", "8", "8"]) == 130
    assert capsys.readouterr() == ("", "Stopped.\n")
    assert (arrived, went_on) == (["start"], [])
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


def test_ctrl_c_in_a_verb_is_one_line(monkeypatch, capsys):
    """As Typer passes it on, which says nothing by itself."""

    def work(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("addcat.cli.explain.explain_shapes", work)
    assert cli.main(["explain", "8", "8"]) == 130
    assert capsys.readouterr() == ("", "Stopped.\n")


STARTING = """
import os, signal, sys
class Pressed:
    def find_spec(self, name, *_):
        if name == "addcat.cli.switch":
            os.kill(os.getpid(), signal.SIGINT)
            sum(range(1000))  # the signal is seen here
sys.meta_path.insert(0, Pressed())
sys.argv = ["addcat", "--version"]
signal.signal(signal.SIGINT, {handler})
from addcat.__main__ import start
sys.exit(start())
"""


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        ("signal.default_int_handler", (130, "", "Stopped.\n")),
        ("signal.SIG_IGN", (0, f"addcat {__version__}\n", "")),  # as under nohup
    ],
)
def test_ctrl_c_while_the_command_line_loads(handler, expected):
    code = STARTING.format(handler=handler)
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603
    assert (ran.returncode, ran.stdout, ran.stderr) == expected
