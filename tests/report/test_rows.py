"""Numbers become text in one place: every unit, every border between two, and what is not known."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from addcat.report import rows

UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15, "E": 10**18}
BYTES = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40, "PiB": 2**50, "EiB": 2**60}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "?"),
        (0, "0"),
        (9_999, "9,999"),
        (10_000, "10.0 k"),
        (999_949, "999.9 k"),
        (999_951, "1.0 M"),
        (25_557_032, "25.6 M"),
        (4_100_000_000, "4.1 G"),
        (-25_557_032, "-25.6 M"),
    ],
)
def test_count(value, text):
    assert rows.count(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "?"), (0, "0 B"), (1023, "1,023 B"), (1024, "1.0 KiB"), (1_572_864, "1.5 MiB"), (2**30 - 1, "1.0 GiB")],
)
def test_bytes(value, text):
    assert rows.bytes_text(value) == text


def read(text, units):
    amount, unit = re.fullmatch(r"(-?[\d,.]+) ?(\w*)", text).groups()
    return float(amount.replace(",", "")) * units[unit]


@given(st.integers(0, 10**18))
def test_a_count_is_within_five_percent(value):
    assert math.isclose(read(rows.count(value), UNITS), value, rel_tol=0.05)


@given(st.integers(0, 2**62))
def test_bytes_are_within_five_percent(value):
    assert math.isclose(read(rows.bytes_text(value), BYTES), value, rel_tol=0.05)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "?"),
        (0.0, "0.00x"),
        (0.333, "0.33x"),
        (0.996, "1.0x"),
        (1.998, "2.0x"),
        (9.94, "9.9x"),
        (9.96, "10x"),
        (1234.5, "1,234x"),
    ],
)
def test_ratio(value, text):
    assert rows.ratio(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "?"),
        (0, "0 %"),
        (0.0004, "<0.1 %"),
        (-0.0004, ">-0.1 %"),
        (0.0312, "3.1 %"),
        (0.0996, "10 %"),
        (1.0, "100 %"),
        (-0.25, "-25 %"),
    ],
)
def test_percent(value, text):
    assert rows.percent(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "?"),
        (0.0, "0"),
        (-0.0, "0"),
        (0.0312, "+0.0312"),
        (-2, "-2.00"),
        (123.456, "+123"),
        (99.96, "+100"),
        (9.996, "+10.0"),
        (3.2e-7, "+3.2e-07"),
        (math.inf, "+inf"),
        (-math.inf, "-inf"),
        (math.nan, "nan"),
    ],
)
def test_signed(value, text):
    assert rows.signed(value) == text


def test_interval():
    assert rows.interval_text(-0.012, 0.05) == "[-0.0120, +0.0500]"
    assert rows.interval_text(None, 0.05) == "[?, +0.0500]"
    assert rows.interval_text(-math.inf, math.inf) == "[-inf, +inf]"


@given(st.floats(-1e300, 1e300))
def test_a_decimal_keeps_three_digits(value):
    assert math.isclose(float(rows.decimal(value).replace(",", "")), value, rel_tol=0.005001)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "?"),
        (0.0, "0 ms"),
        (0.0000314, "31 µs"),
        (0.0009994, "999 µs"),
        (0.0009996, "1.0 ms"),
        (0.00994, "9.9 ms"),
        (0.00996, "10 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min"),
        (3599.4, "59 min 59 s"),
        (3599.6, "1 h"),
        (7_300, "2 h 2 min"),
    ],
)
def test_seconds(value, text):
    assert rows.seconds_text(value) == text


def test_shapes_and_sizes():
    assert rows.shape_text((None, 64, 8)) == "64x8"
    assert rows.shape_text((None, None, 8)) == "?x8"
    assert rows.shape_text((64, 8), batch=False) == "64x8"
    assert rows.shape_text((None,)) == rows.shape_text((), batch=False) == "scalar"
    assert rows.shape_text(None) == "-"
    assert (rows.size_text(64), rows.size_text(None)) == ("64", "?")


def test_integer():
    assert (rows.integer(36_928), rows.integer(None), rows.integer(0)) == ("36,928", "?", "0")


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ((0, "pair"), "0 pairs"),
        ((1, "pair"), "1 pair"),
        ((1_000, "pair"), "1,000 pairs"),
        ((1, "axis", "axes"), "1 axis"),
        ((0, "axis", "axes"), "0 axes"),
    ],
)
def test_one_thing_is_not_several(given, text):
    assert rows.counted(*given) == text
