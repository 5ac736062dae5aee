"""What RosettaSciIO returns, a list of signal dictionaries, in emgen's terms.

A signal has axes in the order of its array. Navigation axes count signals (frames, scan points), signal axes span one;
an image has two signal axes. ``hyperspy.org/rosettasciio/api`` describes the dictionaries.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emgen.data.units import PixelSize, in_seconds, pixel_size

Signal = Mapping[str, Any]
Axis = Mapping[str, Any]

_FACTS = {
    "voltage_kv": "beam_energy",
    "microscope": "microscope",
    "magnification": "magnification",
    "detector": "detector_type",
}
"""emgen's name -> RosettaSciIO's, in ``Acquisition_instrument.TEM`` or ``.SEM``."""


@dataclass(frozen=True)
class ImageSignal:
    """One image (count 1) or a stack of them.

    ``data``: the array, (H, W), (N, H, W) or with colour fields, lazy where the format allows; ``None`` where only
    the headers are wanted.
    ``across``: the axes of H and of W. ``along``: that of N, if there is one. ``metadata``: RosettaSciIO's.
    """

    data: Any
    across: tuple[Axis, Axis]
    along: Axis | None
    metadata: Mapping[str, Any]

    @property
    def count(self) -> int:
        return int(self.along["size"]) if self.along else 1

    @property
    def shape_HW(self) -> tuple[int, int]:
        return int(self.across[0]["size"]), int(self.across[1]["size"])

    def read(self, frame: int) -> NDArray[Any]:
        """The pixels of one frame, (H, W) or (H, W, channels), in the file's own dtype."""
        data = self.data.reshape(self.count, *self.shape_HW)
        frame_HW = np.asarray(data[frame])
        if frame_HW.dtype.names:  # HyperSpy's rgb8: one field a channel
            return np.stack([frame_HW[name] for name in frame_HW.dtype.names], axis=-1)
        return frame_HW

    def pixel_size(self, path: Path) -> PixelSize:
        """From scale and unit of both image axes. Raises ``BadImageError`` for a unit that is no length."""
        sides = [(abs(float(axis.get("scale") or 0)), _unit(axis)) for axis in self.across]
        return pixel_size(sides, path, "the scale of its image axes")

    def facts(self, frame: int) -> dict[str, Any]:
        """Title, date and instrument where the file names them; of a series over time, the frame's time."""
        general = self.metadata.get("General", {})
        acquired = " ".join(str(general[name]) for name in ("date", "time") if general.get(name))
        known = {"title": general.get("title"), "acquired": acquired, **_instrument(self.metadata)}
        facts = {name: value for name, value in known.items() if value not in (None, "")}
        if self.along:
            position = float(self.along.get("offset") or 0) + frame * float(self.along.get("scale") or 0)
            time_s = in_seconds(position, _unit(self.along))
            facts |= {} if time_s is None else {"time_s": time_s}
        return facts


def image_of(signal: Signal) -> ImageSignal | None:
    """The signal as an image or a stack of images; ``None`` if it is neither (a spectrum, 4-D data)."""
    across, along = _split(signal)
    if len(across) == 0 and len(along) == 2:  # a map with one number a scan point, such as a virtual detector's
        across, along = along, []
    if len(across) == 3 and not along:  # a stack whose format marks no axis, such as NCEM's
        along, across = across[:1], across[1:]
    along = [axis for axis in along if int(axis["size"]) > 1]
    if len(across) != 2 or len(along) > 1 or any("axis" in axis for axis in across):
        return None
    first, second = across
    return ImageSignal(signal["data"], (first, second), along[0] if along else None, _metadata(signal))


def described(signal: Signal) -> str:
    """For an error text: ``"EDS" with 2 navigation axes (y 64, x 64) and 1 signal axis (Energy 2048)``."""
    across, along = _split(signal)
    title = signal.get("metadata", {}).get("General", {}).get("title") or "a signal"
    return f"{title!r} with {_axes(along, 'navigation')} and {_axes(across, 'signal')}"


def _axes(axes: Sequence[Axis], kind: str) -> str:
    sizes = ", ".join(f"{axis.get('name') or 'unnamed'} {axis['size']}" for axis in axes)
    return f"{len(axes)} {kind} {'axis' if len(axes) == 1 else 'axes'}" + (f" ({sizes})" if axes else "")


def _split(signal: Signal) -> tuple[list[Axis], list[Axis]]:
    """(signal axes, navigation axes), each in the array's order. Where a format marks neither, the last two span it."""
    sizes = np.shape(signal["data"])
    given = signal.get("axes") or [{} for _ in sizes]
    axes = [{**axis, "size": size} for axis, size in zip(given, sizes, strict=True)]
    marks = [axis.get("navigate") for axis in axes]
    if all(mark is None for mark in marks):
        marks = [i < len(axes) - 2 for i in range(len(axes))]
    pairs = list(zip(axes, marks, strict=True))
    return [axis for axis, away in pairs if not away], [axis for axis, away in pairs if away]


def _unit(axis: Axis) -> str:
    unit = axis.get("units")
    return "" if unit is None else str(unit)


def _metadata(signal: Signal) -> Mapping[str, Any]:
    """RosettaSciIO's metadata, with what it leaves to be fetched from the original ones (``mapping``)."""
    metadata = {name: dict(part) for name, part in signal.get("metadata", {}).items() if isinstance(part, Mapping)}
    for source, (target, convert) in (signal.get("mapping") or {}).items():
        branch, *_ = parts = target.split(".")
        value = _at(signal.get("original_metadata", {}), source.split("."))
        if branch not in ("General", "Acquisition_instrument") or value is None or len(parts) > 3:
            continue
        try:
            value = convert(value) if convert else value
        except (ValueError, TypeError, KeyError, AttributeError):  # a remark in the margin of the file, no image
            continue
        _put(metadata, parts, value)
    return metadata


def _at(tree: Any, path: Sequence[str]) -> Any:
    for name in path:
        tree = tree.get(name) if isinstance(tree, Mapping) else None
    return tree


def _put(tree: dict[str, Any], path: Sequence[str], value: Any) -> None:
    *parents, last = path
    for name in parents:
        below = tree.get(name)
        tree[name] = dict(below) if isinstance(below, Mapping) else {}
        tree = tree[name]
    tree.setdefault(last, value)


def _instrument(metadata: Mapping[str, Any]) -> dict[str, Any]:
    instruments = metadata.get("Acquisition_instrument", {})
    found = next((instruments[kind] for kind in ("TEM", "SEM") if isinstance(instruments.get(kind), Mapping)), {})
    return {name: _plain(found.get(theirs)) for name, theirs in _FACTS.items()}


def _plain(value: Any) -> Any:
    """A number or a text; what a file says otherwise stays in the file."""
    if isinstance(value, np.generic):
        value = value.item()
    return value if isinstance(value, (int, float, str)) and value != 0 else None
