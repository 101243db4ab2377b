"""What does `optimize` gain on public architectures that nobody here wrote, and what does it cost?

    python benchmarks/architectures.py [--columns openvino ...] [--part 1/4] [--only NAME ...]
    python benchmarks/architectures.py --table

Each network is exported with random weights, simplified by onnxsim and optimised; times are shares of that of what
onnxsim gave. Groups of columns are measured one after the other: `onnxruntime` and `openvino` on one thread at a batch
of one, `others` (other optimisers), `compiled` (torch.compile), `elsewhere` (two threads, a batch of eight), and
`features`, what `--estimate` sees in the graph (see `fit_estimate.py`). A network is a process of its own, and is
written down at once; what was measured already is left alone. Wants pip install 'addcat[census,bench]' onnxslim.
"""

import argparse
import fcntl
import gc
import importlib
import itertools
import json
import logging
import multiprocessing
import os
import statistics
import tempfile
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from architecture_list import ARCHITECTURES
from torch_networks import without_torchvision

SECONDS = 900
COLUMNS = ("onnxruntime", "openvino", "others", "compiled", "elsewhere", "features")
MODULES = {"monai": "monai.networks.nets", "smp": "segmentation_models_pytorch"}
Records = dict[str, dict[str, Any]]


@contextmanager
def records(path: Path) -> Iterator[Records]:
    """What a file holds, to be changed; parts that run beside each other wait for one another."""
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found: Records = json.loads(path.read_text()) if path.exists() else {}
        yield found
        ordered = {name: found[name] for name in ARCHITECTURES if name in found}
        path.with_suffix(".new").write_text(json.dumps(ordered, indent=1) + "\n")
        path.with_suffix(".new").replace(path)


def measure(name: str, columns: str, folder: Path) -> dict[str, Any]:
    """One network in a process of its own, forked from this one, so that libraries are loaded once."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=child, args=(name, columns, folder, there))
    process.start()
    there.close()
    try:
        found = here.recv() if here.poll(SECONDS) else {"why": f"more than {SECONDS} s"}
    except EOFError:
        process.join()
        found = {"why": f"the process ended with {process.exitcode}"}
    process.kill()
    process.join()
    return found


def child(name: str, columns: str, folder: Path, pipe: Any) -> None:
    from architecture_columns import COLUMNS

    torch.set_num_threads(1)
    load = round(os.getloadavg()[0], 1)
    try:
        pipe.send({**COLUMNS[columns](name, folder), "load": load})
    except Exception as error:
        trace = [f"{Path(f.filename).name}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__)[-3:]]
        words = next(iter(str(error).splitlines()), "")
        pipe.send({"why": f"{type(error).__name__}: {words[:250]} ({', '.join(trace)})"})


def load_libraries(names: list[str], folder: Path) -> None:
    """All that is wanted, before forking: but no model, since threads do not survive a fork."""
    from architecture_export import is_exported

    os.environ["KERAS_BACKEND"] = "torch"
    importlib.import_module("architecture_columns")
    wanted = {ARCHITECTURES[name].library for name in names if not is_exported(name, 1, folder)}
    without_torchvision()
    for library in sorted(wanted):
        importlib.import_module(MODULES.get(library, library))
    gc.freeze()  # or the children copy what they never use


def chosen(part: str, only: list[str]) -> list[str]:
    """Names of the networks to run."""
    number, of = map(int, part.split("/"))
    return [name for i, name in enumerate(only or ARCHITECTURES) if i % of == number - 1]


OTHERS = ("onnxslim", "onnxoptimizer", "onnxscript", "torch.compile")


def share(value: Any) -> str:
    """Time as a share of onnxsim's; "-" where there is none."""
    estimate = value.get("estimate") if isinstance(value, dict) else value
    return "-" if estimate is None else f"{estimate:.3f}"


def cells(record: dict[str, Any]) -> list[str]:
    """A row of the table."""
    search, other = record["onnxruntime"], {**record.get("others", {}), **record.get("compiled", {})}
    before, after = search["peak"]
    return [
        share(search["ratio"]),
        share(record.get("openvino", {}).get("ratio")),
        *(share(other.get(name)) for name in OTHERS),
        f"{after / before:.2f}" if before and after else "-",
        f"{search['difference']:.0e}",
        f"{search['processor_seconds']:.0f}",
    ]


def table(found: Records) -> None:
    """The main columns, best first; at the end what could not be measured."""
    titles = ("addcat", "openvino", *OTHERS, "peak", "difference", "seconds")
    print(f"{'network':26s}", *(f"{title:>13s}" for title in titles))
    done = {name: record for name, record in found.items() if "ratio" in record.get("onnxruntime", {})}
    for name, record in sorted(done.items(), key=lambda item: share(item[1]["onnxruntime"]["ratio"])):
        print(f"{name:26s}", *(f"{cell:>13s}" for cell in cells(record)))
    for name, record in found.items():
        if name not in done:
            print(f"{name:26s} {record['onnxruntime']['why']}")
    seconds = [record["onnxruntime"]["processor_seconds"] for record in done.values()]
    print(f"{len(done)} networks, median search {statistics.median(seconds or [0]):.0f} s of the processor")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    parser.add_argument("--models", type=Path, default=Path(tempfile.gettempdir()) / "architectures")
    parser.add_argument("--part", default="1/1")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--columns", nargs="+", choices=COLUMNS, default=COLUMNS[:1])
    parser.add_argument("--again", action="store_true", help="measure what was measured already")
    parser.add_argument("--table", action="store_true")
    arguments = parser.parse_args()
    arguments.models.mkdir(parents=True, exist_ok=True)
    if arguments.table:
        table(json.loads(arguments.out.read_text()))
        return
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    names = chosen(arguments.part, arguments.only)
    load_libraries(names, arguments.models)
    for name, columns in itertools.product(names, arguments.columns):
        with records(arguments.out) as found:
            done = found.get(name, {})
        if columns in done and not arguments.again:
            continue
        measured = measure(name, columns, arguments.models)
        about = {"library": ARCHITECTURES[name].library, "family": ARCHITECTURES[name].family}
        with records(arguments.out) as found:
            found[name] = {**about, **found.get(name, {}), columns: measured}
        print(name, columns, measured.get("why", "done"), flush=True)


if __name__ == "__main__":
    main()
