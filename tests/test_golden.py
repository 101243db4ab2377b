"""The guard of printed output can fail."""

import pytest


def test_a_refresh_writes_and_a_comparison_fails_on_any_difference(golden, tmp_path):
    keeper = type(golden)
    keeper(tmp_path, refresh=True).check("page.txt", "Add  64\n")
    keeper(tmp_path, refresh=False).check("page.txt", "Add  64\n")
    with pytest.raises(AssertionError):
        keeper(tmp_path, refresh=False).check("page.txt", "Add  65\n")


def test_a_missing_file_fails(golden, tmp_path):
    with pytest.raises(AssertionError, match="no golden file"):
        type(golden)(tmp_path, refresh=False).check("other.txt", "")
