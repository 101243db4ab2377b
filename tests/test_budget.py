"""A file is one idea and a function fits a screen; the sizes are counted, so that none gets away."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "addcat"
LINES_OF_A_FILE = 400
LINES_OF_A_FUNCTION = 60


def too_long(path):
    """What is over the budget in one file: the file itself, or a function without its docstring."""
    text = path.read_text(encoding="utf-8")
    over = []
    if len(text.splitlines()) > LINES_OF_A_FILE:
        over.append(f"{path.name}: {len(text.splitlines())} lines")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            said = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
            documented = first.end_lineno - first.lineno + 1 if said else 0
            lines = node.end_lineno - node.lineno + 1 - documented
            if lines > LINES_OF_A_FUNCTION:
                over.append(f"{path.name}: {node.name} has {lines} lines")
    return over


def files():
    return sorted(SOURCE.rglob("*.py"))


def test_there_is_something_to_count():
    assert {"core.py", "shapes.py"} <= {path.name for path in files()}


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_file_and_no_function_is_too_long(path):
    assert not too_long(path)


def test_the_count_can_fail(tmp_path):
    path = tmp_path / "long.py"
    path.write_text("def f():\n" + "    x = 1\n" * 60 + "\n" * 340, encoding="utf-8")
    assert too_long(path) == ["long.py: 401 lines", "long.py: f has 61 lines"]
    path.write_text('def f():\n    """One.\n\n    Two.\n    """\n' + "    x = 1\n" * 59, encoding="utf-8")
    assert not too_long(path)
