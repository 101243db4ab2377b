"""What `architectures.json` comes to, as docs/optimize.md has it: a row for each runtime, number of threads and batch.

Run: python benchmarks/architectures_summary.py, and put what it prints into docs/optimize.md.
"""

import json
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

RECORDS = Path(__file__).with_name("architectures.json")
RUNTIMES = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"}
TITLES = (
    "where",
    "networks",
    "changed",
    "5 % faster",
    "10 % faster",
    "median gain of these changed",
    "slower",
    "wrong",
    "higher peak",
    "seconds of search",
)
OTHERS = ("onnxslim", "onnxoptimizer", "onnxscript", "torch.compile")
BOUNDS: tuple[tuple[str, Callable[[float], bool]], ...] = (
    ("10 % faster", lambda share: share <= 0.9),
    ("5 % faster", lambda share: share <= 0.95),
    ("5 % slower", lambda share: share >= 1.05),
)
BESIDE = ("ONNX Runtime, 1 thread, batch 1", "networks", "time, in the median", *(name for name, _ in BOUNDS))


def searches(records: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Every search that was measured: by where it was, in words, and by network."""
    found: dict[str, dict[str, Any]] = {f"{name}, 1 thread, batch 1": {} for name in RUNTIMES.values()}
    for network, record in records.items():
        for runtime, name in RUNTIMES.items():
            cells = {f"{runtime}, 1 thread, batch 1": record.get(runtime, {}), **record.get("elsewhere", {})}
            for where, search in cells.items():
                if where.startswith(runtime) and "ratio" in search:
                    found.setdefault(where.replace(runtime, name), {})[network] = search
    return {where: found[where] for where in sorted(found, key=_place) if found[where]}


def _place(where: str) -> tuple[str, ...]:
    """First by batch and threads, then by runtime."""
    runtime, threads, batch = where.split(", ")
    return batch, threads, runtime.casefold()


def gained(search: Mapping[str, Any]) -> float:
    """Share of the time that is saved; 0 where the result is its input."""
    return 1 - search["ratio"]["estimate"] if search["changed"] else 0.0


def is_slower(search: Mapping[str, Any]) -> bool:
    """Whether the result is slower than its input, beyond the noise of a measurement of its own."""
    return search["changed"] and search["ratio"]["low"] > 1.0


def is_wrong(search: Mapping[str, Any]) -> bool:
    """Whether a rewrite changed the outputs, or the result's are further off than the network is from itself, twice."""
    return search["wrong"] > 0 or search["difference"] >= max(1e-4, 1e-5 + 2 * search.get("noise", 0.0))


def is_larger(search: Mapping[str, Any]) -> bool:
    """Whether more is alive at the peak than before."""
    before, after = search["peak"]
    return bool(before and after and after > before)


def row(where: str, found: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The cells of one place."""
    gains = [gained(one) for one in found if one["changed"]]
    counts = (
        len(found),
        len(gains),
        sum(gain >= 0.05 for gain in gains),
        sum(gain >= 0.1 for gain in gains),
    )
    bad = (sum(map(test, found)) for test in (is_slower, is_wrong, is_larger))
    middle = f"{statistics.median(gains):.1%}" if gains else "-"
    seconds = statistics.median(one["processor_seconds"] for one in found)
    return (where, *map(str, counts), middle.replace("%", " %"), *map(str, bad), f"{seconds:.0f}")


def lines(records: Mapping[str, Any]) -> Iterator[str]:
    """The table of searches, in Markdown."""
    yield f"| {' | '.join(TITLES)} |"
    yield f"|{' --- |' * len(TITLES)}"
    for where, found in searches(records).items():
        yield f"| {' | '.join(row(where, list(found.values())))} |"


def shares(records: Mapping[str, Any]) -> dict[str, list[float]]:
    """Time as a share of that after onnxsim, by optimiser, on the networks that others were tried on as well."""
    found: dict[str, list[float]] = {name: [] for name in ("addcat", *OTHERS)}
    for record in records.values():
        cells = {**record.get("others", {}), **record.get("compiled", {})}
        if "others" in record:
            found["addcat"].append(1 - gained(record["onnxruntime"]))
        for other in OTHERS:
            if "estimate" in cells.get(other, {}):
                found[other].append(cells[other]["estimate"])
    return {name: values for name, values in found.items() if values}


def beside(records: Mapping[str, Any]) -> Iterator[str]:
    """What other optimisers make of the networks, in Markdown."""
    yield f"| {' | '.join(BESIDE)} |"
    yield f"|{' --- |' * len(BESIDE)}"
    for name, found in shares(records).items():
        counts = [sum(test(share) for share in found) for _, test in BOUNDS]
        yield f"| {name} | {len(found)} | {statistics.median(found):.3f} | {' | '.join(map(str, counts))} |"


if __name__ == "__main__":
    known = json.loads(RECORDS.read_text(encoding="utf-8"))
    print("\n".join([*lines(known), *beside(known)]))
