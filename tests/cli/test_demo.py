"""`addcat demo`: where its report cannot go is said before anything is trained."""

import os
import pickle

import pytest
from advices import advice, sketch

from addcat.cli import main
from addcat.cli.demonstration import BATCH, EXAMPLES, EXHIBITS, HELD, KEPT, demonstrate


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("nodir/demo.html", "there is no folder 'nodir'. Make it first."),
        ("demo.txt", "its file must end in '.html' or '.htm'."),
    ],
)
def test_a_report_is_refused_before_anything_is_trained(tmp_path, monkeypatch, capsys, output, said):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("addcat.cli.demonstration._trained", lambda _: pytest.fail("a network was trained"))
    assert main(["demo", "--output", output]) == 2
    assert capsys.readouterr() == ("", f"Error: The report cannot be saved as {output!r}: {said}\n")
    assert not list(tmp_path.iterdir())


def test_advice_can_be_sent_from_another_process():
    """As the demo gets that on its other networks."""
    made = advice(sketch())
    assert pickle.loads(pickle.dumps(made)).to_dict() == made.to_dict()  # noqa: S301  (our own bytes)


def test_batches_are_whole():
    """Each other size would be compiled anew."""
    assert EXAMPLES % BATCH == HELD % BATCH == 0


@pytest.mark.slow
def test_the_demo_says_what_it_found_in_order(tmp_path):
    said, before = [], dict(os.environ)
    found = demonstrate(tmp_path / "demo.html", said.append)
    assert len(found) == len(EXHIBITS) == 3
    titles = [line for line in said if line.startswith(tuple(exhibit.title for exhibit in EXHIBITS))]
    assert [title.partition(":")[0] for title in titles] == [exhibit.title for exhibit in EXHIBITS]
    assert [one.verdicts[0].choice for one in found] == ["concat", "add", "concat"]
    made = ("XLA_FLAGS", "JAX_COMPILATION_CACHE_DIR", *KEPT)  # libraries leave settings of their own
    assert [os.environ.get(name) for name in made] == [before.get(name) for name in made]
    assert (tmp_path / "demo.html").stat().st_size > 10_000
