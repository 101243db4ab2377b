"""Mutants: would a test notice? One point of the source is changed at a time, and the mirrored tests are run.

    python tests/mutate.py --count 100 --seed 0 [folder ...]

A mutant is written to a copy of the package, never to the working tree. The tests of `src/addcat/a/b.py` are
`tests/a/test_b.py`, where there is none the folder's, and what `ALSO` adds: those of them that import the file, through
whatever else, the nearest first, without the slow ones, up to the first that fails. Points are drawn by seed, folders
in turn, so a run can be repeated and continued. Printed are a table by folder and every survivor; some are equivalent,
which only a person can tell.
"""

import argparse
import ast
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice, zip_longest
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDERS = ("algebra", "rules", "statistics", "evidence", "verbs", "switches", "doors/onnx")
ALSO = {
    "algebra": ["tests/laws/test_algebra_laws.py"],
    "rules": ["tests/rules/test_surroundings.py", "tests/rules/test_refusals.py"],
    "switches": ["tests/laws/test_switch_laws.py"],
}
SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.Add: ast.Sub, ast.Sub: ast.Add,
    ast.Mult: ast.Add, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip
PASSED, NONE_COLLECTED = 0, 5
"""What pytest ends with."""
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}


@dataclass(frozen=True)
class Mutant:
    """One changed point.

    Attributes:
        path: Of the file, below the root.
        line: Where.
        old: The text there.
        new: What it becomes.
        span: Its first and last offset in the file.
    """

    path: Path
    line: int
    old: str
    new: str
    span: tuple[int, int]

    @property
    def text(self) -> str:
        """The whole file with the change."""
        source = (ROOT / self.path).read_bytes()
        return (source[: self.span[0]] + self.new.encode() + source[self.span[1] :]).decode()


def mutants(path: Path) -> list[Mutant]:
    """Every single-point change of a file that this script knows."""
    source = path.read_bytes()
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found: list[Mutant] = []
    for node in _code(ast.parse(source)):
        for new in _changes(node):
            assert isinstance(node, ast.expr | ast.stmt)
            assert node.end_lineno is not None
            assert node.end_col_offset is not None
            span = starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset
            old = source[span[0] : span[1]].decode()
            found.append(Mutant(path.relative_to(ROOT), node.lineno, old, new, span))
    return found


def _code(tree: ast.AST) -> Iterator[ast.AST]:
    """Nodes that run: no annotations, decorators, assertions, texts of errors or strings of documentation."""
    for name, value in ast.iter_fields(tree):
        if name in ("annotation", "returns", "decorator_list", "bases"):
            continue
        for child in value if isinstance(value, list) else [value]:
            silent = isinstance(child, ast.Assert | ast.Raise | ast.JoinedStr | ast.Import | ast.ImportFrom)
            silent |= isinstance(child, ast.keyword) and child.arg == "strict"  # of zip: our own mistakes alone
            if isinstance(child, ast.AST) and not silent:
                yield child
                yield from _code(child)


