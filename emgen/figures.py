"""Figures as journals take them: text in 7 to 8 pt, vector and 300 dpi, the same bytes from the same numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from emgen.files import replacing

DPI = 300
MM = 1 / 25.4
"""In inches, as matplotlib counts."""
PLAIN: Any = {
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "svg.fonttype": "none",
}
"""Of figures in print and charts on a page alike."""
STYLE: Any = PLAIN | {
    "font.size": 7.5,
    "axes.linewidth": 0.7,
    "legend.fontsize": 7,
    "pdf.fonttype": 42,
    "xtick.direction": "out",
}
GREY, BLUE, ORANGE = "#7a8794", "#1f6fb2", "#c2410c"
"""Told apart by colour-blind readers, and in grey."""
_UNDATED: dict[str, dict[str, Any]] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}


@lru_cache(16)
def picture_font(size: int) -> Any:
    """For text that Pillow draws, px. matplotlib's: Pillow's own has no µ, no dash and no Greek."""
    import matplotlib
    from PIL import ImageFont

    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf", size)


@contextmanager
def figure(width_mm: float, height_mm: float, name: str) -> Iterator[Any]:
    """A matplotlib figure in this style; draw and save it inside. ``name``: what the ids in an SVG are derived from."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE | {"svg.hashsalt": name}):
        yield Figure(figsize=(width_mm * MM, height_mm * MM), layout="constrained")


def save(drawn: Any, path: Path) -> Path:
    """In the format that the suffix names, without a date. Raises ``OutputError``."""
    form = path.suffix[1:]
    with replacing(path) as partial:
        drawn.savefig(partial, dpi=DPI, format=form, metadata=_UNDATED.get(form))
    return path


def panel_letters(panels: Any) -> None:
    """a, b, c … over the left end of each."""
    for letter, axes in zip("abcdefgh", panels, strict=False):
        axes.set_title(letter, loc="left", fontweight="bold", fontsize=9)
