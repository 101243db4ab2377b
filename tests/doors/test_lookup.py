"""Code named on the command line: found, called with literals, and nothing evaluated."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from addcat.doors.lookup import FORM, is_lookup, look_up, parse
from addcat.errors import DataError, ModelError

MODULE = """
import functools
calls = []
def join(*values, sep="-"):
    calls.append(values)
    return sep.join(map(str, values))
def raising():
    raise ValueError("no such width.\\nmore")
def silent():
    raise KeyError
def leaving():
    raise SystemExit(3)
class Box:
    def __init__(self, size=1):
        self.size = size
    @staticmethod
    def make(size):
        return Box(size)
ready = Box(7)
class Callable:
    def __call__(self):
        raise AssertionError("an object is not called unless asked")
callable_object = Callable()
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "some_code.py").write_text(MODULE)
    (tmp_path / "bad_code.py").write_text("1 / 0\n")
    (tmp_path / "needs_code.py").write_text("import no_such_module\n")
    (tmp_path / "script.py").write_text("import sys\nsys.exit('usage: script')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield tmp_path
    for module in ("some_code", "bad_code", "needs_code", "script"):
        sys.modules.pop(module, None)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("package.module:function", True),
        ("module:Class(a=1)", True),
        ("module:", True),
        ("modèle:fonction", True),
        ("model.keras", False),
        ("folder/model.keras", False),
        ("./module:x.keras", False),
        (r"C:\models\model.keras", False),
        ("C:/models/model.keras", False),
        ("https://host/model.keras", False),
        ("", False),
    ],
)
def test_code_or_file(text: str, code: bool) -> None:
    assert is_lookup(text) is code


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("some_code:join('a', 1, sep='+')", "a+1"),
        ("some_code:join((1, -2), [None], {'k': {True}})", "(1, -2)-[None]-{'k': {True}}"),
        ("some_code:join", ""),
        ("some_code:join()", ""),
        ("some_code:Box(size=4).size", None),
        ("some_code:ready.size", 7),
        ("fractions:Fraction(3, 6).numerator", None),
    ],
)
def test_what_a_reference_gives(text: str, value: object) -> None:
    if value is None:  # only names and one call are read, not what hangs on a call
        with pytest.raises(ModelError) as caught:
            look_up(text, error=ModelError)
        assert str(caught.value) == f"{text!r} is neither a name nor a call. Expected {FORM}."
    else:
        assert look_up(text, error=ModelError) == value


def test_classes_are_made_and_objects_taken_as_they_are() -> None:
    assert look_up("some_code:Box", error=ModelError).size == 1
    assert look_up("some_code:Box.make(5)", error=ModelError).size == 5
    assert look_up("some_code:ready", error=ModelError) is sys.modules["some_code"].ready
    assert look_up("some_code:callable_object", error=ModelError) is sys.modules["some_code"].callable_object


def test_parsing_imports_nothing() -> None:
    assert parse("bad_code:f(1)", error=ModelError).positional == (1,)
    assert "bad_code" not in sys.modules


LITERALS = (
    "Arguments may be numbers, strings, True, False, None, and lists, tuples, sets and dicts of these; nothing is "
    "evaluated. Put anything else into a function of your own, and pass package.module:function."
)
NOT_CODE = f" is neither a name nor a call. Expected {FORM}."
MISSING = " Install it, or run addcat in the folder that holds it: the current folder is searched first."
OTHERWISE = " Correct the function, or call it with other arguments."


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("some_code:", f"'some_code:'{NOT_CODE}"),
        ("some_code:join(", f"'some_code:join('{NOT_CODE}"),
        ("some_code:1 + 1", f"'some_code:1 + 1'{NOT_CODE}"),
        ("some_code:join()()", f"'some_code:join()()'{NOT_CODE}"),
        ("some_code:(lambda: 1)()", f"'some_code:(lambda: 1)()'{NOT_CODE}"),
        ("some_code:a\0b", f"'some_code:a\\x00b'{NOT_CODE}"),
        ("some_code:" + "(" * 5000, f"{'some_code:' + '(' * 5000!r}{NOT_CODE}"),
        (
            "some_code:join(open('x'))",
            f"\"some_code:join(open('x'))\": argument 0 is open('x'), which is not a literal. {LITERALS}",
        ),
        (
            "some_code:join(1, calls)",
            f"'some_code:join(1, calls)': argument 1 is calls, which is not a literal. {LITERALS}",
        ),
        (
            "some_code:join(sep=calls.pop)",
            f"'some_code:join(sep=calls.pop)': argument sep is calls.pop, which is not a literal. {LITERALS}",
        ),
        (
            "some_code:join(*[1])",
            f"'some_code:join(*[1])': argument 0 is *[1], which is not a literal. {LITERALS}",
        ),
        (
            "some_code:join(**{'sep': '+'})",
            f"\"some_code:join(**{{'sep': '+'}})\": argument **{{'sep': '+'}}, which is not a literal. {LITERALS}",
        ),
        (
            "no_such_module:f",
            "'no_such_module:f': module 'no_such_module' cannot be imported: No module named 'no_such_module'."
            + MISSING,
        ),
        (
            "needs_code:f",
            f"'needs_code:f': module 'needs_code' cannot be imported: No module named 'no_such_module'.{MISSING}",
        ),
        (
            "bad_code:f",
            "'bad_code:f': module 'bad_code' raised ZeroDivisionError: division by zero. "
            "Correct the module so that it can be imported.",
        ),
        (
            "script:f",
            "'script:f': module 'script' raised SystemExit: usage: script. "
            "Correct the module so that it can be imported.",
        ),
        ("some_code:joi", "'some_code:joi': 'some_code' has no 'joi'. It has 'join'."),
        ("some_code:Box.mak()", "'some_code:Box.mak()': 'some_code.Box' has no 'mak'. It has 'make'."),
        ("some_code:raising", f"'some_code:raising' raised ValueError: no such width.{OTHERWISE}"),
        ("some_code:silent()", f"'some_code:silent()' raised KeyError.{OTHERWISE}"),
        ("some_code:leaving()", f"'some_code:leaving()' raised SystemExit: 3.{OTHERWISE}"),
        (
            "some_code:Box(width=3)",
            "'some_code:Box(width=3)' raised TypeError: Box.__init__() got an unexpected keyword argument 'width'."
            + OTHERWISE,
        ),
    ],
)
@pytest.mark.parametrize("error", [ModelError, DataError])
def test_what_is_refused(text: str, said: str, error: type[ModelError]) -> None:
    with pytest.raises(error) as caught:
        look_up(text, error=error)
    assert str(caught.value) == said


def test_a_refused_argument_calls_nothing() -> None:
    with pytest.raises(ModelError):
        look_up("some_code:join(print('called'))", error=ModelError)
    assert "some_code" not in sys.modules


def test_the_current_folder_comes_first_and_once(folder: Path) -> None:
    look_up("some_code:join", error=ModelError)
    look_up("some_code:join", error=ModelError)
    assert sys.path[0] == str(folder)
    assert sys.path.count(str(folder)) == 1


def test_the_cause_is_kept_for_whoever_debugs() -> None:
    with pytest.raises(ModelError) as caught:
        look_up("some_code:raising", error=ModelError)
    assert isinstance(caught.value.__cause__, ValueError)
