"""The only place where numbers become text.

Terminal, JSON's sentences and HTML read the same words, so a number looks the same wherever it is printed. An unknown
number is `?`; one that does not apply is `-`.
"""

import math

from addcat.graph import Shape
from addcat.merges.shapes import format_shape

UNKNOWN = "?"
NONE = "-"
_COUNT_UNITS = ("", " k", " M", " G", " T", " P", " E")
_BYTE_UNITS = (" B", " KiB", " MiB", " GiB", " TiB", " PiB", " EiB")


def integer(value: int | None) -> str:
    """Every digit, in groups of three.

    Examples:
        >>> integer(36928), integer(None)
        ('36,928', '?')
    """
    return UNKNOWN if value is None else f"{value:,}"


def counted(number: int, noun: str, many: str = "") -> str:
    """A number of things; `many` is what several are called, where that is not the noun with an s.

    Examples:
        >>> counted(1, "epoch"), counted(1500, "step"), counted(3, "axis", "axes")
        ('1 epoch', '1,500 steps', '3 axes')
    """
    return f"{integer(number)} {noun if number == 1 else many or f'{noun}s'}"


def count(value: int | None) -> str:
    """A count in three or four digits: parameters, multiply-adds, examples.

    Examples:
        >>> count(25_557_032), count(36_928), count(2_112), count(None)
        ('25.6 M', '36.9 k', '2,112', '?')
    """
    if value is None or abs(value) < 10_000:
        return integer(value)
    return _scaled(value, 1000, _COUNT_UNITS)


def bytes_text(value: int | None) -> str:
    """An amount of memory, in powers of 1024.

    Examples:
        >>> bytes_text(1_572_864), bytes_text(640), bytes_text(None)
        ('1.5 MiB', '640 B', '?')
    """
    return UNKNOWN if value is None else _scaled(value, 1024, _BYTE_UNITS)


def _scaled(value: int, base: int, units: tuple[str, ...]) -> str:
    amount, power = float(value), 0
    # rounded first, so that 999,950 is 1.0 M and never 1000.0 k
    while round(abs(amount), 1) >= base and power < len(units) - 1:
        amount, power = amount / base, power + 1
    return f"{amount:,.1f}{units[power]}" if power else f"{value:,}{units[0]}"


def ratio(value: float | None) -> str:
    """How many times as much.

    Examples:
        >>> ratio(1.998), ratio(0.333), ratio(12.34), ratio(None)
        ('2.0x', '0.33x', '12x', '?')
    """
    if value is None:
        return UNKNOWN
    # the switch of digits is at the rounded value, so that 9.96 is 10x and never 10.0x
    size = abs(value)
    digits = 2 if size < 0.995 else 1 if size < 9.95 else 0
    return f"{value:,.{digits}f}x"


def percent(share: float | None) -> str:
    """A share of one.

    Examples:
        >>> percent(0.5), percent(0.0312), percent(0.0004), percent(0.0)
        ('50 %', '3.1 %', '<0.1 %', '0 %')
    """
    if share is None:
        return UNKNOWN
    size = abs(share) * 100
    if 0 < size < 0.05:
        return "<0.1 %" if share > 0 else ">-0.1 %"
    digits = 1 if 0 < size < 9.95 else 0
    return f"{share * 100:.{digits}f} %"


def probability(value: float) -> str:
    """A probability, which is never called certain.

    Examples:
        >>> probability(0.9999), probability(0.997), probability(0.953), probability(0.0001)
        ('>99.9 %', '99.7 %', '95 %', '<0.1 %')
    """
    if value < 0.0005:
        return "<0.1 %"
    return ">99.9 %" if value > 0.9995 else f"{value * 100:.1f} %" if value >= 0.995 else percent(value)


def decimal(value: float | None, *, digits: int = 3) -> str:
    """A measured number, to three significant digits.

    Examples:
        >>> decimal(0.031249), decimal(12.3456), decimal(3.2e-7), decimal(None)
        ('0.0312', '12.3', '3.2e-07', '?')
    """
    if value is None:
        return UNKNOWN
    if value == 0 or not math.isfinite(value):
        return f"{abs(value) if value == 0 else value:g}"
    # of the rounded value, so that 9.996 is 10.0 and never 10.00
    exponent = int(f"{value:.{digits - 1}e}".partition("e")[2])
    if -4 <= exponent < 6:
        return f"{value:,.{max(digits - 1 - exponent, 0)}f}"
    return f"{value:.{digits}g}"


def tick(value: float) -> str:
    """A round value at an axis, without needless zeros.

    Examples:
        >>> tick(0.2), tick(-1.0), tick(12000.0), tick(1e-7)
        ('0.2', '-1', '12,000', '1e-07')
    """
    if value and not 1e-4 <= abs(value) < 1e6:
        return f"{value:g}"
    return f"{value:,.10f}".rstrip("0").rstrip(".")


def signed(value: float | None) -> str:
    """A difference, with its sign.

    Examples:
        >>> signed(0.0312), signed(-2.0), signed(0.0), signed(None)
        ('+0.0312', '-2.00', '0', '?')
    """
    return f"+{decimal(value)}" if value is not None and value > 0 else decimal(value)


def interval_text(low: float | None, high: float | None) -> str:
    """An interval of differences.

    Examples:
        >>> interval_text(-0.012, 0.05)
        '[-0.0120, +0.0500]'
    """
    return f"[{signed(low)}, {signed(high)}]"


def seconds_text(seconds: float | None) -> str:
    """A duration, in the unit that people would use.

    Examples:
        >>> seconds_text(0.000031), seconds_text(0.0012), seconds_text(0.0123), seconds_text(4.26)
        ('31 µs', '1.2 ms', '12 ms', '4.3 s')
        >>> seconds_text(95), seconds_text(7300)
        ('1 min 35 s', '2 h 2 min')
    """
    if seconds is None:
        return UNKNOWN
    if 0 < seconds < 0.0009995:
        return f"{seconds * 1e6:.0f} µs"
    if 0 < seconds < 0.00995:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return _both(whole, "min", "s")
    return _both(round(seconds / 60), "h", "min")


def _both(amount: int, large: str, small: str) -> str:
    """An amount of a small unit as a large one and what is left over, where something is."""
    left = f" {amount % 60} {small}" if amount % 60 else ""
    return f"{amount // 60} {large}{left}"


def shape_text(shape: Shape | None, *, batch: bool = True) -> str:
    """A shape without its batch.

    Args:
        shape: Sizes, None where unknown; None where there is no shape at all.
        batch: Whether the first size is the batch, which is left out.

    Examples:
        >>> shape_text((None, 64, 8)), shape_text((None, 64), batch=False), shape_text(None)
        ('64x8', '?x64', '-')
        >>> shape_text((None,))
        'scalar'
    """
    if shape is None:
        return NONE
    return format_shape(shape[1:] if batch else shape) or "scalar"


def size_text(size: int | None) -> str:
    """One size of a shape.

    Examples:
        >>> size_text(64), size_text(None)
        ('64', '?')
    """
    return UNKNOWN if size is None else str(size)
