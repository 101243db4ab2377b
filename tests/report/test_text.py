"""Pages become text that is the same everywhere and fits its width."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addcat.report.page import Bullets, Cell, Column, Heading, Page, Paragraph, Table
from addcat.report.text import READABLE, render, wrap

TABLE = Table(
    (
        Column("Merge"),
        Column("Verdict"),
        Column("Memory", number=True, at_least=100),
        Column("Parameters", number=True),
    ),
    (
        ("block1/add", Cell("add", "good"), "1.5 MiB", "36,928"),
        ("up/[red]cat[/]", Cell("concat", "bad"), "512 B", "73,792"),
        ("total", "", "1.5 MiB", "110,720"),
    ),
    totals=1,
)


def test_a_narrow_page_has_fewer_columns():
    assert render(Page.of(TABLE), width=80) == (
        "Merge            Verdict   Parameters\n"
        "─────────────────────────────────────\n"
        "block1/add       add           36,928\n"
        "up/[red]cat[/]   concat        73,792\n"
        "─────────────────────────────────────\n"
        "total                         110,720\n"
    )


def test_a_wide_page_has_all():
    assert render(Page.of(TABLE), width=100).splitlines()[0] == "Merge            Verdict    Memory   Parameters"


def test_blocks_are_parted_by_a_blank_line():
    page = Page.of(Heading("Merges"), None, Paragraph("Two of them."), Bullets(("One.", "Another :smile: of `W x`.")))
    assert render(page) == "Merges\n\nTwo of them.\n\n- One.\n- Another :smile: of W x.\n"


WORDS = st.lists(st.text("abc", min_size=1, max_size=9), min_size=1, max_size=60)


@given(WORDS, st.integers(20, 160))
def test_sentences_fit_and_lose_nothing(words, width):
    lines = wrap(" ".join(words), width, bullet="- ").splitlines()
    assert max(map(len, lines)) <= min(width, READABLE)
    assert " ".join(line[2:] for line in lines).split() == words


@given(WORDS, st.integers(40, 120))
def test_a_formula_stays_on_one_line(words, width):
    assert "W (x + P y) = W x + (W P) y" in wrap(f"{' '.join(words)} `W (x + P y) = W x + (W P) y`.", width)


def test_a_name_is_not_broken_where_narrower_gaps_do():
    table = Table((Column("question", whole=False), Column("method")), (("body.3.2.add", "structure"),))
    for width, line in (
        (24, "body.3.2.add   structure"),
        (23, "body.3.2.add  structure"),
        (22, "body.3.2.a   structure"),
    ):
        assert render(Page.of(table), width=width).splitlines()[2] == line


def test_a_heading_is_not_broken_where_a_table_just_fits():
    columns = (Column("question", whole=False), Column("method"), Column("95 % interval"))
    table = Table(columns, (("cat", "retrain", "[-0.00142, +0.00560]"),))
    for width in (41, 39):
        lines = render(Page.of(table), width=width).splitlines()
        assert lines[0].split("  ")[0] == "question"
        assert lines[2].split() == ["cat", "retrain", "[-0.00142,", "+0.00560]"]
        assert max(map(len, lines)) <= width


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_command_is_never_broken_inside_a_word(width):
    command = "addcat switch MODEL --set enc_3_skip=concat --set enc_2_skip=concat --set enc_1_skip=concat -o s.keras"
    lines = wrap(f"`{command}`", width, bullet="- ").splitlines()
    assert max(map(len, lines)) <= width
    assert all(line.endswith(" \\") for line in lines[:-1])
    joined = " ".join(line.removesuffix(" \\").removeprefix("- ").strip() for line in lines)
    assert joined == command


def test_a_number_stays_beside_its_unit():
    for width in range(20, 40):
        lines = wrap("Spent: 16.4 trainings, 1 min 31 s, 12 % of it, of 10 min 0 s.", width).splitlines()
        assert not any(line.startswith(("s", "min", "%")) for line in lines), lines


def test_what_is_longer_than_a_line_is_left_whole():
    assert wrap("a `model/block/very/long/name` b", 10) == "a\nmodel/block/very/long/name\nb"
