"""`addcat demo`: where its report cannot go is said before anything is trained."""

import pytest

from addcat.cli import main


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
