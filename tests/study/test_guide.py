"""The guide: every number in it, in its figures and in the README is what results.json gives."""

import json
from xml.etree import ElementTree

import pytest

from study import guide
from study.drawing import ADD, CONCAT, INK, Axis, Picture, interval

BACKGROUNDS = ("#ffffff", "#0d1117")


def test_the_guide_and_its_figures_are_what_the_results_give():
    differs = [
        str(path.relative_to(guide.ROOT)) for path, text in guide.made().items() if path.read_text("utf-8") != text
    ]
    assert not differs, f"{differs} differ from study/results.json: run `make guide`"


def test_another_result_gives_another_page():
    results = json.loads(guide.RESULTS.read_text("utf-8"))
    before = guide.page(results, guide.outcomes(results), ())
    results["tasks"][0]["budgets"]["widths"]["gain"]["estimate"] *= -3
    assert guide.page(results, guide.outcomes(results), ()) != before


def test_only_the_lines_between_the_marks_are_written():
    begin, end = guide.MARKS
    assert guide.with_lines(f"a\n{begin}\nold\n{end}\nb", r"new \1") == f"a\n{begin}\nnew \\1\n{end}\nb"


def test_figures_are_xml_with_a_title():
    for path, text in guide.made().items():
        if path.suffix == ".svg":
            root = ElementTree.fromstring(text)  # noqa: S314  (ours)
            assert root.find("{http://www.w3.org/2000/svg}title").text


@pytest.mark.parametrize("colour", [ADD, CONCAT, INK])
@pytest.mark.parametrize("background", BACKGROUNDS)
def test_colours_can_be_read_on_white_and_on_black(colour, background):
    lighter, darker = sorted((luminance(colour), luminance(background)), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= 3.9


def test_an_interval_beyond_the_axis_ends_in_an_arrow():
    axis, inside, beyond = Axis(-1, 1, 0, 100), Picture(100, 10, ""), Picture(100, 10, "")
    interval(inside, axis, 5, (-0.5, 0.5), INK)
    interval(beyond, axis, 5, (-2, 0.5), INK)
    assert len(inside.parts) == 1
    assert len(beyond.parts) == 3


def luminance(colour):
    """Of WCAG 2."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
