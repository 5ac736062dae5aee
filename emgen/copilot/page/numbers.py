"""Numbers as a microscopist writes them: with unit and interval, and with as many digits as the interval allows."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

NOTHING = "–"
_MOST_DECIMALS = 4
_ROUNDED = 1.5


def decimals(half_width: float) -> int:
    """So many that an interval of this half-width is told with one digit, with two where it begins with a 1.

    >>> decimals(0.2), decimals(0.034), decimals(1.0), decimals(12.0)
    (1, 2, 1, 0)
    """
    if half_width <= 0:
        return _MOST_DECIMALS
    return min(_MOST_DECIMALS, max(0, -math.floor(math.log10(half_width / _ROUNDED))))


def plain(value: float | None) -> str:
    """Three significant digits.

    >>> plain(12.345), plain(0.01234), plain(1234.5), plain(None)
    ('12.3', '0.0123', '1,234', '–')
    """
    if value is None:
        return NOTHING
    places = 2 - math.floor(math.log10(abs(value))) if value else 0
    return f"{value:,.{max(0, places)}f}"


def estimate(told: Mapping[str, float | None], unit: str) -> tuple[str, str]:
    """The value, and its 95 % interval or nothing. ``told``: of ``emgen.copilot.sizes.Estimate``.

    >>> estimate({"value": 12.31, "low": 12.11, "high": 12.52}, "nm")
    ('12.3 nm', '12.1 to 12.5')
    >>> estimate({"value": 4.62, "low": 3.1, "high": 7.93}, "nm")
    ('4.6 nm', '3.1 to 7.9')
    >>> estimate({"value": None, "low": None, "high": None}, "nm")
    ('–', '')
    """
    value, low, high = told["value"], told["low"], told["high"]
    if value is None:
        return NOTHING, ""
    if low is None or high is None:
        return f"{plain(value)} {unit}", ""
    two_digits = 1 - math.floor(math.log10(abs(value))) if value else 0
    places = max(decimals((high - low) / 2), two_digits) if high > low else 2
    return f"{value:,.{places}f} {unit}", f"{low:,.{places}f} to {high:,.{places}f}"


def span(low: float | None, high: float | None, unit: str) -> str:
    """Two ends in one unit.

    >>> span(8.04, 16.9, "nm")
    '8.04 to 16.9 nm'
    """
    return NOTHING if low is None or high is None else f"{plain(low)} to {plain(high)} {unit}"


def percent(share: float | None) -> str:
    """
    >>> percent(0.2314)
    '23.1 %'
    """
    return NOTHING if share is None else f"{100 * share:.1f} %"


def seconds(value: float | None) -> str:
    """
    >>> seconds(0.0123), seconds(0.42), seconds(12.0)
    ('12 ms', '420 ms', '12.0 s')
    """
    if value is None:
        return NOTHING
    return f"{1000 * value:.0f} ms" if value < 1 else f"{value:,.2f} s" if value < 10 else f"{value:,.1f} s"


def count(number: int, one: str, several: str = "") -> str:
    """
    >>> count(1, "frame"), count(12045, "frame")
    ('1 frame', '12,045 frames')
    """
    return f"{number:,} {one if number == 1 else several or one + 's'}"


def clock(at: float | None) -> str:
    """Time of day, of this machine. ``at``: seconds since 1970."""
    return NOTHING if at is None else time.strftime("%H:%M:%S", time.localtime(at))


def model_name(model: Mapping[str, Any]) -> str:
    """
    >>> model_name({"place": "/data/runs/au-7/model"}), model_name({"place": "pretrained"})
    ('au-7/model', 'pretrained')
    """
    parts = str(model["place"]).replace("\\", "/").rstrip("/").split("/")
    return "/".join(parts[-2:])
