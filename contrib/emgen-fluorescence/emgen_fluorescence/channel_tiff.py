"""One channel of a TIFF that holds several, by tifffile. Z planes are projected; times and places are frames."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from emgen.data.frames import Frames, one_shape
from emgen.errors import BadImageError, UnreadableFileError, did_you_mean, listing
from emgen_fluorescence.config import ChannelConfig
from emgen_readers.pixel_size import pixel_size_of
from emgen_readers.tiff import TiffReader

COLOURS = ("red", "green", "blue", "alpha")
UNNAMED = "QI"
"""What tifffile calls an axis of pages that nothing in the file names."""


class ChannelTiffReader:
    """Implements ``emgen.stages.Reader``. A file without channels has channel 0 alone."""

    def __init__(self, config: ChannelConfig) -> None:
        self._config = config

    def open(self, path: Path) -> Frames:
        """Reads the headers only.

        Raises ``BadImageError`` for a channel that the file does not have, naming those it has, and
        ``UnreadableFileError`` where the data end early.
        """
        _refuse_truncated(path)
        with tifffile.TiffFile(path) as file:
            series = pictures(file)
            if not series:
                raise UnreadableFileError(f"{path}: the TIFF holds no image. Leave it out.")
            one_shape([tuple(one.shape) for one in series], path, "series")
            layout = Layout.of(series[0], self._config.pages)
            channel = chosen(self._config.channel, channel_names(file, layout), path)
            size = pixel_size_of(file, path)

        def read(index: int) -> NDArray[Any]:
            with tifffile.TiffFile(path) as again:
                one = pictures(again)[index // layout.frames]
                return projected(layout.planes(one, index % layout.frames, channel), self._config.z)

        facts = {"channel": self._config.channel, "notes": layout.notes(channel, self._config.z)}
        return Frames(path, len(series) * layout.frames, read, size=size, facts=facts)


def pictures(file: tifffile.TiffFile) -> list[Any]:
    """The series of a file, without the thumbnails of others."""
    return [one for one in file.series if not one.keyframe.is_reduced]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where channels, planes and frames of a series lie.

    Attributes
    ----------
    axes, shape: as tifffile has them; Y and X are among them. channel_axis: ``None`` where there are no channels.
    """

    axes: str
    shape: tuple[int, ...]
    channel_axis: str | None

    @classmethod
    def of(cls, series: Any, pages: str) -> Layout:
        """``pages``: what an axis is that the file does not name, ``frames`` or ``channels``."""
        possible = "CS" + (UNNAMED if pages == "channels" else "")
        return cls(series.axes, tuple(series.shape), next((axis for axis in possible if axis in series.axes), None))

    @property
    def channels(self) -> int:
        return 1 if self.channel_axis is None else self.length(self.channel_axis)

    @property
    def frame_axes(self) -> list[str]:
        """All that is neither channel nor plane nor picture."""
        return [axis for axis in self.axes if axis not in ("Y", "X", "Z", self.channel_axis)]

    @property
    def frames(self) -> int:
        return prod(self.length(axis) for axis in self.frame_axes)

    def length(self, axis: str) -> int:
        return self.shape[self.axes.index(axis)] if axis in self.axes else 1

    def planes(self, series: Any, frame: int, channel: int) -> NDArray[Any]:
        """(Z, H, W) of one frame and channel; Z is 1 without planes. Reads no other pages, where a page is a plane."""
        lengths = [self.length(axis) for axis in self.frame_axes]
        places = dict(zip(self.frame_axes, map(int, np.unravel_index(frame, lengths or (1,))), strict=False))
        if self.channel_axis is not None:
            places[self.channel_axis] = channel
        leading = self.axes[:-2]
        if self.axes.endswith("YX") and len(series.pages) == prod(self.shape[:-2]):
            picked = [range(self.length(axis)) if axis == "Z" else [places[axis]] for axis in leading]
            numbers = np.ravel_multi_index(np.ix_(*picked), self.shape[:-2]).ravel() if leading else np.zeros(1, int)
            return np.stack([series.asarray(key=int(number)) for number in numbers])
        taken = series.asarray().reshape(self.shape)[tuple(places.get(axis, slice(None)) for axis in self.axes)]
        left = [axis for axis in self.axes if axis not in places]
        planes = np.transpose(taken, [left.index(axis) for axis in ("Z", "Y", "X") if axis in left])
        return planes if "Z" in left else planes[None]

    def notes(self, channel: int, z: str) -> tuple[str, ...]:
        said = [f"channel {channel} of {self.channels} read"] if self.channels > 1 else []
        return (*said, *([f"{self.length('Z')} z planes made one ({z})"] if self.length("Z") > 1 else []))


def _refuse_truncated(path: Path) -> None:
    """As emgen's own reader does before it looks at axes and colours, of which it takes fewer."""
    with suppress(BadImageError):
        TiffReader().open(path)


def channel_names(file: tifffile.TiffFile, layout: Layout) -> list[str]:
    """What the file calls its channels, in order; their numbers where it names none."""
    count = layout.channels
    if layout.channel_axis == "S":
        return list(COLOURS[:count])
    names: list[str] = []
    if file.is_ome:
        names = re.findall(r'<(?:\w+:)?Channel\b[^>]*?\bName="([^"]*)"', file.ome_metadata or "")
    elif file.is_imagej:
        labels = (file.imagej_metadata or {}).get("Labels", [])
        names = [str(label) for label in labels[:count]] if isinstance(labels, list) else []
    return names[:count] if len(names) >= count > 1 else [str(number) for number in range(count)]


def chosen(channel: int | str, names: list[str], path: Path) -> int:
    """The number of a channel that is given by number or by name (in any case)."""
    if isinstance(channel, int):
        if channel < len(names):
            return channel
        raise BadImageError(
            f"{path}: there is no channel {channel}; the file has {len(names)}, from 0 on ({', '.join(names)})."
        )
    folded = [name.casefold() for name in names]
    if channel.casefold() in folded:
        return folded.index(channel.casefold())
    raise BadImageError(
        f'{path}: no channel is called "{channel}".{did_you_mean(channel, names)} The file has {listing(names)}; '
        "a number from 0 on chooses one too."
    )


def projected(planes_ZHW: NDArray[Any], how: str) -> NDArray[Any]:
    """(Z, H, W) -> (H, W), in the dtype of the planes."""
    if how == "middle" or len(planes_ZHW) == 1:
        return np.ascontiguousarray(planes_ZHW[len(planes_ZHW) // 2])
    made = planes_ZHW.max(axis=0) if how == "max" else planes_ZHW.mean(axis=0)
    return made.astype(planes_ZHW.dtype)
