"""Every code that the source can print has an entry, every entry is used, and its example is what is printed."""

import ast
import re
from pathlib import Path

import pytest

import addcat
from addcat.errors import OptionError
from addcat.verbs.explain.codes import FAMILIES, codes, find_code, looks_like_code

SOURCE = Path(addcat.__file__).parent
COMMON = ("guards.py", "aligned.py")
"""Where rules take reasons from that several of them give."""


def strings(path):
    """Text of every string in a file that is no docstring; what is filled in at run time is "{}"."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    inner = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said | inner:
            yield node.value


def used(source):
    """The codes in the strings of a tree of files, and the files that hold each."""
    found = {}
    for path in sorted(source.rglob("*.py")):
        for text in strings(path):
            if re.fullmatch(r"AC\d{3}", text):
                found.setdefault(text, set()).add(path)
    return found


USED = used(SOURCE)


def test_every_code_that_is_printed_has_an_entry_and_every_entry_is_printed():
    assert set(USED) == set(codes())
    assert len(USED) > 50


def test_the_walk_notices_a_code_and_no_docstring(tmp_path):
    (tmp_path / "rule.py").write_text('"""AC998 is\n"""\nRULE = Rule("name", code="AC999")\n', encoding="utf-8")
    assert set(used(tmp_path)) == {"AC999"}


def printed_by(example, paths):
    """Whether half of an example or more is texts of some files, filled in."""
    covered = set()
    for text in {text for path in paths for text in strings(path) if len(text.replace("{}", "")) >= 10}:
        found = re.search("(?:.*?)".join(map(re.escape, text.split("{}"))), example)
        covered.update(range(*found.span()) if found else ())
    return len(covered) >= 0.5 * len(example)


@pytest.mark.parametrize("code", codes().values(), ids=lambda code: code.code)
def test_an_example_is_printed_by_the_source(code):
    common = [SOURCE / "rules" / name for name in COMMON] if code.family == "rewrites" else []
    assert printed_by(code.example, [*USED[code.code], *common])


def test_an_example_that_nobody_prints_is_noticed():
    assert not printed_by("'cat' is tired and joins nothing today", USED["AC301"])


@pytest.mark.parametrize("code", codes().values(), ids=lambda code: code.code)
def test_an_entry_is_whole(code):
    assert re.match(r"AC[123]\d\d$", code.code)
    assert list(FAMILIES).index(code.family) + 1 == int(code.code[2])
    assert code.title[-1] not in ".!"
    for sentence in (code.meaning, code.why, code.remedy):
        assert sentence[0].isupper() or sentence.startswith(("`", "addcat"))
        assert sentence.endswith(".")
        assert sentence.count("`") % 2 == 0


def test_titles_of_rewrites_name_their_rule():
    from addcat.rules import RULES

    assert {rule.code: rule.name for rule in RULES} == {
        code.code: code.title.partition(":")[0] for code in codes().values() if code.family == "rewrites"
    }


def test_entries_are_in_order_and_titles_differ():
    assert list(codes()) == sorted(codes())
    assert len({code.title for code in codes().values()}) == len(codes())


@pytest.mark.parametrize("text", ["AC104", "ac104", " Ac-104 ", "[AC104]."])
def test_a_code_is_found_as_people_write_it(text):
    assert find_code(text).code == "AC104"


def test_the_library_explains_a_code():
    entry = addcat.explain("ac104")
    assert entry.code == "AC104"
    assert str(entry).startswith("AC104: the width of the merge has to stay\n\nThe merged tensor")
    assert list(entry.to_dict()) == ["code", "family", "title", "meaning", "why", "remedy", "example"]


@pytest.mark.parametrize("text", ["64x128", "x16", "?x16", "acme", "(64,)"])
def test_a_shape_is_no_code(text):
    assert not looks_like_code(text)


@pytest.mark.parametrize(
    ("question", "options", "message"),
    [
        (
            "AC110",
            {},
            "'AC110' is not a code of addcat. Nearest: AC118 (the user's own code does not take the change); "
            "AC117 (the two arms have no such common start); AC116 (the code around the merge cannot be changed).",
        ),
        ("AC", {}, "'AC' is not a code of addcat. Expected one as it is printed, such as AC104."),
        ("AC104", {"axis": 1}, "AC104 is a code, which has no axis and no consumer. Leave them out."),
        (
            ["AC104", "AC101"],
            {},
            "explain takes shapes, or one code in one word, such as AC104, and got 'AC104', 'AC101'.",
        ),
        (["AC", "104"], {}, "explain takes shapes, or one code in one word, such as AC104, and got 'AC', '104'."),
        (["8x8", "AC101"], {}, "explain takes shapes, or one code in one word, such as AC104, and got '8x8', 'AC101'."),
    ],
)
def test_a_wrong_code_is_one_message(question, options, message):
    with pytest.raises(OptionError) as raised:
        addcat.explain(question, **options)
    assert str(raised.value) == message
