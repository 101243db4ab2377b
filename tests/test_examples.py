"""The examples run, and say what they are shown to say."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
README = EXAMPLES.parent / "README.md"
NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?")
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
    if shown := shown_in_readme(name):
        assert NUMBER.sub("#", done.stdout) == NUMBER.sub("#", shown)
        for there, here in zip(NUMBER.findall(shown), NUMBER.findall(done.stdout), strict=True):
            # sums run in another order on another machine, and a training takes it from there
            assert float(here) == pytest.approx(float(there), abs=0.03 if "." in there else 3)


def shown_in_readme(name):
    """What the README says that an example prints; "" for one that is not in it."""
    found = re.search(
        rf"From `python examples/{re.escape(name)}`.*?```\n(.*?)```", README.read_text("utf-8"), re.DOTALL
    )
    return found[1] if found else ""


def test_one_example_is_shown_in_the_readme():
    assert [name for name in SAID if shown_in_readme(name)] == ["torch_two_tower.py"]


def test_every_example_is_run():
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(SAID)
