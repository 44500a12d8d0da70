"""How numbers are written for people, in every room: in significant digits, whatever their size."""

from __future__ import annotations

import math


def significant(value: float | None, sign: str = "") -> str:
    """A loss to four significant digits."""
    if value is None or not math.isfinite(value):
        return "unknown" if value is None else str(value)
    value = float(f"{value:.4g}")
    if value == 0:
        return "0"
    size = math.floor(math.log10(abs(value)))
    if -5 <= size < 7:
        return f"{value:{sign},.{max(0, 3 - size)}f}"
    return f"{value:{sign}.3e}"


def signed(value: float | None) -> str:
    """A fitness or a difference, where zero is a standard of comparison: the same with its sign."""
    return significant(value, "+")


def with_error(value: float, error: float, sign: str = "") -> str:
    """A mean and its standard error: the error to two significant digits, the mean to the same place."""
    if not (math.isfinite(value) and math.isfinite(error) and error > 0):
        return significant(value, sign)
    error = float(f"{error:.1e}")
    size = math.floor(math.log10(error))
    if -6 <= size < 7 and abs(value) < 1e10:
        places = max(0, 1 - size)
        return f"{value:{sign},.{places}f} +- {error:,.{places}f}"
    return f"{significant(value, sign)} +- {error:.1e}"


def percent(share: float | None) -> str:
    """A share in [0, 1]; what is not quite nothing or all is not shown as that."""
    if share is None:
        return "unknown"
    if 0 < share < 0.0005 or 0.9995 <= share < 1:
        return "< 0.1%" if share < 0.5 else "> 99.9%"
    return f"{share:.1%}"


def rate(value: float) -> str:
    """So many a second or an hour: whole, or to two significant digits where that is few."""
    return f"{value:,.0f}" if value >= 10 or value == 0 else f"{value:.2g}"


def plural(count: int, noun: str) -> str:
    """A count with its noun: ``1 seed``, ``1,200 seeds``."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def duration(seconds: float | None) -> str:
    """Minutes and seconds as on a clock, hours where there are any."""
    if seconds is None:
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
