"""Names of recorded calls: one for each, the same where modules stand for functions."""

from addcat.doors.torch.names import Names


def test_calls_are_numbered_by_word_and_module():
    names = Names()
    names.take("add")
    given = [
        names.function("", "add", ()),
        names.module("block"),
        names.function("block", "add", ()),
        *map(names.module, ["block"]),
    ]
    assert given == ["add#2", "block", "block.add", "block#2"]


def test_a_child_that_stands_for_a_function_has_its_name_at_every_call():
    names, children = Names(), ("cat#2", "cat#2_widen_1")
    calls = [
        (names.function("cell", "cat", children), names.module("cell.cat#2"), names.function("cell", "cat", children))
        for _ in range(3)
    ]
    assert calls == [
        ("cell.cat", "cell.cat#2", "cell.cat#3"),
        ("cell.cat#4", "cell.cat#5", "cell.cat#6"),
        ("cell.cat#7", "cell.cat#8", "cell.cat#9"),
    ]


def test_children_that_all_stand_for_functions_have_names_of_their_own():
    names = Names()
    calls = [(names.module("cell.add"), names.module("cell.add#2")) for _ in range(2)]
    assert calls == [("cell.add", "cell.add#2"), ("cell.add#3", "cell.add#4")]


def test_a_word_that_a_child_has_is_left_to_it():
    assert Names().function("", "cat", ("cat",)) == "cat#2"
