"""One picture of the video."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.copilot.exports.canvas import Canvas, plate, rgb, shortened, width_of, write
from emgen.copilot.exports.plots import INK, SOFT, Axes, draw_means, draw_sizes
from emgen.copilot.exports.session import Growth, Row, time_of, told_time
from emgen.copilot.places import Places
from emgen.copilot.sizes import Estimate, Sizes
from emgen.figures import ORANGE
from emgen.report.text import number
from emgen.writing.overlay import BAR_SHARE, length_text, round_length

SIZE_WH = (1280, 720)
_PICTURE = (24, 66, 744, 698)
"""Left, top, right, bottom of where the micrograph is."""
_GROUND, _WHITE = rgb("#fbfbfa"), (255, 255, 255)
_SIZES, _MEANS = (850, 172, 1250, 390), (850, 488, 1250, 646)
_TITLE, _TEXT = 20, 16
_LONG = (("s", 1.0), ("min", 60.0), ("h", 3600.0))


class Scene:
    """``whole``: the session to its end, by which the axes are chosen. ``step``: one frame of so many is shown."""

    def __init__(self, whole: Growth, step: int) -> None:
        self._whole, self._unit = whole, whole.unit
        self._last = whole.sizes[whole.unit].sizes()
        trend = whole.trend[whole.unit].told()
        told = {name: np.array([np.nan if v is None else v for v in values], float) for name, values in trend.items()}
        self._length, self._time_unit = time_unit(whole.end - whole.begin)
        self._at_N = (told["at"] - whole.begin) / self._length
        self._mean_N, self._low_N, self._high_N = told["mean"], told["low"], told["high"]
        self._thinned = f", one of {step} is shown" if step > 1 else ""
        self._means = Axes(*_MEANS, x=(0.0, self._end()), y=mean_range(self._mean_N, self._low_N, self._high_N))

    def _end(self) -> float:
        return (self._whole.end - self._whole.begin) / self._length or 1.0

    def draw(self, places: Places, row: Row, grown: Growth) -> Canvas:
        """(H, W, 3) RGB. ``grown``: the session up to ``row``."""
        canvas = np.empty((SIZE_WH[1], SIZE_WH[0], 3), np.uint8)
        canvas[:] = _GROUND
        self._head(canvas, row, grown)
        _draw_picture(canvas, places, row)
        self._draw_sizes(canvas, grown.sizes[self._unit].sizes())
        self._draw_means(canvas, row)
        return canvas

    def _head(self, canvas: Canvas, row: Row, grown: Growth) -> None:
        left, _, right, _ = _PICTURE
        write(canvas, told_time(time_of(row)), right, 34, _TEXT, SOFT, align=1)
        write(canvas, shortened(row["name"], _TITLE, right - left), left, 6, _TITLE, INK)
        count = f"frame {grown.frames:,} of {self._whole.frames:,}{self._thinned}"
        write(canvas, count, left, 34, _TEXT, SOFT)

    def _draw_sizes(self, canvas: Canvas, sizes: Sizes) -> None:
        left = _SIZES[0] - 50
        write(canvas, f"Size distribution of {sizes.particles:,} whole particles", left, 6, _TITLE, INK)
        for place, name in enumerate(("mean", "median")):
            words = estimate_words(getattr(sizes, name), self._unit)
            colour = rgb(ORANGE) if name == "mean" else SOFT
            write(canvas, f"{name} {words}", left, 40 + 24 * place, _TEXT, colour)
        last, shown = self._last.histogram, sizes.histogram
        if last is None:
            return
        top = 1.0
        if shown is not None:
            top = max(1.0, *(np.array(shown.share_B) * sizes.particles), *(np.array(shown.high_B) * sizes.particles))
        axes = Axes(*_SIZES, x=(last.edge[0], last.edge[-1]), y=(0.0, 1.05 * top), logarithmic=True)
        axes.draw(canvas, f"equivalent diameter ({self._unit}, logarithmic)", "particles per bin, 95 % intervals")
        if shown is not None:
            draw_sizes(canvas, axes, shown, sizes.particles, sizes.mean)

    def _draw_means(self, canvas: Canvas, row: Row) -> None:
        self._means.draw(
            canvas, f"time ({self._time_unit})", f"mean diameter of each frame ({self._unit}), 95 % intervals"
        )
        now = (time_of(row) - self._whole.begin) / self._length
        past = self._at_N <= now + 1e-9
        lines = (self._at_N, self._mean_N, self._low_N, self._high_N)
        draw_means(canvas, self._means, *(values[past] for values in lines))


def estimate_words(estimate: Estimate, unit: str) -> str:
    """
    >>> estimate_words(Estimate(12.0, 11.5, 12.5), "nm"), estimate_words(Estimate(12.0), "px")
    ('12.0 nm (11.5 to 12.5)', '12.0 px')
    """
    if estimate.value is None:
        return "–"
    interval = "" if estimate.low is None else f" ({number(estimate.low)} to {number(estimate.high)})"
    return f"{number(estimate.value)} {unit}{interval}"


def mean_range(mean_N: NDArray[Any], low_N: NDArray[Any], high_N: NDArray[Any]) -> tuple[float, float]:
    """What an axis of means shows: all of them; the few widest bands leave the plot."""
    known = mean_N[~np.isnan(mean_N)]
    if not len(known):
        return 0.0, 1.0
    least, most = np.nanpercentile(np.concatenate([known, low_N, high_N]), (5, 95))
    least, most = min(least, known.min()), max(most, known.max())
    margin = 0.08 * (most - least) or 0.1 * most or 1.0
    return max(0.0, float(least - margin)), float(most + margin)


def time_unit(seconds: float) -> tuple[float, str]:
    """The largest unit in which it is longer than three."""
    name, length = [(name, size) for name, size in _LONG if size == 1 or seconds > 3 * size][-1]
    return length, name


def _draw_picture(canvas: Canvas, places: Places, row: Row) -> None:
    """Micrograph, outlines, scale bar, number of particles; an empty place where the files are gone."""
    import cv2

    left, top, right, bottom = _PICTURE
    picture = outlined(places, row["id"])
    if picture is None:
        write(canvas, "its picture is gone from the session's folder", left, top, _TEXT, SOFT)
        return
    factor = min((right - left) / picture.shape[1], (bottom - top) / picture.shape[0])
    size = max(1, round(picture.shape[1] * factor)), max(1, round(picture.shape[0] * factor))
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    part = canvas[top : top + size[1], left : left + size[0]]
    part[:] = cv2.resize(picture, size, interpolation=how)
    _draw_bar(part, row["width"], row["pixel_size_nm"])
    _draw_number(part, row["particles"])


def outlined(places: Places, frame: int) -> NDArray[np.uint8] | None:
    """(H, W, 3) RGB, of the size of what the page shows."""
    import cv2

    grey = cv2.imread(str(places.picture(frame)), cv2.IMREAD_GRAYSCALE)
    lines = cv2.imread(str(places.contours(frame)), cv2.IMREAD_UNCHANGED)
    if grey is None:
        return None
    picture = cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)
    if lines is not None and lines.shape[:2] == grey.shape and lines.ndim == 3:
        thick = cv2.dilate(lines, np.ones((2, 2), np.uint8))  # one pixel would fade where the picture is made smaller
        drawn = thick[..., 3] > 0
        picture[drawn] = thick[..., 2::-1][drawn]
    return np.asarray(picture, np.uint8)


def _draw_bar(part: Canvas, width: int, pixel_size_nm: float | None) -> None:
    """Lower left. ``width``: of the micrograph, px."""
    unit, size = ("nm", pixel_size_nm) if pixel_size_nm else ("px", 1.0)
    length = round_length(width * size * BAR_SHARE)
    long, text = round(length / size / width * part.shape[1]), length_text(length, unit)
    wide, x, y = max(long, width_of(text, _TEXT)), 20, part.shape[0] - 24
    plate(part, x - 8, y - 28, wide + 16, 40)
    begin = x + (wide - long) // 2
    part[y : y + 4, begin : begin + long] = _WHITE
    write(part, text, x + wide / 2, y - 25, _TEXT, _WHITE, align=0.5)


def _draw_number(part: Canvas, particles: int) -> None:
    """Upper right."""
    text = f"{particles:,} particle{'' if particles == 1 else 's'}"
    wide = width_of(text, _TEXT)
    x = part.shape[1] - wide - 20
    plate(part, x - 8, 12, wide + 16, 32)
    write(part, text, x, 17, _TEXT, _WHITE)
