"""README's commands print what README says."""

import re
import shlex
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"
BLOCKS = re.findall(r"```console\n\$ addcat ([^\n]*)\n(.*?)```", README.read_text(), flags=re.DOTALL)
TIMED = ("demo", "advise")


def test_readme_has_commands_to_check():
    assert [command.split()[0] for command, _ in BLOCKS].count("explain") == 1
    assert len(BLOCKS) >= 3


@pytest.mark.parametrize(("command", "printed"), [block for block in BLOCKS if block[0].split()[0] not in TIMED])
def test_command_prints_what_readme_says(command, printed, capsys, monkeypatch):
    from addcat.cli import main

    monkeypatch.setenv("COLUMNS", "80")
    main(shlex.split(command))
    assert capsys.readouterr().out.strip() == printed.strip()


@pytest.mark.slow
def test_demo_finds_what_readme_says(tmp_path, capsys):
    from addcat.cli import main

    (printed,) = [printed for command, printed in BLOCKS if command.startswith("demo")]
    main(["demo", "--output", str(tmp_path / "demo.html")])
    verdict = re.compile(r"^.*: \w+ \(\w+\), (add|concat) \(certain\)\.", flags=re.MULTILINE)
    found = {line.group() for line in verdict.finditer(capsys.readouterr().out)}
    assert {line.group() for line in verdict.finditer(printed)} <= found
