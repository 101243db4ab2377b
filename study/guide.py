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

from study.again import again, silenced
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
        judged=_tuned_by_what_judges(results["tasks"]),
        asked_before=sum("evidence" in record and record["classes"] > 0 for record in results["tasks"]),
        silent=silenced(),
        again=again(results, found),
        hours=sum(record["seconds"] for record in results["tasks"]) / 3600,
        pairs=len(results["tasks"][0]["seeds"]) if results["tasks"] else 0,
    )
    return re.sub(r"(?<=\d) %", "\N{NO-BREAK SPACE}%", text)


def _highest_rate(tasks: Sequence[Mapping[str, Any]]) -> float:
    """The share of arms for which tuning chose the highest of its learning rates."""
    rates = [arm["learning_rate"] for task in tasks for arm in task["arms"].values()]
    known = [rate for rate in rates if rate is not None]
    return sum(rate == max(known) for rate in known) / len(known) if known else 0.0


def _tuned_by_what_judges(tasks: Sequence[Mapping[str, Any]]) -> int:
    """Tasks whose learning rates were not chosen by a part of the examples to train on, as their notes say it."""
    return sum(not any("of the examples to train on" in note for note in task["notes"]) for task in tasks)


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
