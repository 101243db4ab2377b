"""Run tasks of the study and write down everything that came out.

    python -m study.run                      all tasks, one after the other
    python -m study.run --part 1/2           every second task, for a process of its own
    python -m study.run --tasks residual/digits unet/denoise-china
    python -m study.run --small              every tenth task

Every task is one comparison: add against concat, at the same widths and with as many parameters, eight pairs of one
seed each, the learning rate tuned alike for every arm. A task that has been run is not run again: its trials are in
`FOLDER/NAME.db`, its numbers in `FOLDER/NAME.json`; what ended in the middle goes on. After each task all numbers
that there are go into one file, in the order of the tasks.
"""

import argparse
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).parent
RESULTS, FOLDER = HERE / "results.json", HERE / "runs"
SMALL_EVERY = 10
"""Of so many tasks, `--small` takes one."""


def main(words: Sequence[str] | None = None) -> int:
    """Run what the command line asks for."""
    options = parser(__doc__ or "").parse_args(words)
    from study.record import assemble, forget, measured  # noqa: PLC0415  (help needs no framework)

    chosen, start, failed = chosen_of(options), time.monotonic(), list[str]()
    for place, name in enumerate(chosen, 1):
        if options.budget_seconds is not None and time.monotonic() - start > options.budget_seconds:
            print(f"stopped after {options.budget_seconds:g} s: {len(chosen) - place + 1} tasks are left", flush=True)
            break
        try:
            record = measured(name, options.folder)
        except Exception:
            failed.append(name)
            print(f"{place}/{len(chosen)} {name}: failed\n{traceback.format_exc()}", flush=True)
            continue
        print(f"{place}/{len(chosen)} {line(record)}", flush=True)
        assemble(options.folder, options.output)
        forget()
    assemble(options.folder, options.output)
    if failed:
        print(f"{len(failed)} of {len(chosen)} tasks failed: {', '.join(failed)}", flush=True)
    return bool(failed)


def line(record: dict) -> str:
    """One line on a task that has been run."""
    verdicts = "; ".join(
        f"{budget} {found['verdict']}, gain {_percent(found, record)}, concat better {found['probability']:.0%}"
        for budget, found in record["budgets"].items()
    )
    return f"{record['name']}: {verdicts} ({record['seconds']:.0f} s)"


def _percent(found: dict, record: dict) -> str:
    gain, loss = found["gain"], record["arms"]["add"]["loss"]
    return "none" if gain is None or not loss else f"{gain['estimate'] / loss:+.1%} of the loss"


def chosen_of(options: argparse.Namespace) -> list[str]:
    """The names of the tasks that the command line asks for."""
    from study.tasks import TASKS  # noqa: PLC0415

    names = list(TASKS)
    unknown = [name for name in options.tasks or () if name not in TASKS]
    if unknown:
        sys.exit(f"no such task: {', '.join(unknown)}. There are: {', '.join(names)}.")
    if options.tasks:
        return options.tasks
    if options.small:
        return names[::SMALL_EVERY]
    part, parts = (int(number) for number in options.part.split("/"))
    return names[part - 1 :: parts]


def parser(words: str) -> argparse.ArgumentParser:
    """The options of the commands that go over tasks."""
    parser = argparse.ArgumentParser(description=words, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", metavar="NAME")
    parser.add_argument("--part", default="1/1", help="such as 1/2: the first of two parts")
    parser.add_argument("--small", action="store_true", help=f"every {SMALL_EVERY}th task")
    parser.add_argument("--budget-seconds", type=float, help="begin no task after so many seconds")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where trials and numbers of each task are kept")
    parser.add_argument("--output", type=Path, default=RESULTS, help="where all numbers go")
    return parser


if __name__ == "__main__":
    sys.exit(main())
