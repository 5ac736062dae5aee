"""Opens a file through RosettaSciIO and finds the micrographs among its signals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from emgen.data import Micrograph
from emgen.data.frames import Frames, one_shape
from emgen.errors import BadImageError
from emgen_rosettasciio.opened import LastOpened
from emgen_rosettasciio.signals import ImageSignal, described, image_of

_LAST = LastOpened()


class RosettaReader:
    """Every image signal of a file; one with a navigation axis counts as so many micrographs."""

    def open(self, path: Path) -> Sequence[Micrograph]:
        """Reads the headers. Raises ``BadImageError`` for a file without images, or whose images differ in size."""
        images, others = _signals(path)
        if not images:
            found = "; ".join(others) or "nothing"
            raise BadImageError(
                f"{path}: no micrograph in it. A micrograph has two image axes, a stack one axis more; the file holds "
                f"{found}. Save the image, or a stack of images, as a signal of its own."
            )
        one_shape([image.shape_HW for image in images], path, "images")
        sizes = [image.pixel_size(path) for image in images]
        if len({size.nm for size in sizes}) > 1:
            stated = ", ".join(size.stated or "unknown" for size in sizes)
            raise BadImageError(f"{path}: its images differ in pixel size ({stated}); save them as files of their own.")
        frames = [(i, frame) for i, image in enumerate(images) for frame in range(image.count)]
        return Frames(
            path,
            len(frames),
            lambda index: _read(path, *frames[index]),
            size=sizes[0],
            facts={"notes": (f"signals that are no images left out: {'; '.join(others)}",)} if others else {},
            facts_of=lambda index: images[frames[index][0]].facts(frames[index][1]),
        )


def _signals(path: Path) -> tuple[list[ImageSignal], list[str]]:
    """The image signals and the others, without their pixels."""
    with _LAST.signals(path) as signals:
        read = [(signal, image_of(signal)) for signal in signals]
        images = [replace(image, data=None) for _, image in read if image]
        return images, [described(signal) for signal, image in read if not image]


def _read(path: Path, number: int, frame: int) -> NDArray[Any]:
    with _LAST.signals(path) as signals:
        images = [image for signal in signals if (image := image_of(signal))]
        return images[number].read(frame)
