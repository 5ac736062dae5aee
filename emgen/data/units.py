"""Pixel sizes in nanometres, from whatever number and unit a file states. Never a guess."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emgen.errors import BadImageError

if TYPE_CHECKING:
    from emgen.data.micrograph import Micrograph

_PREFIXED = {
    "m": (1e9, "met"),
    "cm": (1e7, "centimet"),
    "mm": (1e6, "millimet"),
    "µm": (1e3, "micromet"),
    "nm": (1.0, "nanomet"),
    "pm": (1e-3, "picomet"),
}
_OTHERS = {"micron": 1e3, "um": 1e3, "å": 0.1, "angstrom": 0.1, "ångström": 0.1, "inch": 25.4e6, "in": 25.4e6}


def _plain(unit: str) -> str:
    """One spelling of each: the micro sign and the letter mu, capitals, ImageJ's escapes, spaces."""
    text = unit.encode().decode("unicode_escape") if "\\u" in unit else unit
    return unicodedata.normalize("NFKC", text.strip().strip("\0")).casefold()


NM_PER_UNIT: dict[str, float] = {
    _plain(name): factor
    for short, (factor, stem) in _PREFIXED.items()
    for name in (short, *(stem + ending for ending in ("er", "ers", "re", "res")))
} | {_plain(name): factor for unit, factor in _OTHERS.items() for name in (unit, f"{unit}s")}
UNSTATED = {"", "px", "pix", "pixel", "pixels", "none", "undefined", "<undefined>", "unknown", "n/a"} | {
    f"unit{axis}" for axis in ("", "1", "2", "3", "4")
}
"""What programs write where nobody calibrated."""
SPECTRUM = "a spectrum or a map of energies"
_HOLDS = {
    SPECTRUM: ("eV", "keV", "meV"),
    "a record over time": ("s", "sec", "second", "seconds", "ms", "millisecond", "µs", "us", "ns", "min", "h"),
    "a diffraction pattern": ("rad", "mrad", "µrad", "deg", "°", "degree", "degrees"),
}
NO_LENGTH = {_plain(unit): what for what, units in _HOLDS.items() for unit in units}
RECIPROCAL_MARKS = ("1/", "^-1", "-1", "⁻¹", "reciprocal", "per ")
RECIPROCAL = "a diffraction pattern or a Fourier transform"
ALIKE = 0.01
"""Pixels whose sides differ by more are not square."""
WAY_OUT = "Give the right one with --pixel-size (data.pixel_size_nm in a spec)."


@dataclass(frozen=True, slots=True)
class PixelSize:
    """What a file says of the side of a pixel.

    Attributes
    ----------
    nm: nanometres; ``None`` where it is unknown.
    stated: as the file has it, e.g. ``0.001249 µm``; empty where it states none.
    why: the cause where it is unknown.
    problem: true when the file states a size that cannot be right: an error, unless the user gives the size.
    """

    nm: float | None = None
    stated: str = ""
    why: str = "the file states none"
    problem: bool = False

    @property
    def facts(self) -> dict[str, Any]:
        """For ``Micrograph.metadata``."""
        facts = {"pixel_size_stated": self.stated} if self.stated else {}
        if self.nm is None:
            facts["pixel_size_problem" if self.problem else "pixel_size_unknown"] = self.why
        return facts


def pixel_size(sides: Sequence[tuple[float, str]], path: Path, field: str) -> PixelSize:
    """The side of a pixel from (value, unit) of one axis or of two.

    ``field`` names where the file states it. Sides that differ by at most 1 % are averaged. Raises ``BadImageError``
    for a unit that is no length (1/nm, eV, s, mrad): then the file holds no micrograph, whatever size were given.
    """
    stated = " x ".join(dict.fromkeys(f"{value:.6g} {unit}".strip() for value, unit in sides))
    for value, unit in sides:
        if what := no_length(unit):
            raise BadImageError(
                f"{path}: {field} is {value:.4g} {unit}, which is no length: the file holds {what}, not a micrograph. "
                "Leave it out, or export the image itself."
            )
    factors = [NM_PER_UNIT.get(_plain(unit)) for _, unit in sides]
    if any(_plain(unit) in UNSTATED for _, unit in sides):
        return PixelSize(None, stated, f"{field} has no unit of length ({stated})")
    if None in factors:
        return _wrong(path, field, stated, "its unit is not one that emgen knows")
    sizes = [value * factor for (value, _), factor in zip(sides, factors, strict=True) if factor is not None]
    if not all(math.isfinite(size) and size > 0 for size in sizes):
        return _wrong(path, field, stated, "a pixel has a size above zero")
    if max(sizes) > (1 + ALIKE) * min(sizes):
        return _wrong(path, field, stated, "the sides of a pixel differ, and particles are measured in square pixels")
    return PixelSize(sum(sizes) / len(sizes), stated)


def _wrong(path: Path, field: str, stated: str, why: str) -> PixelSize:
    return PixelSize(None, stated, f"{path}: {field} is {stated}: {why}. {WAY_OUT}", problem=True)


def no_length(unit: str) -> str | None:
    """What a file holds whose pixels are measured in ``unit``, if that is no length; else ``None``.

    >>> no_length("1/nm"), no_length("eV"), no_length("µm"), no_length("pixel")
    ('a diffraction pattern or a Fourier transform', 'a spectrum or a map of energies', None, None)
    """
    text = _plain(unit)
    return RECIPROCAL if any(mark in text for mark in RECIPROCAL_MARKS) else NO_LENGTH.get(text)


def refuse_no_lengths(axes: Sequence[tuple[str, str]], picture: Collection[int], path: Path) -> None:
    """Raise ``BadImageError`` if data with these axes (name, unit) are no micrographs.

    ``picture``: the places of the two axes of an image, which must be lengths. A series may run along anything but
    energy, which makes it a spectrum image.
    """
    for place, (name, unit) in enumerate(axes):
        what = no_length(unit)
        if what and (place in picture or what == SPECTRUM):
            raise BadImageError(
                f"{path}: axis {name} is in {unit}: the file holds {what}, not a micrograph. "
                "Leave it out, or export the image itself."
            )


def in_seconds(value: float, unit: str) -> float | None:
    """A time in seconds; ``None`` where the unit is none of time.

    >>> in_seconds(40, "ms"), in_seconds(3, "nm")
    (0.04, None)
    """
    seconds = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "min": 60.0, "h": 3600.0}
    names = {"sec": "s", "second": "s", "millisecond": "ms", "microsecond": "us", "µs": "us", "minute": "min"}
    names = {_plain(name): short for name, short in names.items()}
    text = _plain(unit)
    text = text.removesuffix("s") if len(text) > 3 else text
    factor = seconds.get(names.get(text, text))
    return None if factor is None else value * factor


def settled_pixel_size(raw: Micrograph, given_nm: float | None) -> float | None:
    """``given_nm``, else the file's own. Raises ``BadImageError`` where the file states one that cannot be right."""
    if given_nm is not None:
        return given_nm
    if problem := raw.metadata.get("pixel_size_problem"):
        raise BadImageError(str(problem))
    return raw.pixel_size_nm
