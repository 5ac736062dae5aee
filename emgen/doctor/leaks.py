"""Places that a run holds out and trains on at once, because two micrographs show them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from emgen.data.window import Window
from emgen.doctor.findings import Finding, some
from emgen.doctor.near import Overlap
from emgen.doctor.orient import Rect

TRAINED = ("subset1", "subset2")
LEAST = 0.02
"""Share of a held-out window that must be seen elsewhere: less is the edge of a crop."""


@dataclass(frozen=True, slots=True)
class Leak:
    """``share`` of the window ``held_out`` is also in a window of ``subset``, of another micrograph."""

    held_out: Window
    trained: Window
    subset: str
    share: float
    exact: bool


def find_leaks(
    overlaps: Iterable[Overlap], plan: Mapping[str, Any], shapes_HW: Sequence[tuple[int, int]]
) -> list[Leak]:
    """``plan``: windows by subset, as a run records its split."""
    held_out = [Window(**window) for window in plan["held_out"]]
    trained = {subset: [Window(**window) for window in plan[subset]] for subset in TRAINED}
    return [leak for overlap in overlaps for leak in _of_pair(overlap, held_out, trained, shapes_HW)]


def _of_pair(
    overlap: Overlap,
    held_out: Sequence[Window],
    trained: Mapping[str, Sequence[Window]],
    shapes_HW: Sequence[tuple[int, int]],
) -> Iterator[Leak]:
    """Either of the two may hold the place out; all rectangles are compared in the second one's pixels."""
    frame = overlap.shared_in_first(shapes_HW[overlap.first])
    for own in held_out:
        for subset, windows in trained.items():
            for other in windows:
                if {own.index, other.index} == {overlap.first, overlap.second}:
                    share = _share(overlap, frame, own, other)
                    if share >= LEAST:
                        yield Leak(own, other, subset, round(share, 4), overlap.exact)


def _share(overlap: Overlap, frame: Rect, own: Window, other: Window) -> float:
    """Of ``own``, the part that lies in what is shared and in ``other``."""

    def in_second(window: Window) -> Rect:
        rect = (window.y, window.x, window.y + window.height, window.x + window.width)
        if window.index == overlap.second:
            return rect
        return overlap.carried(_both(rect, frame))

    own_rect = (own.y, own.x, own.y + own.height, own.x + own.width)
    whole = _area(overlap.carried(own_rect)) if own.index == overlap.first else _area(own_rect)
    return _area(_both(in_second(own), in_second(other))) / whole if whole else 0.0


def _both(a: Rect, b: Rect) -> Rect:
    top, left = max(a[0], b[0]), max(a[1], b[1])
    return top, left, max(top, min(a[2], b[2])), max(left, min(a[3], b[3]))


def _area(rect: Rect) -> float:
    return (rect[2] - rect[0]) * (rect[3] - rect[1])


def on_leaks(leaks: Sequence[Leak], names: Sequence[str]) -> Iterator[Finding]:
    if not leaks:
        return
    pairs = dict.fromkeys(
        f"{names[leak.held_out.index]} ({100 * leak.share:.0f} % in {leak.subset}, {names[leak.trained.index]})"
        for leak in sorted(leaks, key=lambda leak: -leak.share)
    )
    yield Finding(
        check="leak",
        severity="warning",
        title="places that are held out in one micrograph and trained on in another",
        names=tuple(dict.fromkeys(names[leak.held_out.index] for leak in leaks)),
        files=(),
        measured=some(list(pairs), 8),
        limit=f"{100 * LEAST:g} % of a held-out region",
        sureness="certain" if all(leak.exact for leak in leaks) else "high",
        way_out="Scores of pairs (ssim, psnr) are too good. Leave one micrograph of each pair out of `images`, or do "
        "without these scores: split.held_out: 0.",
        values={"leaks": len(leaks)},
    )
