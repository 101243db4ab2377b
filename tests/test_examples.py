"""The examples run, and say what they are shown to say."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
SAID = {
    "torch_two_tower.py": "Concatenate lowers the loss by",
    "torch_resnet.py": "layers.2.add   add   channel_scale   raise",
    "torch_unet.py": "cat    concat   add   fit",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SAID)
def test_an_example_runs(name):
    done = subprocess.run(  # noqa: S603
        [sys.executable, EXAMPLES / name], capture_output=True, text=True, check=True, timeout=240
    )
    assert SAID[name] in done.stdout


def test_every_example_is_run():
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(SAID)
