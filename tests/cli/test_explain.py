"""`addcat explain` and what every verb shares: pages, JSON, errors, exit codes, colours."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from addcat.cli import app, main

QUESTIONS = {
    "unequal": ["64x128x128", "32x128x128", "--consumer", "conv3x3:64"],
    "equal": ["8x8x64", "8x8x64", "--consumer", "conv3x3:64/2"],
    "odd": ["88x88x64", "89x89x64"],
    "broadcast": ["8x8x16", "1x1x16", "--consumer", "conv1x1:8"],
    "unknown": ["?x16", "?x16", "?x16", "--consumer", "dense:4"],
    "other_axis": ["5x16", "7x16", "--consumer", "dense:3"],
}


@pytest.fixture
def run(capsys, monkeypatch):
    """Run a command line in a pipe of `width` characters; gives exit code, output and errors."""

    def run(*arguments, width=80, **environment):
        for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE"):
            monkeypatch.delenv(name, raising=False)
        for name, value in {"COLUMNS": str(width), "TERM": "xterm-256color", **environment}.items():
            monkeypatch.setenv(name, value)
        code = main(arguments)
        return (code, *capsys.readouterr())

    return run


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", QUESTIONS)
def test_the_page(run, golden, name, width):
    code, text, errors = run("explain", *QUESTIONS[name], width=width)
    assert (code, errors) == (0, "")
    assert max(map(len, text.splitlines())) <= width
    golden.check(f"explain_{name}_{width}.txt", text)


def number(text):
    return int(text.replace(",", "")) if text != "-" else 0


def rows(text, title):
    """Cells of the table that stands under a heading, by column title."""
    lines = text[text.index(title) :].splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("Merge "))
    heads = [(found.start(), found.end(), found[0]) for found in re.finditer(r"\S+(?: \S+)*", lines[start])]
    table = {}
    for line in lines[start + 2 :]:
        if not line:
            break
        if not line.startswith("─"):
            cells = [(found.start(), found.end(), found[0]) for found in re.finditer(r"\S+(?: \S+)*", line)]
            table[cells[0][2]] = {
                head: cell for left, right, cell in cells for a, b, head in heads if left < b and right > a
            }
    return table


@pytest.mark.parametrize("name", ["unequal", "equal", "unknown"])
def test_printed_totals_add_up(run, name):
    _, text, _ = run("explain", *QUESTIONS[name], width=120)
    table = rows(text, "Followed by")
    ratio = table.pop("Concatenate / Add")
    assert len(table) == 2
    for row in table.values():
        parts = sum(number(row[part]) for part in ("Projection", "Weights", "Bias"))
        assert number(row["Parameters"]) == parts > 0
    below, above = (number(row["Parameters"]) for row in table.values())
    assert ratio["Parameters"] == f"{above / below:.1f}x"


def test_the_check_of_totals_can_fail(run):
    _, text, _ = run("explain", *QUESTIONS["equal"], width=120)
    row = rows(text.replace("36,928", "36,929"), "Followed by")["Add"]
    assert number(row["Parameters"]) != sum(number(row[part]) for part in ("Projection", "Weights", "Bias"))


def test_json_has_the_fields_of_the_library(run):
    code, text, errors = run("explain", "64x128x128", "32x128x128", "--axis", "0", "--json")
    answer = json.loads(text)
    assert (code, errors) == (0, "")
    assert list(answer)[:3] == ["shapes", "axis", "axis_reason"]
    assert (answer["add"]["possible"], answer["concat"]["shape"]) == (False, [96, 128, 128])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["64x8", "32x8", "--axis", "2"],
            "axis=2 is out of range for (64, 8) and (32, 8): 2 axes, and these shapes are without batch. Use -2 to 1.",
        ),
        (
            ["64y8", "32x8"],
            "'64y8' is not a shape: '64y8' is not a size. "
            "Write the sizes as 64x128x128, each from 1 up, and ? where one is unknown.",
        ),
        (
            ["64x8", "32x8", "--consumer", "conv:8"],
            "'conv:8' is not a consumer. "
            "Write dense:N, or convKxK:N with an optional stride: dense:10, conv3x3:64, conv3x3:64/2.",
        ),
    ],
)
def test_a_mistake_is_one_message(run, arguments, message):
    assert run("explain", *arguments) == (2, "", f"Error: {message}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["explain", "64", "--colour"], "No such option: --colour"),
        (["explain"], "Missing argument"),
        (["explain", "64", "64", "--axis", "one"], "Invalid value for '--axis'"),
        (["explian", "64", "64"], "Did you mean 'explain'?"),
    ],
)
def test_a_wrong_command_line_is_one_message(run, arguments, message):
    code, text, errors = run(*arguments)
    assert (code, text) == (2, "")
    assert errors.startswith("Usage: addcat")
    assert message in errors
    assert errors.count("Error: ") == 1


def test_the_version(run):
    import addcat

    assert run("--version") == (0, f"addcat {addcat.__version__}\n", "")


def test_help_has_an_example_for_each_verb(run):
    for command in app.registered_commands:
        code, text, _ = run(command.name, "--help", width=100)
        assert code == 0
        assert f"Example: addcat {command.name} " in text
        assert "--json" in text


def test_the_example_runs(run):
    _, text, _ = run("explain", "--help", width=100)
    words = re.search(r"Example: addcat (.*)", text)[1].split()
    assert run(*words)[0] == 0


def test_colours_only_where_wanted(run):
    question = ["explain", "64x8", "32x8"]
    assert "\x1b" not in run(*question)[1]
    assert "\x1b[32m" in run(*question, FORCE_COLOR="1")[1]
    assert not re.search(r"\x1b\[3\dm", run(*question, FORCE_COLOR="1", NO_COLOR="1")[1])
    assert "\x1b" not in run("explain", "64x8")[2]


def test_refused_is_1_and_a_file_that_cannot_be_read_is_2(run, monkeypatch):
    from addcat import cli
    from addcat.errors import RefusedError

    def fail_with(error):
        def failing(**_):
            raise error

        monkeypatch.setattr(cli, "app", failing)

    fail_with(RefusedError("'merge' cannot become 'drop'."))
    assert run("switch") == (1, "", "Error: 'merge' cannot become 'drop'.\n")
    fail_with(FileNotFoundError(2, "No such file or directory", "net.keras"))
    assert run("inspect") == (2, "", "Error: No such file or directory: 'net.keras'.\n")
    fail_with(OSError("disk on fire"))
    assert run("inspect") == (2, "", "Error: disk on fire.\n")


def test_a_mistake_of_ours_is_not_hidden(run, monkeypatch):
    from addcat import cli

    def failing(**_):
        raise AssertionError("ours")

    monkeypatch.setattr(cli, "app", failing)
    with pytest.raises(AssertionError, match="ours"):
        run("explain")


@pytest.mark.parametrize("program", [[sys.executable, "-m", "addcat"], [str(Path(sys.executable).parent / "addcat")]])
def test_the_installed_command(program):
    def call(*arguments):
        environment = {**os.environ, "PYTHONIOENCODING": "ascii"}  # the hardest terminal there is
        done = subprocess.run([*program, *arguments], capture_output=True, text=True, env=environment, check=False)  # noqa: S603
        return done.returncode, done.stdout, done.stderr

    code, text, errors = call("explain", "64x8", "32x8")
    assert (code, errors) == (0, "")
    assert "96x8" in text
    code, text, errors = call("explain", "64x8")
    assert (code, text) == (2, "")
    assert errors.startswith("Error: explain takes two shapes or more")
    assert "Traceback" not in errors


@pytest.mark.parametrize("width", [80, 120])
def test_the_page_of_a_code(run, golden, width):
    code, text, errors = run("explain", "ac109", width=width)
    assert (code, errors) == (0, "")
    assert max(map(len, text.splitlines())) <= width
    golden.check(f"explain_code_{width}.txt", text)


def test_json_of_a_code_has_the_fields_of_the_library(run):
    import addcat

    code, text, errors = run("explain", "AC104", "--json")
    assert (code, errors) == (0, "")
    assert json.loads(text) == addcat.explain("AC104").to_dict()


def test_a_code_that_does_not_exist_is_one_message(run):
    message = (
        "'AC412' is not a code of addcat. Nearest: AC312 (compose: two linear layers in a row are not made one); "
        "AC212 (a Stack that is summed); AC112 (a rung's scale does not fold into its branch)."
    )
    assert run("explain", "AC412") == (2, "", f"Error: {message}\n")


def test_help_names_what_a_repeated_option_takes(run):
    for command in app.registered_commands:
        assert not re.search(r"--[a-z-]+ <list", run(command.name, "--help")[1]), command.name


def test_the_list_of_verbs_fits_a_page(run):
    lines = [line for line in run("--help", width=80)[1].splitlines() if re.match(r"  [a-z]+  ", line)]
    assert [line.split()[0] for line in lines] == [command.name for command in app.registered_commands]
    assert all(line.endswith(".") and not line.endswith("...") for line in lines)
