"""One micrograph divided: a strip along one side for subset 1, a piece of it held out, the rest for subset 2."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from emgen.data.window import Window
from emgen.errors import NoImagesError

SIDES = ("top", "bottom", "left", "right")


@dataclass(frozen=True, slots=True)
class Division:
    """The windows of one micrograph."""

    subset1: tuple[Window, ...]
    subset2: tuple[Window, ...]
    held_out: tuple[Window, ...]


def divide(
    index: int,
    shape_HW: tuple[int, int],
    share: float,
    held_out: float,
    crop: int,
    guard: int,
    count: Callable[[Window], int] | None,
    rng: np.random.Generator,
) -> Division:
    """Divide micrograph ``index``; lengths in its own pixels, ``share`` and ``held_out`` as shares of its area.

    Of the four sides the strip with most particles is taken (without ``count``: a random one), and of its two ends the
    one with more is held out only if the other keeps some. Pieces are at least a crop wide where there is room.
    """
    candidates = [
        pair
        for side in rng.permutation(np.array(SIDES))
        if (pair := _strip(index, shape_HW, str(side), min(share + held_out, 0.9), crop, guard)) is not None
    ]
    if not candidates:
        raise NoImagesError(
            f"Micrograph {index + 1} of {shape_HW[0]} x {shape_HW[1]} px is too small to be divided with a guard band "
            f"of {guard} px. Use split.by: micrograph, or a smaller split.guard."
        )
    strip, rest = max(candidates, key=lambda pair: count(pair[0]) if count else 0)
    if not held_out:
        return Division((strip,), (rest,), ())
    kept, held = _cut_end(strip, held_out / (share + held_out), crop, guard, count, rng)
    return Division((kept,), (rest,), () if held is None else (held,))


def _strip(
    index: int, shape_HW: tuple[int, int], side: str, share: float, crop: int, guard: int
) -> tuple[Window, Window] | None:
    """The strip along ``side`` and what is left beyond the guard band; ``None`` if there is no room for both."""
    height, width = shape_HW
    across = height if side in ("top", "bottom") else width
    thick = _piece(across, share, crop, guard)
    if thick is None:
        return None
    rest = across - thick - guard
    start, rest_start = (0, thick + guard) if side in ("top", "left") else (across - thick, 0)
    if side in ("top", "bottom"):
        return Window(index, start, 0, thick, width), Window(index, rest_start, 0, rest, width)
    return Window(index, 0, start, height, thick), Window(index, 0, rest_start, height, rest)


def _piece(length: int, share: float, crop: int, guard: int) -> int | None:
    """``share`` of a length, moved so that both pieces hold a crop, or as much of one as there is room for."""
    room = length - guard
    if room < 2:
        return None
    least = min(crop, room // 2)
    return int(np.clip(round(share * room), least, room - least))


def _cut_end(
    strip: Window,
    share: float,
    crop: int,
    guard: int,
    count: Callable[[Window], int] | None,
    rng: np.random.Generator,
) -> tuple[Window, Window | None]:
    """(what subset 1 keeps, what is held out) of a strip; nothing is held out of a strip shorter than 1.5 crops."""
    along_x = strip.width >= strip.height
    length = strip.width if along_x else strip.height
    piece = _piece(length, share, crop, guard)
    if piece is None or length < 1.5 * crop + guard:
        return strip, None
    ends = [_ends(strip, piece, guard, along_x, near) for near in rng.permutation([True, False])]
    if count is None:
        return ends[0]
    # Both need particles: subset 1 to learn from, the held-out piece to be compared on.
    return max(ends, key=lambda pair: min(count(pair[0]), count(pair[1])))


def _ends(strip: Window, piece: int, guard: int, along_x: bool, near: bool) -> tuple[Window, Window]:
    length = strip.width if along_x else strip.height
    kept = length - piece - guard
    held_start, kept_start = (0, piece + guard) if near else (length - piece, 0)
    return _part(strip, kept_start, kept, along_x), _part(strip, held_start, piece, along_x)


def _part(strip: Window, start: int, length: int, along_x: bool) -> Window:
    if along_x:
        return Window(strip.index, strip.y, strip.x + start, strip.height, length)
    return Window(strip.index, strip.y + start, strip.x, length, strip.width)
