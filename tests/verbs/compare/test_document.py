"""The report: whole, escaped, without scripts, and readable in a browser of any width and scheme."""

import math
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from addcat.trials.trial import Key, of_curve, of_value
from addcat.verbs.compare.conclude import conclude
from addcat.verbs.compare.html.document import document
from addcat.verbs.compare.html.plot import Plot, around, ticks
from addcat.verbs.compare.settings import Arm, Contrast, Settings

BOLD = "<b>net</b>"


def comparison(pairs=6, stop="fixed", **options):
    random = np.random.default_rng(0)
    arms = ("add", "concat", "concat, same parameters")
    contrasts = tuple(Contrast(f"{arm} over add", "add", arm, ("add", "concat")) for arm in arms[1:])
    settings = Settings(
        BOLD, "model", "Add or concat at the merge?", tuple(Arm(arm, arm, 10, 20, 40, 80, 0.001) for arm in arms),
        contrasts, None, tuple(range(1, pairs + 1)), 0.02, stop, notes=("Loss: <mse>.",), command="addcat compare",
        **options,
    )  # fmt: skip
    trials = {}
    for seed in settings.seeds:
        for place, arm in enumerate(arms):
            curve = np.exp(-np.arange(8) / 3)[:, None] + 1 - 0.2 * (place > 0) + 0.05 * random.normal(size=(8, 12))
            trials[Key(arm, seed)] = of_curve(Key(arm, seed), curve, {"accuracy": 0.5}).stamped(1.0)
    return settings, trials


class Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.open, self.seen = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_document_is_whole_and_every_name_is_escaped():
    text = document(conclude(*comparison()))
    tags = Tags(text)
    assert tags.open == []
    assert tags.seen.count("polyline") >= 18
    assert "script" not in tags.seen
    assert "b" not in tags.seen
    assert "&lt;b&gt;net&lt;/b&gt;" in text
    assert not re.search(r'(src|href)="', text)
    for heading in ("Curves of all seeds", "Paired differences", "The sequence over pairs", "Every question",
                    "Further metrics", "How it was asked"):  # fmt: skip
        assert heading in text
    assert text.count("<circle") == 12


def test_what_there_is_nothing_of_is_left_out():
    settings, trials = comparison()
    values = {key: of_value(key, trial.loss) for key, trial in trials.items()}
    text = document(conclude(settings, values))
    assert "Curves of all seeds" not in text
    assert "Further metrics" not in text
    none = document(conclude(settings, {}))
    assert "<svg" not in none
    assert Tags(none).open == []


def test_curves_that_diverge_are_cut_and_not_drawn_beyond():
    settings, trials = comparison()
    key = Key("concat", 2)
    curve = np.vstack([np.full((4, 12), 1.5), np.full((2, 12), 1e30), np.full((2, 12), math.nan)])
    found = conclude(settings, {**trials, key: of_curve(key, curve)})
    text = document(found)
    points = [tuple(map(float, pair.split(","))) for line in re.findall(r'points="([^"]*)"', text)
              for pair in line.split()]  # fmt: skip
    assert all(-1 <= x <= 641 and -1 <= y <= 301 for x, y in points)


def test_a_plot_names_itself_and_both_axes():
    text = Plot("the whole", (0, 3), (0, 1), "pairs & more", "gain < loss").svg()
    words = re.findall(r"<text[^>]*>([^<]*)</text>", text)
    assert {"pairs &amp; more", "gain &lt; loss", "0", "1", "3"} <= set(words)
    assert 'aria-label="the whole"' in text


def test_a_plot_breaks_lines_where_there_is_no_number():
    plot = Plot("x", (0, 3), (0, 1), "x", "y")
    plot.line([(0, 0.5), (1, math.nan), (2, 0.5), (3, 0.6)], "curve")
    assert len(plot.parts) == 2
    assert around([1.0, 1.0]) == (0.92, 1.08)
    assert around([0.0]) == (-1.0, 1.0)
    assert around([math.inf]) == (0.0, 1.0)
    assert ticks(3.0, 3.0) == [3.0]
    assert ticks(-0.05, 0.05) == [-0.04, -0.02, 0.0, 0.02, 0.04]


@pytest.mark.parametrize(("width", "scheme"), [(1100, "light"), (1100, "dark"), (390, "light")])
def test_a_browser_shows_it_without_scrolling_sideways(tmp_path, width, scheme):
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("no chromium here")
    from playwright.sync_api import sync_playwright

    (tmp_path / "report.html").write_text(document(conclude(*comparison())), encoding="utf-8")
    with sync_playwright() as play:
        page = play.chromium.launch(executable_path=browser, args=["--no-sandbox"]).new_page(
            viewport={"width": width, "height": 800}, color_scheme=scheme
        )
        page.goto(f"file://{tmp_path}/report.html")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        ink, paper = page.evaluate(
            "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
        )
        light = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in (ink, paper)]
        assert (light[0] > light[1]) == (scheme == "dark")


def test_a_self_check_says_what_it_is():
    settings, trials = comparison(self_check=True)
    settings = replace(settings, contrasts=settings.contrasts[:1])
    assert "the arm and itself" in document(conclude(settings, trials))


@pytest.mark.parametrize("width", [80, 120])
def test_the_page_is_as_it_was_read(golden, width):
    from addcat.report.text import render

    settings, trials = comparison(stop="sequential")
    key = Key("concat", 2)
    found = conclude(settings, {**trials, key: of_value(key, math.nan).stamped(1.0)})
    golden.check(f"compare_{width}.txt", render(found.page(), width=width))


def test_the_words_on_the_margin_are_not_where_those_on_the_mean_are():
    figure = document(conclude(*comparison())).split("Paired differences")[1]
    found = re.findall(r'text-anchor="(start|end)">(margin|mean)', figure)
    assert ("start", "margin") in found
    assert ("end", "mean") in found
    assert ("end", "margin") not in found


def test_what_nobody_knows_takes_no_room():
    settings, trials = comparison()
    unknown = tuple(Arm(arm.name, arm.words) for arm in settings.arms)
    page = document(conclude(replace(settings, arms=unknown, notes=()), trials))
    assert "What to know" not in page
    assert "parameters</th>" not in page
    assert "a trial</th>" in page
    assert "parameters</th>" in document(conclude(settings, trials))
