"""Write the guide and its figures from the study's results.

    python -m study.guide            docs/answer.md, docs/figures/*.svg, and the study's lines in README.md
    python -m study.guide --check    writes nothing; ends with 1 where one of them is not what the results give

Words are in `answer.md.jinja`, `cases.py`, `sayings.py` and `findings.py`; every number comes from results.json.
"""

import argparse
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from study.analysis import BUDGETS, Outcome, Scored, foretold, left_out, outcomes, rules_scored, select, signs
from study.cases import CASES, answer, shrinks
from study.drawing import percent
from study.figures import figures
from study.findings import confirmed
from study.rules import RULES
from study.sayings import figure_words, mean_share, told

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "study" / "results.json"
TEMPLATE = ROOT / "study" / "answer.md.jinja"
STARTS = Path(__file__).with_name("starts.json")
"""Losses of one network for further starts, at two factors of the learning rate."""
SILENT = 10
"""Times the largest loss of the pairs, from which on a network has fallen silent."""
MARKS = ("<!-- study -->", "<!-- end of study -->")


def main(words: Sequence[str] | None = None) -> int:
    """Write, or check, everything that is generated."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args(words)
    stale = {
        path: text for path, text in made().items() if not path.exists() or path.read_text(encoding="utf-8") != text
    }
    for path, text in stale.items():
        print(f"{'differs' if options.check else 'written'}: {path.relative_to(ROOT)}")
        if not options.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    return int(bool(options.check and stale))


def made() -> Mapping[Path, str]:
    """Every generated file and what the results make of it."""
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    found = outcomes(results)
    ways = foretold(results, found)
    drawn = figures(found, ways)
    files = {ROOT / "docs" / "figures" / f"{name}.svg": svg for name, svg in drawn.items()}
    files[ROOT / "docs" / "answer.md"] = page(results, found, ways)
    readme = ROOT / "README.md"
    files[readme] = with_lines(readme.read_text(encoding="utf-8"), summary(found))
    return files


def page(results: Mapping[str, Any], found: Sequence[Outcome], ways: Sequence[Scored]) -> str:
    """The guide, as Markdown."""
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  (Markdown of our own making)
    )
    environment.filters["percent"] = percent
    environment.filters["figure"] = figure_words
    environment.filters["plain"] = lambda figure: figure_words(figure).replace("+", "")
    wide, matched = (select(found, budget=budget) for budget in BUDGETS)
    text = environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        answers=[answer(case, found) for case in CASES],
        told=told(found),
        findings=confirmed(found),
        rules=list(zip(rules_scored(wide), rules_scored(matched), (*RULES, None), strict=True)),
        ways=ways,
        mean={budget: mean_share(select(found, budget=budget)) for budget in BUDGETS},
        won={budget: signs(select(found, budget=budget)) for budget in BUDGETS},
        count={budget: len(select(found, budget=budget)) for budget in BUDGETS},
        shrinks=shrinks(found),
        left_out=left_out(results),
        tasks=results["tasks"],
        real=sum(not record["generated"] for record in results["tasks"]),
        diverged=sum(arm["diverged"] for record in results["tasks"] for arm in record["arms"].values()),
        trainings=sum(len(arm["losses"]) for record in results["tasks"] for arm in record["arms"].values()),
        edge=_highest_rate(results["tasks"]),
        silent=silent_starts(results["tasks"]),
        hours=sum(record["seconds"] for record in results["tasks"]) / 3600,
        pairs=len(results["tasks"][0]["seeds"]) if results["tasks"] else 0,
    )
    return re.sub(r"(?<=\d) %", "\N{NO-BREAK SPACE}%", text)


def _highest_rate(tasks: Sequence[Mapping[str, Any]]) -> float:
    """The share of arms for which tuning chose the highest of its learning rates."""
    rates = [arm["learning_rate"] for task in tasks for arm in task["arms"].values()]
    known = [rate for rate in rates if rate is not None]
    return sum(rate == max(known) for rate in known) / len(known) if known else 0.0


def silent_starts(tasks: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """What further starts of one network gave at two learning rates; those that fell silent are the same at both.

    Raises:
        ValueError: if they are not, so that the guide would have to say something else.
    """
    held = json.loads(STARTS.read_text(encoding="utf-8"))
    arm = next((task["arms"][held["arm"]] for task in tasks if task["name"] == held["task"]), None)
    if arm is None:
        return {"task": held["task"], "found": "?", "starts": "?", "pairs": "?"}
    chosen, half = (held["losses"][f"{rate:g}"] for rate in (arm["learning_rate"], arm["learning_rate"] / 2))
    silent, again = (
        {seed for seed, loss in one.items() if loss > SILENT * max(arm["losses"])} for one in (chosen, half)
    )
    if silent & set(half) != again:
        raise ValueError(f"The starts that fall silent depend on the learning rate: {silent} and {again}.")
    name = held["task"].split("/")[1].replace("-", " ")
    return {"task": name, "found": len(silent), "starts": len(chosen), "pairs": len(arm["losses"])}


def summary(found: Sequence[Outcome]) -> str:
    """The study in the README: a figure and two sentences."""
    wide, matched = (select(found, budget=budget) for budget in BUDGETS)
    won = signs(wide), signs(matched)
    return (
        f"[![Where each merge wins, by kind of merge](docs/figures/study.svg)](docs/answer.md)\n\n"
        f"{len(wide)} small tasks, eight pairs each. At equal widths Concatenate took {figure_words(mean_share(wide))} "
        f"off the loss on average\nand was clearly better in {won[0]['concat']} tasks, Add in {won[0]['add']}; at "
        f"equal parameters it was {figure_words(mean_share(matched))},\n{won[1]['concat']} and {won[1]['add']}. "
        "[When to add, when to concatenate](docs/answer.md) has each case."
    )


def with_lines(text: str, lines: str) -> str:
    """A text with what lies between the marks put in anew."""
    begin, end = (re.escape(mark) for mark in MARKS)
    return re.sub(f"{begin}.*?{end}", lambda _: f"{MARKS[0]}\n{lines}\n{MARKS[1]}", text, flags=re.DOTALL)


if __name__ == "__main__":
    sys.exit(main())