def _changes(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in SWAPS:
        yield _with(node, ops=[SWAPS[type(node.ops[0])]()])
    elif isinstance(node, ast.BinOp | ast.BoolOp) and type(node.op) in SWAPS:
        yield _with(node, op=SWAPS[type(node.op)]())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
        yield f"({ast.unparse(node.operand)})"
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in NAMES:
        yield _with(node, func=ast.Name(NAMES[node.func.id]))
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield str(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        yield repr(node.value + 1)
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield "pass"  # a guard, or anything else that is called for what it does
    elif isinstance(node, ast.If) and not node.orelse and len(node.body) == 1 and isinstance(node.body[0], ast.Raise):
        yield "pass"


def _with(node: ast.AST, **fields: object) -> str:
    changed = {name: getattr(node, name) for name in node._fields}
    return f"({ast.unparse(type(node)(**{**changed, **fields}))})"


def drawn(folders: list[str], seed: int) -> Iterator[Mutant]:
    """Mutants in the order of a seed, one of each folder in turn."""
    queues: list[list[Mutant]] = []
    for folder in folders:
        files = sorted((ROOT / "src/addcat" / folder).rglob("*.py"))
        points = [one for path in files for one in mutants(path)]
        queues.append(random.Random(f"{seed} {folder}").sample(points, len(points)))  # noqa: S311
    return (one for turn in zip_longest(*queues) for one in turn if one is not None)


def tests_of(mutant: Mutant) -> list[str]:
    """The mirrored tests of a file, the nearest to it first."""
    inside = mutant.path.relative_to("src/addcat")
    name = inside.parent.name if inside.name == "__init__.py" else inside.stem
    own = ROOT / "tests" / inside.parent / f"test_{name}.py"
    folder = ROOT / "tests" / inside.parent
    while not own.exists() and not (folder.is_dir() and any(folder.rglob("test_*.py"))):
        folder = folder.parent
    also = [ROOT / test for start, tests in ALSO.items() if str(inside).startswith(start) for test in tests]
    module = ".".join(mutant.path.with_suffix("").parts[1:]).removesuffix(".__init__")
    first = [own] if own.exists() else sorted(folder.rglob("test_*.py"))
    steps = {test: steps for test in dict.fromkeys([*first, *also]) if (steps := distance(test, module)) is not None}
    near = sorted(steps, key=lambda test: (test != own, steps[test], test.stat().st_size))
    return [str(test.relative_to(ROOT)) for test in near or first]


def distance(test: Path, module: str) -> int | None:
    """How many imports lead from a test to a module of the package; None where none do."""
    seen, layer, steps = set[str](), imports(test), 1
    while layer - seen:
        if module in layer:
            return steps
        seen |= layer
        layer = set[str]().union(*(imports(file) for name in layer if (file := file_of(name)) is not None))
        steps += 1
    return None


@cache
def imports(path: Path) -> frozenset[str]:
    """Modules that a file imports, wherever in it, in full; a name taken from one may be a module too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{one.name}" for one in node.names)}
    return frozenset(found)


def file_of(module: str) -> Path | None:
    """The file of one of our modules, in the package or beside the tests."""
    for base in (ROOT / "src", ROOT / "tests", ROOT):
        path = base.joinpath(*module.split("."))
        for file in (path.with_suffix(".py"), path / "__init__.py"):
            if file.is_file():
                return file
    return None


def outcome(mutant: Mutant, package: Path, limit: float) -> str:
    """What the tests say of a mutant: "killed", "survived", or "unfinished" where the time was too short to say."""
    target = package / mutant.path.relative_to("src")
    original = target.read_text()
    target.write_text(mutant.text)
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:randomly",
               "-m", "not slow", *tests_of(mutant)]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(package), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(  # noqa: S603
            command, cwd=ROOT, env=environment, capture_output=True, timeout=limit, check=False
        )
    except subprocess.TimeoutExpired:
        return "unfinished"
    finally:
        target.write_text(original)
    return "survived" if done.returncode in (PASSED, NONE_COLLECTED) else "killed"


def main() -> None:
    """Draw, run, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", default=list(FOLDERS))
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="How many to pass over, to continue a run.")
    parser.add_argument("--limit", type=float, default=300.0, help="Seconds for the tests of one mutant.")
    given = parser.parse_args()
    found: Counter[tuple[str, str]] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "src"
        shutil.copytree(ROOT / "src", package, ignore=shutil.ignore_patterns("__pycache__"))
        for mutant in islice(drawn(given.folders, given.seed), given.first, given.first + given.count):
            said = outcome(mutant, package, given.limit)
            inside = str(mutant.path.relative_to("src/addcat"))
            found[next(one for one in given.folders if inside.startswith(one)), said] += 1
            print(f"{said:10} {inside}:{mutant.line}  {mutant.old!r} -> {mutant.new!r}", flush=True)
    outcomes = ("killed", "survived", "unfinished")
    print("\nfolder       " + " ".join(f"{said:>10}" for said in outcomes))
    for name in given.folders:
        print(f"{name:12} " + " ".join(f"{found[name, said]:10}" for said in outcomes))
    totals = (sum(found[name, said] for name in given.folders) for said in outcomes)
    print("all          " + " ".join(f"{total:10}" for total in totals))


if __name__ == "__main__":
    main()
