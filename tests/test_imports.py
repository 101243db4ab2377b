"""Imports point one way, and `import addcat` loads nothing but itself."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import addcat

SOURCE = Path(__file__).parents[1] / "src" / "addcat"
FRAMEWORKS = {
    "dask",
    "jax",
    "joblib",
    "keras",
    "onnx",
    "onnx_ir",
    "onnxruntime",
    "openvino",
    "ray",
    "sklearn",
    "tensorflow",
    "torch",
}
# from the ground up: a folder imports itself and those below; folders of one line may import each other
LAYERS = [
    {"errors", "frameworks", "graph", "machine"},
    {"algebra", "statistics"},
    {"covariance", "merges"},
    {"data", "doors", "layers", "modules", "report", "rules"},
    {"switches", "trials"},
    {"evidence"},
    {"verbs"},
    {"__init__", "__main__", "cli"},
]
# what a door promises and how it trains is said without a framework; the doors themselves are chosen by verbs alone
PROMISES = {"doors.base", "doors.judged", "doors.lookup", "doors.recipe"}
APART = {
    *(
        (folder, "doors")
        for folder in ("rules", "layers", "modules", "data", "report", "switches", "trials", "evidence")
    ),
    ("doors", "rules"),
}


def layer(module):
    found = [position for position, modules in enumerate(LAYERS) if module in modules]
    assert found, f"addcat.{module} has no layer yet: put it on a line of LAYERS"
    return found[0]


def part(path, source=SOURCE):
    """The module or folder right under the package that a file belongs to."""
    return path.relative_to(source).with_suffix("").parts[0]


def imports(path, *, door=False):
    """Every module that a file imports, at the top or inside a function: dotted, from the root.

    A door may import its framework for type checkers alone: nothing of that is loaded.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    blocks = [node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    typing = {id(one) for block in blocks if door for node in block.body for one in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in typing and not _of_addcat(node):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative imports hide where they point"
            yield from ([f"addcat.{alias.name}" for alias in node.names] if node.module == "addcat" else [node.module])


def _of_addcat(node):
    names = (
        [node.module or ""]
        if isinstance(node, ast.ImportFrom)
        else [alias.name for alias in getattr(node, "names", [])]
    )
    return any(name.partition(".")[0] == "addcat" for name in names)


def prefixes(dotted):
    """A dotted name and every package that it lies in."""
    parts = dotted.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts) + 1)]


def wrong_ways(path, source=SOURCE):
    """The imports of a file that point up, or across where they must not, or at a framework."""
    mine = part(path, source)
    for module in imports(path, door=mine == "doors"):
        root, _, rest = module.partition(".")
        if root in FRAMEWORKS:
            yield f"{mine} imports {module}; frameworks come from addcat.frameworks"
        if root != "addcat" or mine == "__init__":
            continue
        other = rest.partition(".")[0]
        if not any(other in modules for modules in LAYERS) and not list(source.glob(f"{other}*")):
            other = "__init__"  # a name of the package itself
        if layer(other) > layer(mine) or ((mine, other) in APART and not set(prefixes(rest)) & PROMISES):
            yield f"{mine} imports {other}"


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_one_way(path):
    assert not list(wrong_ways(path))


@pytest.mark.parametrize(
    ("path", "line", "complaint"),
    [
        ("graph/core.py", "from addcat.report.rows import count", "graph imports report"),
        ("rules/split.py", "def f():\n    from addcat.doors import base", "rules imports doors"),
        ("doors/keras/read.py", "import addcat.rules.split", "doors imports rules"),
        ("report/rows.py", "from addcat import explain", "report imports __init__"),
        ("report/rows.py", "from addcat import cli", "report imports cli"),
        (
            "graph/cost.py",
            "if TYPE_CHECKING:\n    import onnx",
            "graph imports onnx; frameworks come from addcat.frameworks",
        ),
        ("doors/onnx/read.py", "if TYPE_CHECKING:\n    import addcat.rules.split", "doors imports rules"),
        ("graph/cost.py", "import torch.nn", "graph imports torch.nn; frameworks come from addcat.frameworks"),
    ],
)
def test_the_guard_can_fail(tmp_path, path, line, complaint):
    for module in ("report", "doors", "rules", "cli"):
        (tmp_path / module).mkdir()
    file = tmp_path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(line, encoding="utf-8")
    assert list(wrong_ways(file, tmp_path)) == [complaint]


def test_a_door_may_import_its_framework_for_type_checkers(tmp_path):
    file = tmp_path / "doors" / "read.py"
    file.parent.mkdir()
    file.write_text("if TYPE_CHECKING:\n    import onnx_ir", encoding="utf-8")
    assert not list(wrong_ways(file, tmp_path))
    file.write_text("import onnx_ir", encoding="utf-8")
    assert list(wrong_ways(file, tmp_path)) == ["doors imports onnx_ir; frameworks come from addcat.frameworks"]


def test_a_module_without_a_layer_is_noticed():
    with pytest.raises(AssertionError, match="has no layer yet"):
        layer("somewhere")


def loaded(statement, path=""):
    """Top-level modules that a statement loads in a fresh interpreter, and the seconds it takes."""
    code = (
        f"import sys, time; sys.path.insert(0, {path!r}); before = set(sys.modules); start = time.perf_counter()\n"
        f"{statement}\n"
        "print(time.perf_counter() - start, *{name.partition('.')[0] for name in set(sys.modules) - before})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    seconds, *modules = done.stdout.split()
    return float(seconds), set(modules)


def test_import_addcat_loads_nothing_but_itself(record_property):
    seconds, modules = loaded("import addcat")
    record_property("seconds", seconds)
    assert modules - set(sys.stdlib_module_names) == {"addcat"}


@pytest.mark.parametrize("statement", ["import addcat.cli", *(f"from addcat import {name}" for name in addcat.__all__)])
def test_no_framework_is_loaded_unasked(statement):
    assert not loaded(statement)[1] & FRAMEWORKS


def test_a_loaded_framework_is_noticed(tmp_path):
    (tmp_path / "keras.py").touch()
    assert loaded("import addcat, keras", str(tmp_path))[1] & FRAMEWORKS == {"keras"}


def test_every_name_is_there():
    assert sorted(addcat.__all__) == addcat.__all__
    for name in addcat.__all__:
        assert name in dir(addcat)
        assert getattr(addcat, name).__name__ == name
    with pytest.raises(AttributeError, match=r"^module 'addcat' has no attribute 'concat'$"):
        _ = addcat.concat


def test_no_module_has_the_name_of_a_verb():
    modules = {path.stem if path.suffix else path.name for path in SOURCE.iterdir()}
    assert not modules & set(addcat.__all__)


def test_types_are_declared_for_the_names_that_load_lazily():
    tree = ast.parse((SOURCE / "__init__.py").read_text(encoding="utf-8"))
    declared = {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert declared - {"import_module", "TYPE_CHECKING"} == set(addcat.__all__)
