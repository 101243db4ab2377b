"""CONTRIBUTING's walks lead to where they say, and its map names what is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "addcat"
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
WALKS = re.findall(r"`([\w/]+\.py)`\s+\(`(\w+)`", TEXT)


def test_there_are_walks():
    assert len(WALKS) >= 5


@pytest.mark.parametrize(("file", "function"), WALKS)
def test_a_walk_ends_where_it_says(file, function):
    assert re.search(rf"^def {function}\(", (SOURCE / file).read_text(encoding="utf-8"), flags=re.MULTILINE)


def test_every_folder_is_on_the_map():
    rows = TEXT[TEXT.index("## Map") : TEXT.index("Four walks")]
    there = {path.name for path in SOURCE.iterdir() if (path / "__init__.py").exists()}
    assert there == set(re.findall(r"`(\w+)/`", "".join(line.split("| ")[1] for line in rows.splitlines()[4:] if line)))
