"""Phantom micrographs as sources for the doctor, and faults planted in them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from emgen.data import Micrograph
from emgen.doctor import Examination, Source, examine
from emgen.errors import UnreadableFileError
from emgen.testing.phantoms import Phantom, phantom_stack

MODALITIES = ("haadf-stem", "bf-tem")
POLARITY = {"haadf-stem": "bright", "bf-tem": "dark"}
SHAPE = (320, 384)


@cache
def stack(modality: str, seed: int, n: int = 5, shape_HW: tuple[int, int] = SHAPE) -> tuple[Phantom, ...]:
    """One material, its display range wide enough that nothing is clipped."""
    return tuple(phantom_stack(n, shape_HW, seed=seed, modality=modality, white=0.85))


def images(modality: str, seed: int = 1, n: int = 5) -> list[Any]:
    """(H, W) uint8, fresh copies."""
    return [np.round(phantom.image_HW * 255).astype(np.uint8) for phantom in stack(modality, seed, n)]


def source(name: str, image_HW: Any, pixel_size_nm: float | None = None) -> Source:
    micrograph = Micrograph(image_HW, pixel_size_nm, name)
    return Source(name, Path(f"{name}.tif"), lambda: micrograph)


def broken(name: str) -> Source:
    def read() -> Micrograph:
        raise UnreadableFileError(f"{name}.tif: cut off")

    return Source(name, Path(f"{name}.tif"), read)


def examined(arrays: Sequence[Any], **settings: Any) -> Examination:
    """Of images named a, b, c …"""
    return examine([source(chr(97 + number), image) for number, image in enumerate(arrays)], **settings)


def found(examination: Any, check: str) -> Any:
    """The one finding of a check; fails where there is none, or two."""
    (one,) = [finding for finding in examination.findings if finding.check == check]
    return one


def checks(examination: Any, *, notes: bool = True) -> set[str]:
    return {finding.check for finding in examination.findings if notes or finding.severity != "note"}


def with_data_bar(image_HW: Any, height: int = 30, value: int = 0, ink: int = 255) -> Any:
    """A bar at the bottom, with letters."""
    barred = image_HW.copy()
    barred[-height:] = value
    for letter in range(12):
        left = 20 + 14 * letter
        barred[-height + 8 : -height + 22, left : left + 3] = ink
        barred[-height + 8 : -height + 11, left : left + 8] = ink
    return barred


def with_scale_bar(image_HW: Any, value: int = 255) -> Any:
    marked = image_HW.copy()
    marked[-24:-18, 20:90] = value
    return marked
