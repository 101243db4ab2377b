"""The code of every tutorial runs and prints what the page shows; `--golden-refresh` writes the outputs anew."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

PAGES = Path(__file__).parents[1] / "docs" / "tutorials"
BLOCK = re.compile(r"^```(python|console|text)([^\n]*)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"[+-]?\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?")
END = "\x1e"
WITHIN = 0.3
"""How much a number of a trained network may differ between machines, as a share."""


def script(text):
    """The page as a program that prints `END` behind the output of each code block."""
    lines = ["import subprocess, sys"]
    for kind, _, body in BLOCK.findall(text):
        if kind == "python":
            lines += [body, f"print({END!r})"]
        elif kind == "console":
            words = [sys.executable, "-m", *shlex.split(body.strip().removeprefix("$ "))]
            said = f"subprocess.run({words!r}, stdout=subprocess.PIPE, text=True, check=True).stdout"
            lines.append(f"print({said}, {END!r}, sep='')")
    return "\n".join(lines)


def outputs_of(text, folder):
    """Run a page in a folder; what each of its code blocks printed."""
    (folder / "page.py").write_text(script(text), encoding="utf-8")
    environment = {**os.environ, "COLUMNS": "80", "KERAS_BACKEND": "jax"}
    done = subprocess.run(
        [sys.executable, "page.py"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.split(END + "\n")[:-1]


def shown(text):
    """For each code block of a page the output block behind it, as a match; None where it has none."""
    blocks = list(BLOCK.finditer(text))
    for block, following in zip(blocks, [*blocks[1:], None], strict=True):
        if block[1] != "text":
            yield following if following is not None and following[1] == "text" else None


def alike(shown, printed):
    """Whether two outputs have the same words, and numbers that are near."""
    return [re.sub("─+", "─", NUMBER.sub("#", line)).split() for line in shown.strip().splitlines()] == [
        re.sub("─+", "─", NUMBER.sub("#", line)).split() for line in printed.strip().splitlines()
    ] and all(
        abs(a - b) <= WITHIN * max(abs(a), abs(b)) + 1e-6 for a, b in zip(numbers(shown), numbers(printed), strict=True)
    )


def numbers(text):
    return [float(found.replace(",", "")) for found in NUMBER.findall(text)]


def headings(text):
    """The lines of an example that are the same on every machine: short ones that hold no number and end no sentence.

    Where a paragraph breaks depends on how long its numbers are, so its last line may be any of its last words.
    """
    return [
        " ".join(line.split())
        for line in text.splitlines()
        if line and "─" not in line and len(line.split()) < 6 and not line.endswith(".") and not NUMBER.search(line)
    ]


def in_order(wanted, there):
    left = iter(there)
    return all(line in left for line in wanted)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(path.name for path in PAGES.glob("*.md")))
def test_a_tutorial_prints_what_it_shows(name, tmp_path, request):
    page = PAGES / name
    text = page.read_text(encoding="utf-8")
    printed = outputs_of(text, tmp_path)
    if request.config.getoption("--golden-refresh"):
        for block, output in reversed(list(zip(shown(text), printed, strict=True))):
            if block is not None:
                text = text[: block.start(3)] + output.strip("\n") + "\n" + text[block.end(3) :]
        page.write_text(text, encoding="utf-8")
    for block, output in zip(shown(text), printed, strict=True):
        if block is None:
            continue
        if "For example" in block[2]:
            assert in_order(headings(block[3]), headings(output)), output
        else:
            assert alike(block[3], output), output


def test_there_are_tutorials_with_outputs():
    for page in PAGES.glob("*.md"):
        text = page.read_text(encoding="utf-8")
        assert sum(block is not None for block in shown(text)) >= 3, page.name
        assert all(block is None or block[3].strip() for block in shown(text)), page.name
    assert {page.stem for page in PAGES.glob("*.md")} == {"keras", "pytorch", "onnx"}


def test_the_comparison_can_fail():
    assert alike("loss 0.71\n", "loss 0.70")
    assert not alike("loss 0.71\n", "loss 0.31")
    assert not alike("loss 0.71\n", "gain 0.71")
    assert not alike("loss 0.71\n", "loss 0.71 0.71")
    assert in_order(["Evidence"], ["Switched", "Evidence"])
    assert not in_order(["Evidence", "Switched"], ["Switched", "Evidence"])


def test_a_page_that_fails_is_noticed(tmp_path):
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        outputs_of("```python\n1 / 0\n```\n", tmp_path)
