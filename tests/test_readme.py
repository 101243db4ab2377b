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


def broken_links(text, folder):
    """Relative links of a page that lead nowhere."""
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", text)
    return [link for link in links if not (folder / link).exists()]


def test_links_lead_somewhere():
    assert len(re.findall(r"\]\(docs/", README.read_text(encoding="utf-8"))) >= 8
    for page in [README, README.parent / "CONTRIBUTING.md", *README.parent.glob("docs/**/*.md")]:
        assert broken_links(page.read_text(encoding="utf-8"), page.parent) == [], page.name


def test_a_broken_link_is_noticed(tmp_path):
    (tmp_path / "there.md").touch()
    text = "[a](there.md#part) [b](https://keras.io) [c](#here) [d](docs/gone.md)"
    assert broken_links(text, tmp_path) == ["docs/gone.md"]


def test_every_page_of_the_docs_is_named_in_readme():
    pages = {path.relative_to(README.parent).as_posix() for path in (README.parent / "docs").glob("**/*.md")}
    built = {page for page in pages if page.startswith("docs/reference/") or page == "docs/index.md"}
    assert pages - built <= set(re.findall(r"\]\(([\w/.]+)\)", README.read_text(encoding="utf-8")))
