"""Pages become text that is the same everywhere and fits its width."""

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


def test_a_heading_is_not_broken_where_a_table_just_fits():
    columns = (Column("question", whole=False), Column("method"), Column("95 % interval"))
    table = Table(columns, (("cat", "retrain", "[-0.00142, +0.00560]"),))
    for width in (41, 39):
        lines = render(Page.of(table), width=width).splitlines()
        assert lines[0].split("  ")[0] == "question"
        assert lines[2].split() == ["cat", "retrain", "[-0.00142,", "+0.00560]"]
        assert max(map(len, lines)) <= width
