"""Numbers, spans of time and settings as a reader wants them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np


def number(value: Any) -> str:
    """Three significant digits; a dash for what is not there.

    >>> number(0.70651), number(1234.5), number(3), number(None)
    ('0.707', '1,234', '3', '–')
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "–" if value is None else str(value)
    if not np.isfinite(value):
        return "∞" if value > 0 else "–"
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:#.3g}".rstrip(".") if abs(value) >= 1e-3 or value == 0 else f"{value:.1e}"


def duration(seconds: float) -> str:
    """
    >>> duration(0.4), duration(75), duration(7300)
    ('0.4 s', '1 min 15 s', '2 h 1 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def counted(values: Iterable[str]) -> str:
    """The common value, or each with its count, the most frequent first.

    >>> counted(["a", "b", "a"])
    'a (2), b (1)'
    """
    counts = Counter(values).most_common()
    if len(counts) == 1:
        return counts[0][0]
    shown = ", ".join(f"{value} ({count})" for value, count in counts[:4])
    return f"{shown} and {len(counts) - 4} more" if len(counts) > 4 else shown or "–"


def span(values: Sequence[float]) -> str:
    """Median and range.

    >>> span([1.0, 2.0, 4.0]), span([2.0]), span([])
    ('2.00 (1.00 … 4.00)', '2.00', '–')
    """
    if not values:
        return "–"
    low, middle, high = (number(float(value)) for value in (min(values), np.median(values), max(values)))
    return middle if low == high else f"{middle} ({low} … {high})"


def setting(value: Any) -> str:
    """A value of a spec in one line."""
    if value is None:
        return "–"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {setting(inner)}" for name, inner in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(setting(inner) for inner in value)
    return str(value).lower() if isinstance(value, bool) else str(value)
