"""The benchmark over public architectures: its list, its parts, its file, and the figure that is drawn of it."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def stored():
    return json.loads((BENCHMARKS / "architectures.json").read_text(encoding="utf-8"))


def test_the_list_has_many_networks_of_many_families_and_every_part_some_of_several_libraries():
    from architecture_list import ARCHITECTURES
    from architectures import chosen

    assert len(ARCHITECTURES) >= 60
    assert len({one.family for one in ARCHITECTURES.values()}) >= 30
    parts = [chosen(f"{number}/4", []) for number in (1, 2, 3, 4)]
    assert sorted(name for part in parts for name in part) == sorted(ARCHITECTURES)
    assert all(len({ARCHITECTURES[name].library for name in part}) > 2 for part in parts)


def test_what_is_measured_is_added_to_what_is_there(tmp_path):
    from architecture_list import ARCHITECTURES
    from architectures import records

    first, second = list(ARCHITECTURES)[:2]
    for name in (second, first):
        with records(tmp_path / "out.json") as found:
            found[name] = {"library": "x"}
    assert list(json.loads((tmp_path / "out.json").read_text())) == [first, second]


def test_no_network_is_slower_or_wrong(stored):
    """A result that is not faster is the input itself; what is measured again lies within the noise.

    Where a network differs from itself, with the runtime's optimisations and without, its result may differ twice that.
    """
    from architectures_summary import gained, is_larger, is_slower, is_wrong, searches

    for where, found in searches(stored).items():
        for name, search in found.items():
            assert not any(test(search) for test in (is_wrong, is_slower, is_larger)), (where, name)
            assert not search["changed"] or search["own_ratio"][2] < 1.0, (where, name)
            assert gained(search) > -0.05, (where, name)


def test_the_documentation_has_the_numbers_of_the_file(stored):
    from architectures_summary import beside, lines

    text = (BENCHMARKS.parent / "docs" / "optimize.md").read_text(encoding="utf-8").splitlines()
    assert all(line in text for line in (*lines(stored), *beside(stored))), "run benchmarks/architectures_summary.py"


def test_the_figure_is_what_the_file_gives(stored):
    from architectures_figure import FIGURE, figure

    assert FIGURE.read_text(encoding="utf-8") == figure(stored), "run benchmarks/architectures_figure.py"
    root = ElementTree.fromstring(figure(stored))  # noqa: S314  (ours)
    measured = [name for name, record in stored.items() if "ratio" in record.get("onnxruntime", {})]
    words = [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert set(measured) <= set(words)
    assert len(re.findall("<circle", figure(stored))) >= len(measured)


def test_another_gain_gives_another_figure(stored):
    from architectures_figure import figure

    before = figure(stored)
    record = next(one for one in stored.values() if "ratio" in one.get("onnxruntime", {}))
    record["onnxruntime"] |= {"changed": True, "ratio": {"estimate": 0.5}}
    assert figure(stored) != before


def test_the_table_lists_all(stored, capsys):
    from architectures import table

    table(stored)
    text = capsys.readouterr().out
    assert all(name in text for name in stored)
    assert text.splitlines()[-1].startswith(f"{sum('ratio' in r.get('onnxruntime', {}) for r in stored.values())} ")
